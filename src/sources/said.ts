/** Reads what a verified request says about its event: the type, and the identity of a repeat. */
import { createHash } from 'node:crypto'
import { EVENT_TYPE_CHARS_MAX, eventTypeFrom } from '../domain/event-filter.ts'
import { isRefusal, readingOf, scalarAt, type Reading } from './signed-content.ts'
import type { SourceRequest } from './source.ts'
import { parseTemplate, type Tokens } from './template.ts'

const TOKENS = { header: 'header', body: 'pointer', query: 'name', form: 'name' } as const satisfies Tokens

/** The text that a template makes of a request; null when all of its parts are missing. */
export type Extract = (reading: Reading) => string | null

/**
 * Compiles a template. A missing part is dropped together with the dot before it, the first part with the dot after it:
 * `{header:X-Event}.{body:/action}` is `push` for an event without an action. Throws a RangeError, whose sentence is
 * for the template's author.
 */
export function extractor(template: string): Extract {
  const parts = parseTemplate(template, TOKENS)
  if (!parts.some((part) => 'token' in part)) return () => (template === '' ? null : template)
  return (reading) => {
    let text = ''
    let isFound = false
    for (const part of parts) {
      if ('text' in part) {
        text += text === '' ? part.text.replace(/^\./, '') : part.text
        continue
      }
      const value = VALUES[part.token](reading, part.argument)
      if (value === null) text = text.replace(/\.$/, '')
      else {
        text += value
        isFound = true
      }
    }
    return isFound ? text : null
  }
}

/** Says why `extractor` does not accept a template; null when it does. */
export function extractorProblem(template: string): string | null {
  try {
    extractor(template)
    return null
  } catch (error) {
    if (error instanceof RangeError) return error.message
    throw error
  }
}

const VALUES: Readonly<Record<keyof typeof TOKENS, (reading: Reading, argument: string) => string | null>> = {
  header: ({ request }, name) => request.headers(name)[0] || null,
  query: ({ request }, name) => new URLSearchParams(request.query).get(name) || null,
  form: ({ request }, name) => new URLSearchParams(Buffer.from(request.body).toString('utf8')).get(name) || null,
  body(reading, pointer) {
    const parsed = reading.json()
    return isRefusal(parsed) ? null : scalarAt(parsed.value, pointer) || null
  },
}

/** The type of an event whose sender names none. */
const UNNAMED = 'webhook'

/**
 * Builds `<prefix>.<type>`, such as `github.push`, in the characters of event types. A type that begins with the prefix
 * does not get it twice: `jira:issue_created` is `jira.issue_created`.
 */
export function sourceEventType(prefix: string, type: string | null): string {
  const mapped = eventTypeFrom((type ?? '').replaceAll(/[,*]/g, '-'))
    .slice(0, EVENT_TYPE_CHARS_MAX)
    .replaceAll(/^[.-]+|[.-]+$/g, '')
  const name = /^[\w.-]*\w[\w.-]*$/.test(mapped) ? mapped : UNNAMED
  const whole = name === prefix || name.startsWith(`${prefix}.`) ? name : `${prefix}.${name}`
  return whole.slice(0, EVENT_TYPE_CHARS_MAX)
}

/**
 * The identity of a repeat. A provider's own id is remembered as long as the message; equal bytes for `HASH_WINDOW_MS`.
 */
export interface RepeatKey {
  key: string
  windowMs: number | null
}

/**
 * Time for which equal bytes count as a repeat. The time is short because thin pings are equal byte for byte although
 * they announce different changes, and a lost event is worse than a doubled one.
 */
export const HASH_WINDOW_MS = 15 * 60_000

/** The hash leaves out the signature, which changes with the time of each retry. */
export function requestHash(request: SourceRequest): RepeatKey {
  const hash = createHash('sha256').update(`${request.method}\n${request.query}\n`).update(request.body)
  return { key: `sha256:${hash.digest('base64url')}`, windowMs: HASH_WINDOW_MS }
}

export interface Said {
  eventType: string
  /** Null when nothing identifies repeats. */
  repeat: RepeatKey | null
}

export interface Reader {
  /** `hash`, a template, or null. Of several, the first that finds something counts. */
  dedupe: readonly string[]
  eventType: string
  /** Prefix of the source's event types. */
  prefix: string
}

/** Most characters of a repeat key; a longer one is hashed. */
const KEY_CHARS_MAX = 256

export function reader({ dedupe, eventType, prefix }: Reader): (request: SourceRequest) => Said {
  const type = extractor(eventType)
  const keys = dedupe.map((template) => (template === 'hash' ? 'hash' : extractor(template)))
  return (request) => {
    const reading = readingOf(request, '')
    return { eventType: sourceEventType(prefix, type(reading)), repeat: repeatOf(keys, reading) }
  }
}

function repeatOf(keys: readonly (Extract | 'hash')[], reading: Reading): RepeatKey | null {
  for (const key of keys) {
    if (key === 'hash') return requestHash(reading.request)
    const text = key(reading)
    if (text === null) continue
    const isLong = text.length > KEY_CHARS_MAX
    return { key: isLong ? `sha256:${createHash('sha256').update(text).digest('base64url')}` : text, windowMs: null }
  }
  return null
}
