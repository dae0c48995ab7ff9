import { createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { SigningKey } from './secret.ts'

/** The most signatures that one header may carry: each one costs work before the sender is known. */
export const SIGNATURES_MAX = 16

const HUB_SIGNATURE = /^sha256=[0-9a-fA-F]{64}$/
// One spelling per number, so that the number and the signed text always agree; 15 digits are always exact.
const TIMESTAMP = /^(?:0|[1-9]\d{0,14})$/
const SIGNATURE = /^([^,]*),([^,]*)$/
// 64 bytes in their only spelling: the last character carries two bits only.
const ED25519_SIGNATURE = /^[A-Za-z0-9+/]{85}[AQgw]==$/

/**
 * One signature of the `webhook-signature` header, over the bytes `{id}.{timestampSeconds}.{body}`: `v1,` and base64 of
 * HMAC-SHA256, or `v1a,` and base64 of Ed25519 (Standard Webhooks 1.0.0, "Signature scheme"). Throws a RangeError when
 * the id is empty or has a dot, or the time is no whole number of seconds since 1970: the parts could then be cut in
 * another way.
 */
export function signStandard(key: SigningKey, id: string, timestampSeconds: number, body: Uint8Array): string {
  if (id === '' || id.includes('.')) throw new RangeError('a signed id is not empty and has no dot')
  if (!TIMESTAMP.test(String(timestampSeconds))) throw new RangeError('a signed timestamp is whole seconds since 1970')
  const head = `${id}.${timestampSeconds}.`
  if (key.kind === 'hmac') return `v1,${createHmac('sha256', key.key).update(head).update(body).digest('base64')}`
  return `v1a,${sign(null, Buffer.concat([Buffer.from(head), body]), key.privateKey).toString('base64')}`
}

/** The `X-Hub-Signature-256` header over the body bytes: `sha256=` and lower-case hex. Only HMAC keys have one. */
export const signHub = (key: Extract<SigningKey, { kind: 'hmac' }>, body: Uint8Array): string =>
  `sha256=${hmacHex(key.key, body)}`

/** HMAC-SHA256 of the body bytes, as 64 lower-case hex characters. */
export const hmacHex = (key: KeyObject, body: Uint8Array): string =>
  createHmac('sha256', key).update(body).digest('hex')

/** True when two strings are the same. The time depends on their lengths, but not on where they differ. */
export function equalsConstantTime(a: string, b: string): boolean {
  // UTF-16, because UTF-8 has one replacement for all lone surrogates.
  const left = Buffer.from(a, 'utf16le')
  const right = Buffer.from(b, 'utf16le')
  return left.length === right.length && timingSafeEqual(left, right)
}

/**
 * True when an `X-Hub-Signature-256` header (`sha256=`, hex in either case) was made over these body bytes with one of
 * the secrets. All secrets are tried, so the time does not tell which one matched. False for a missing header and for
 * any other format; Ed25519 keys never match.
 */
export function verifyHub(secrets: readonly SigningKey[], header: string | undefined, body: Uint8Array): boolean {
  if (header === undefined || !HUB_SIGNATURE.test(header)) return false
  const given = header.toLowerCase()
  let valid = false
  for (const key of secrets) {
    if (key.kind === 'hmac' && equalsConstantTime(signHub(key, body), given)) valid = true
  }
  return valid
}

/** The three headers as received (undefined when missing), the raw body, and the receiver's clock, in ms since 1970. */
export interface StandardWebhook {
  keys: readonly SigningKey[]
  id: string | undefined
  timestamp: string | undefined
  signature: string | undefined
  body: Uint8Array
  now: number
  toleranceMs: number
}

/**
 * True when a Standard Webhooks request is authentic and recent: one of its signatures verifies under one of the keys,
 * and its timestamp is at most `toleranceMs` before or after `now`. Unknown versions in the list are skipped. The whole
 * request is refused for:
 *
 * * a missing or empty header,
 * * an id with a dot (the sender's body could be cut into another timestamp),
 * * a timestamp that is not a plain decimal integer,
 * * more than `SIGNATURES_MAX` signatures,
 * * a list that is not `version,value` items with one space between them; a repeated header becomes such a list when it
 * is joined.
 */
export function verifyStandard({ keys, id, timestamp, signature, body, now, toleranceMs }: StandardWebhook): boolean {
  if (!id || id.includes('.') || timestamp === undefined || !TIMESTAMP.test(timestamp) || !signature) return false
  const seconds = Number(timestamp)
  if (!(Math.abs(now - seconds * 1_000) <= toleranceMs)) return false
  const given = parseSignatures(signature)
  if (given === null) return false
  let valid = false
  for (const key of keys) {
    if (key.kind === 'hmac') {
      const expected = signStandard(key, id, seconds, body)
      for (const { text } of given) if (equalsConstantTime(expected, text)) valid = true
    } else {
      const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
      for (const { version, value } of given) {
        if (version !== 'v1a' || !ED25519_SIGNATURE.test(value)) continue
        // Node derives the public key from the private one.
        if (verify(null, content, key.privateKey, Buffer.from(value, 'base64'))) valid = true
      }
    }
  }
  return valid
}

function parseSignatures(header: string): { text: string; version: string; value: string }[] | null {
  // The limit of split bounds the work on a hostile header, too.
  const texts = header.split(' ', SIGNATURES_MAX + 1)
  if (texts.length > SIGNATURES_MAX) return null
  const signatures = []
  for (const text of texts) {
    const [, version, value] = SIGNATURE.exec(text) ?? []
    if (version === undefined || value === undefined) return null
    signatures.push({ text, version, value })
  }
  return signatures
}
