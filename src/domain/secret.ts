import { createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** The key of a secret: bytes for an HMAC, or an Ed25519 pair whose public half is shown as `whpk_…`. */
export type SigningKey =
  | { kind: 'hmac'; key: KeyObject }
  | { kind: 'ed25519'; privateKey: KeyObject; publicKey: string }

/** The longest secret that is accepted, in UTF-16 code units. */
export const SECRET_CHARS_MAX = 512

/** Keys that `parseSecretCached` keeps. */
export const SECRETS_CACHED_MAX = 10_000

const SECRET_PREFIX = 'whsec_'
const PRIVATE_PREFIX = 'whsk_'
const PUBLIC_PREFIX = 'whpk_'
const HMAC_SECRET_BYTES = 24
const ED25519_HALF_BYTES = 32
// RFC 8410, section 7: the DER of a PKCS#8 Ed25519 key up to its 32-byte seed.
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex')
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/

/**
 * The key that a secret stands for. `whsec_` and base64 are the decoded bytes for HMAC; `whsk_` and base64 of seed and
 * public key (64 bytes) are an Ed25519 pair; any other text is its UTF-8 bytes for HMAC (Standard Webhooks 1.0.0,
 * "Signature scheme"). The same text always gives an equal key, so the result may be kept. Throws a RangeError, without
 * the secret, when `secretProblem` finds the format wrong: such a text must not silently become a key that its owner
 * did not mean.
 */
export function parseSecret(text: string): SigningKey {
  const parsed = read(text)
  if ('problem' in parsed) throw new RangeError(parsed.problem)
  return parsed.key
}

const cache = new Map<string, SigningKey>()

/**
 * `parseSecret` with a cache of the `SECRETS_CACHED_MAX` keys that were added last: every attempt signs, and secrets
 * seldom change.
 */
export function parseSecretCached(text: string): SigningKey {
  const known = cache.get(text)
  if (known !== undefined) return known
  const key = parseSecret(text)
  const [oldest] = cache.keys()
  if (oldest !== undefined && cache.size >= SECRETS_CACHED_MAX) cache.delete(oldest)
  cache.set(text, key)
  return key
}

/** Says why `text` cannot be a secret and what would be valid, as a sentence; null when it can be one. */
export function secretProblem(text: string): string | null {
  if (text.length > SECRET_CHARS_MAX) return `A secret has at most ${SECRET_CHARS_MAX} characters.`
  const parsed = read(text)
  return 'problem' in parsed ? parsed.problem : disguiseProblem(text)
}

/**
 * Finds texts that were meant to be another secret: copied with a line break, with quotes around them, or with a prefix
 * that another program shows (`v1,whsec_…`). Their bytes would be a key, and no signature would ever verify. Only new
 * secrets are refused for this: `parseSecret` reads stored ones as before.
 */
function disguiseProblem(text: string): string | null {
  if (text !== text.trim()) return 'A secret has no white space at its beginning or end.'
  if (/^(["'`]).*\1$/s.test(text)) return 'The quotes around the secret would be a part of it: leave them out.'
  const prefix = /wh(?:sec|sk|pk)_/i.exec(text)
  if (prefix === null || text.startsWith(SECRET_PREFIX) || text.startsWith(PRIVATE_PREFIX)) return null
  return `A secret of Standard Webhooks begins with ${SECRET_PREFIX} or ${PRIVATE_PREFIX}, in lower case and with nothing before that.`
}

/** A new HMAC secret: `whsec_` and the base64 of 24 random bytes. `randomBytes(n)` gives n unpredictable bytes. */
export const generateSecret = (randomBytes: (n: number) => Uint8Array): string =>
  SECRET_PREFIX + Buffer.from(randomBytes(HMAC_SECRET_BYTES)).toString('base64')

/**
 * A new Ed25519 pair: `whsk_` and the base64 of its seed and public key. `randomBytes(n)` gives n unpredictable bytes.
 */
export function generatePair(randomBytes: (n: number) => Uint8Array): string {
  const seed = randomBytes(ED25519_HALF_BYTES)
  return PRIVATE_PREFIX + Buffer.concat([seed, pairOf(seed).publicBytes]).toString('base64')
}

function pairOf(seed: Uint8Array): { privateKey: KeyObject; publicBytes: Buffer } {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  return { privateKey, publicBytes: spki.subarray(-ED25519_HALF_BYTES) }
}

function read(text: string): { key: SigningKey } | { problem: string } {
  if (text === '') return { problem: 'A secret must not be empty.' }
  if (text.startsWith(SECRET_PREFIX)) return readHmac(text.slice(SECRET_PREFIX.length))
  if (text.startsWith(PRIVATE_PREFIX)) return readEd25519(text.slice(PRIVATE_PREFIX.length))
  // A public key is no secret: used as an HMAC key it would protect nothing.
  if (text.startsWith(PUBLIC_PREFIX)) return { problem: 'A whpk_ key is public; the secret is its whsk_ counterpart.' }
  return { key: { kind: 'hmac', key: createSecretKey(text, 'utf8') } }
}

function readHmac(base64: string): { key: SigningKey } | { problem: string } {
  const bytes = decodeBase64(base64)
  if (bytes === null || bytes.length === 0) return { problem: 'After whsec_ a secret is base64 of at least one byte.' }
  return { key: { kind: 'hmac', key: createSecretKey(bytes) } }
}

function readEd25519(base64: string): { key: SigningKey } | { problem: string } {
  const bytes = decodeBase64(base64)
  if (bytes?.length !== 2 * ED25519_HALF_BYTES) {
    return { problem: 'After whsk_ a secret is base64 of 64 bytes: the Ed25519 seed and the public key.' }
  }
  const { privateKey, publicBytes } = pairOf(bytes.subarray(0, ED25519_HALF_BYTES))
  if (!publicBytes.equals(bytes.subarray(ED25519_HALF_BYTES))) {
    return {
      problem: 'The two halves of the whsk_ secret do not match: the last 32 bytes are the public key of the first 32.',
    }
  }
  return { key: { kind: 'ed25519', privateKey, publicKey: PUBLIC_PREFIX + publicBytes.toString('base64') } }
}

// Buffer.from skips characters that are not base64, so the format is checked first. Padding is optional, as in the
// reference libraries.
const decodeBase64 = (text: string): Buffer | null => (BASE64.test(text) ? Buffer.from(text, 'base64') : null)
