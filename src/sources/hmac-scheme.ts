/**
 * One scheme for nearly all senders, as data: an HMAC over a template, in a header, optionally with the time. A
 * provider is an object of this shape, and so is the scheme that a user configures for another sender.
 */
import { createHash, createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { parseSecretCached } from '../domain/secret.ts'
import { equalsConstantTime } from '../domain/signature.ts'
import { readSignatures, type SignatureHeader, type SignatureList } from './signature-header.ts'
import { isRefusal, oneHeader, type Reading, readingOf, scalarAt, signedContent } from './signed-content.ts'
import type { Check, Refusal } from './source.ts'
import { parseTemplate, type TokenPart } from './template.ts'
import { judgeTimestamp, parseTimestamp, type TimestampUnit } from './timestamp.ts'

export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512'
export type SignatureEncoding = 'hex' | 'base64' | 'base64url'
/**
 * Defines the key bytes of a secret's text. `secret` reads it as for subscriptions: `whsec_` and base64, or any other
 * text. `whsec` is base64 with or without the prefix, `sha1` the digest of the text.
 */
export type KeyEncoding = 'utf8' | 'base64' | 'hex' | 'secret' | 'whsec' | 'sha1'

export interface HmacScheme {
  algorithm: HmacAlgorithm
  /** Hex is accepted in either case. */
  encoding: SignatureEncoding
  /** One header, or `X-Signature-{1..100}` for a sender that numbers them. */
  header: string
  /** Text before the signature: `sha256=`, `v0=`; empty for none. */
  prefix: string
  list: SignatureList | null
  /** True when the header may come more than once. */
  repeated: 'refuse' | 'list'
  /** A template of `signed-content.ts`. */
  content: string
  /** True when the content may leave out the body: the sender signs something else. */
  unsignedBody: boolean
  timestamp: { from: string; unit: TimestampUnit; toleranceMs: number } | null
  key: KeyEncoding
}

/** The simplest scheme: a hex HMAC-SHA256 of the body alone in its header, without a time. Others are told by their differences. */
export const BODY_HMAC: Omit<HmacScheme, 'header'> = {
  algorithm: 'sha256',
  encoding: 'hex',
  prefix: '',
  list: null,
  repeated: 'refuse',
  content: '{body}',
  unsignedBody: false,
  timestamp: null,
  key: 'utf8',
}

const DIGEST_BYTES: Readonly<Record<HmacAlgorithm, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 }
const NUMBERED = /^(.*)\{1\.\.(\d{1,3})\}$/
const NUMBERED_MAX = 100

/**
 * The check that a scheme describes. `publicUrl` is the address that is registered at the sender, when the sender signs
 * it. Throws a RangeError, whose sentence is for the scheme's author.
 */
export function hmacCheck(scheme: HmacScheme, publicUrl: string | null): Check {
  const content = signedContent(scheme.content, scheme.unsignedBody)
  const header: SignatureHeader = {
    names: headerNames(scheme.header),
    prefix: scheme.prefix,
    list: scheme.list,
    isRepeatable: scheme.repeated === 'list' || NUMBERED.test(scheme.header),
  }
  const time = scheme.timestamp && { ...scheme.timestamp, part: timestampPart(scheme.timestamp.from) }
  if (content.needsUrl && publicUrl === null)
    throw new RangeError('The content has {url}: the source needs a public_url.')
  refuseUntimed(time === null && content.needsTimestamp)
  const isSignature = formOf(scheme)
  const fold = scheme.encoding === 'hex' ? (text: string) => text.toLowerCase() : (text: string) => text

  return (request, secrets, now) => {
    const candidates = readSignatures(request, header, isSignature)
    if (!Array.isArray(candidates)) return candidates
    const keys = secrets.map((secret) => hmacKey(secret, scheme.key)).filter((key) => key !== null)
    if (keys.length === 0) return { reason: 'secret_unusable', detail: `No secret of the source is ${scheme.key}.` }
    const reading = readingOf(request, publicUrl ?? '')
    // Candidates with the same time share the signed content.
    const expected = new Map<string, string[]>()
    let refusal: Refusal | null = null
    let matched: Refusal | 'valid' | null = null
    for (const { signature, items } of candidates) {
      const at = time === null ? NO_TIME : timeOf(time, reading, items)
      if (isRefusal(at)) {
        refusal ??= at
        continue
      }
      let texts = expected.get(at.text)
      if (texts === undefined) {
        const chunks = content.of(reading, at.text)
        if (!Array.isArray(chunks)) return chunks
        texts = keys.map((key) => digest(scheme, key, chunks))
        expected.set(at.text, texts)
      }
      for (const text of texts) {
        if (!equalsConstantTime(text, fold(signature))) continue
        const judged = time === null ? null : judgeTimestamp(at.ms, now, time.toleranceMs)
        if (judged === null) matched = 'valid'
        else matched ??= judged
      }
    }
    if (matched === 'valid') return null
    return matched ?? refusal ?? mismatch(scheme, keys.length)
  }
}

/** The problem of a scheme, and the member that has to change; null when `hmacCheck` accepts the scheme. */
export function schemeProblem({
  header,
  content,
  unsignedBody,
  timestamp,
}: HmacScheme): { at: string; message: string } | null {
  const checks: Record<string, () => unknown> = {
    header: () => headerNames(header),
    timestamp: () => timestamp && timestampPart(timestamp.from),
    content: () => refuseUntimed(signedContent(content, unsignedBody).needsTimestamp && timestamp === null),
  }
  for (const [at, check] of Object.entries(checks)) {
    try {
      check()
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return { at, message: error.message }
    }
  }
  return null
}

