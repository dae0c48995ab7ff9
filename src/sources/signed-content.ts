/** Builds the signed bytes by a template such as `{ts}.{body}`. */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { atPointer } from '../domain/json-pointer.ts'
import type { Refusal, SourceRequest } from './source.ts'
import { parseTemplate, type Tokens } from './template.ts'

const TOKENS = {
  body: 'none',
  'sha256hex:body': 'none',
  ts: 'none',
  method: 'none',
  path: 'none',
  url: 'none',
  header: 'header',
  query: 'name',
  json: 'pointer',
} as const satisfies Tokens

/** A request that is being verified, and the values that its body may give on the way. */
export interface Reading {
  request: SourceRequest
  /** The address that is registered at the sender; empty when the source names none. */
  publicUrl: string
  /** The body's value, parsed on first use; a refusal when the body is no JSON. */
  json(): { value: unknown } | Refusal
}

export function readingOf(request: SourceRequest, publicUrl: string): Reading {
  let parsed: { value: unknown } | Refusal | null = null
  return { request, publicUrl, json: () => (parsed ??= parseBody(request.body)) }
}

export const isRefusal = (value: object): value is Refusal => 'reason' in value

function parseBody(body: Uint8Array): { value: unknown } | Refusal {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  if (!isUtf8(text)) return { reason: 'body_unparsable', detail: 'The body is not UTF-8.' }
  try {
    return { value: JSON.parse(text.toString('utf8')) as unknown }
  } catch {
    return { reason: 'body_unparsable', detail: 'The body is not JSON, and the signature needs a member of it.' }
  }
}

type Chunks = (string | Uint8Array)[]

/**
 * Compiles a template of signed content. Throws a RangeError for a template that leaves the body unsigned, unless
 * `mayOmitBody`: such a signature could be put before any other body.
 */
export function signedContent(template: string, mayOmitBody: boolean) {
  const parts = parseTemplate(template, TOKENS)
  const signsBody = parts.some((part) => 'token' in part && (part.token === 'body' || part.token === 'sha256hex:body'))
  if (!signsBody && !mayOmitBody) throw new RangeError('The content names no {body}: nothing of it would be signed.')
  return {
    needsTimestamp: parts.some((part) => 'token' in part && part.token === 'ts'),
    needsUrl: parts.some((part) => 'token' in part && part.token === 'url'),
    /** The pieces in order, or the reason why one of them is missing. */
    of(reading: Reading, timestamp: string): Chunks | Refusal {
      const chunks: Chunks = []
      for (const [i, part] of parts.entries()) {
        const chunk = 'text' in part ? part.text : PIECES[part.token](reading, part.argument, timestamp)
        if (typeof chunk === 'object' && 'reason' in chunk) return chunk
        const next = parts[i + 1]
        if ('token' in part && typeof chunk === 'string' && next !== undefined && 'text' in next) {
          if (CUT_ELSEWHERE.has(part.token) && chunk.includes(next.text)) return cutElsewhere(part.token, next.text)
        }
        chunks.push(chunk)
      }
      return chunks
    },
  }
}

/**
 * A sender's text before a separator. If the text contains the separator, the signed bytes could be split in another
 * way.
 */
const CUT_ELSEWHERE: ReadonlySet<string> = new Set(['header', 'query', 'json'])

const cutElsewhere = (token: string, separator: string): Refusal => ({
  reason: 'header_malformed',
  detail: `The part {${token}} contains the separator "${separator}" that follows it in the signed content.`,
})

type Piece = string | Uint8Array | Refusal

const PIECES: Readonly<Record<keyof typeof TOKENS, (reading: Reading, argument: string, ts: string) => Piece>> = {
  body: ({ request }) => request.body,
  'sha256hex:body': ({ request }) => createHash('sha256').update(request.body).digest('hex'),
  ts: (_, __, ts) => ts,
  method: ({ request }) => request.method,
  path: ({ request }) => request.path,
  url: ({ request, publicUrl }) => (request.query === '' ? publicUrl : `${publicUrl}?${request.query}`),
  header: ({ request }, name) => oneHeader(request, name),
  query: ({ request }, name) =>
    new URLSearchParams(request.query).get(name) ?? {
      reason: 'header_missing',
      detail: `The parameter ${name} of the query is missing.`,
    },
  json(reading, pointer) {
    const parsed = reading.json()
    if (isRefusal(parsed)) return parsed
    const value = scalarAt(parsed.value, pointer)
    return value ?? { reason: 'body_unparsable', detail: `The body has no text at ${pointer}, which is signed.` }
  },
}

/** A text, number or boolean as text; null for any other value. */
export function scalarAt(document: unknown, pointer: string): string | null {
  const value = atPointer(document, pointer)
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null
}

export function oneHeader(request: SourceRequest, name: string): string | Refusal {
  const values = request.headers(name)
  if (values.length > 1) return { reason: 'header_repeated', detail: `The header ${name} came ${values.length} times.` }
  return values[0] ?? { reason: 'header_missing', detail: `The header ${name} is missing.` }
}