function refuseUntimed(isUntimed: boolean): void {
  if (isUntimed) throw new RangeError('The content has {ts}, and no timestamp is named.')
}

function mismatch(scheme: HmacScheme, keys: number): Refusal {
  const tried = keys === 1 ? 'one secret' : `${keys} secrets`
  const detail = `No signature is the HMAC-${scheme.algorithm.toUpperCase()} of ${scheme.content} by ${tried}.`
  return { reason: 'signature_mismatch', detail }
}

function digest({ algorithm, encoding }: HmacScheme, key: KeyObject, chunks: readonly (string | Uint8Array)[]): string {
  const hmac = createHmac(algorithm, key)
  for (const chunk of chunks) hmac.update(chunk)
  return hmac.digest(encoding)
}

/** Signatures of another form are not compared, because they cannot be equal. */
function formOf({ algorithm, encoding }: HmacScheme): (text: string) => boolean {
  const bytes = DIGEST_BYTES[algorithm]
  const chars = Buffer.alloc(bytes).toString(encoding).length
  const form = { hex: /^[0-9a-fA-F]+$/, base64: /^[A-Za-z0-9+/]+={0,2}$/, base64url: /^[A-Za-z0-9_-]+$/ }[encoding]
  return (text) => text.length === chars && form.test(text)
}

function headerNames(header: string): string[] {
  const [, stem = header, count] = NUMBERED.exec(header) ?? []
  // A header's name is checked where a template checks it.
  parseTemplate(`{header:${stem}}`, { header: 'header' })
  if (count === undefined) return [stem.toLowerCase()]
  if (Number(count) < 1 || Number(count) > NUMBERED_MAX)
    throw new RangeError(`Headers are numbered 1 to ${NUMBERED_MAX}.`)
  return Array.from({ length: Number(count) }, (_, i) => `${stem}${i + 1}`.toLowerCase())
}

const TIME_TOKENS = { header: 'header', list: 'name', body: 'pointer' } as const

interface SignedTime {
  part: TokenPart<keyof typeof TIME_TOKENS>
  unit: TimestampUnit
}

const NO_TIME = { text: '', ms: 0 }

function timestampPart(from: string): SignedTime['part'] {
  const [part, ...rest] = parseTemplate(from, TIME_TOKENS)
  if (part === undefined || !('token' in part) || rest.length > 0) {
    throw new RangeError('A timestamp is one of {header:X-Name}, {list:name} and {body:/pointer}.')
  }
  return part
}

function timeOf(
  { part, unit }: SignedTime,
  reading: Reading,
  items: ReadonlyMap<string, string>,
): { text: string; ms: number } | Refusal {
  const text = timeText(part, reading, items)
  if (typeof text === 'object')
    return text.reason === 'header_missing' ? { ...text, reason: 'timestamp_missing' } : text
  const ms = parseTimestamp(text, unit)
  return ms === null
    ? { reason: 'timestamp_malformed', detail: `The timestamp is not written in ${UNITS[unit]}.` }
    : { text, ms }
}

const UNITS: Readonly<Record<TimestampUnit, string>> = {
  s: 'whole seconds since 1970',
  ms: 'whole milliseconds since 1970',
  iso: 'RFC 3339, such as 2025-01-15T10:00:00Z',
}

function timeText(part: SignedTime['part'], reading: Reading, items: ReadonlyMap<string, string>): string | Refusal {
  const { token, argument } = part
  if (token === 'header') return oneHeader(reading.request, argument)
  if (token === 'list') {
    return items.get(argument) || { reason: 'timestamp_missing', detail: `The list has no timestamp ${argument}.` }
  }
  const parsed = reading.json()
  if (isRefusal(parsed)) return parsed
  const value = scalarAt(parsed.value, argument)
  return value ?? { reason: 'timestamp_missing', detail: `The body has no timestamp at ${argument}.` }
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const HEX = /^(?:[0-9a-fA-F]{2})+$/

const KEYS: Readonly<Record<KeyEncoding, (secret: string) => KeyObject | null>> = {
  utf8: (secret) => createSecretKey(secret, 'utf8'),
  base64: (secret) => (BASE64.test(secret) ? createSecretKey(Buffer.from(secret, 'base64')) : null),
  hex: (secret) => (HEX.test(secret) ? createSecretKey(Buffer.from(secret, 'hex')) : null),
  sha1: (secret) => createSecretKey(createHash('sha1').update(secret, 'utf8').digest()),
  secret: (secret) => {
    const key = parseSecretCached(secret)
    // A `whsk_` secret signs deliveries with Ed25519; for an HMAC its text is its own bytes.
    return key.kind === 'hmac' ? key.key : createSecretKey(secret, 'utf8')
  },
  whsec: whsecKey,
}

/** The key of a secret's text; null when the text does not have that form. */
export function hmacKey(secret: string, encoding: KeyEncoding): KeyObject | null {
  if (secret === '') return null
  try {
    return KEYS[encoding](secret)
  } catch (error) {
    // The text begins like another kind of secret, but is none.
    if (error instanceof RangeError) return null
    throw error
  }
}

function whsecKey(secret: string): KeyObject | null {
  const key = parseSecretCached(secret.startsWith('whsec_') ? secret : `whsec_${secret}`)
  return key.kind === 'hmac' ? key.key : null
}
