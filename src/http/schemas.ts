/** Shapes that several routes share, and the JSON forms of domain values. */
import { z } from 'zod'
import type { AddressGuard } from '../destinations/guard.ts'
import { CUSTOM_HEADER_NAME, CUSTOM_HEADER_VALUE, customHeaderProblem } from '../domain/custom-headers.ts'
import { EVENT_TYPE_CHARS_MAX } from '../domain/event-filter.ts'
import { SVIX_ENDPOINT } from '../domain/endpoint.ts'
import { invalid } from '../domain/errors.ts'
import { type EndpointId, isId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import { map, text, urlText } from './bounded.ts'
import { named, onWire } from './described.ts'

/** The body of every refusal but a validation error. */
export const Refusal = named('Refusal', z.object({ detail: z.string(), code: z.string().optional() }))

/** The answer to a sender when its event is durable. */
export const Ok = named('Ok', z.object({ status: z.literal('ok') }))

const ValidationIssue = z.object({
  loc: z.array(z.union([z.string(), z.number().int()])).describe('Where: the part of the request, and the way in it'),
  msg: z.string(),
  type: z.string(),
})

export const ValidationRefusal = named(
  'ValidationRefusal',
  z.object({ detail: z.array(named('ValidationIssue', ValidationIssue)), code: z.literal('validation') }),
)

/** A number of things. */
export const count = z.number().int().min(0)

/** A parameter is a text on the wire. The document says what the text means. */
const wholeNumber = (fallback: number, min: number, max: number) =>
  onWire(
    urlText()
      .default(String(fallback))
      .transform((given, ctx) => {
        const value = /^\d{1,15}$/.test(given) ? Number(given) : NaN
        if (value >= min && value <= max) return value
        ctx.addIssue(`has to be a whole number from ${min} to ${max}`)
        return z.NEVER
      }),
    { type: 'integer', minimum: min, maximum: max, default: fallback },
  )

const OFFSET_MAX = 999_999_999_999_999

export const limitParameter = (fallback: number, max: number) => wholeNumber(fallback, 1, max)
export const offsetParameter = wholeNumber(0, 0, OFFSET_MAX)

export const booleanParameter = onWire(
  z.enum(['true', 'false']).transform((text) => text === 'true'),
  { type: 'boolean' },
)

/** The sender's name of an event's type: any text from which an event type can be made (`eventTypeFrom`). */
export const saidEventType = onWire(urlText(), {
  type: 'string',
  minLength: 1,
  maxLength: EVENT_TYPE_CHARS_MAX,
  pattern: '^(?!\\.\\.?$)([a-zA-Z0-9\\-_.]+|[^,*]*[a-zA-Z0-9][^,*]*)$',
})

/**
 * A path or query parameter that is an id. A text that cannot be an id names nothing, so the answer is 404 and not 422.
 */
export const toId = <K extends string>(prefix: K, text: string) => (isId(prefix, text) ? text : null)

/** The word that stands for the id of the Svix destination's endpoint. */
const SVIX_ALIAS = 'svix'

/** The id of an endpoint whose deliveries are asked for: `svix` is the Svix destination. */
export const toEndpointId = (text: string): EndpointId | null =>
  text === SVIX_ALIAS ? SVIX_ENDPOINT : toId('ep', text)

export const instant = (ms: number): string => new Date(ms).toISOString()
export const instantOrNull = (ms: number | null): string | null => (ms === null ? null : instant(ms))
export const Instant = z.string().meta({ format: 'date-time', example: '2026-01-15T10:00:00.000Z' })

/** Every attempt in the log has its URL, so a long URL would cost as much as a large answer. */
const TARGET_URL_CHARS_MAX = 8_192
export const DESCRIPTION_CHARS_MAX = 1_024

/** A character outside ASCII becomes several characters when the URL is normalised. */
const lengthProblem = ({ href }: URL): string | null =>
  href.length > TARGET_URL_CHARS_MAX ? `has more than ${TARGET_URL_CHARS_MAX} characters once it is encoded` : null

/** The shape of a normalised URL that the guard accepts. */
export const targetUrl = (guard: AddressGuard) =>
  text({ max: TARGET_URL_CHARS_MAX })
    .transform((given, ctx) => {
      const url = URL.canParse(given) ? new URL(given) : null
      const problem = url === null ? 'is not a URL' : (lengthProblem(url) ?? guard.refusesUrl(url))
      if (url !== null && problem === null) return url.href
      ctx.addIssue(problem ?? 'is not a URL')
      return z.NEVER
    })
    .meta({ format: 'uri', example: 'https://example.com/hook' })
    .describe('http or https, without a user, and to an address that may be delivered to')

function checkHeaders(given: Record<string, string | null>, ctx: z.RefinementCtx): void {
  const seen = new Set<string>()
  for (const [name, text] of Object.entries(given)) {
    const problem = seen.has(name.toLowerCase()) ? 'is there twice' : customHeaderProblem(name, text ?? '')
    if (problem !== null) ctx.addIssue({ code: 'custom', message: problem, path: [name] })
    seen.add(name.toLowerCase())
  }
}

const headerValue = text({ max: LIMITS.headerValueCharsMax }).meta({ pattern: CUSTOM_HEADER_VALUE.source })
const headersBound = { max: LIMITS.customHeadersMax, what: 'headers', keyPattern: CUSTOM_HEADER_NAME.source }

const NAMES_THAT_MAY =
  'What deliveries carry; names that belong to the gateway, to connections or to browsers are refused'

/** Headers of deliveries besides the gateway's own. */
export const customHeaders = map(headerValue, headersBound).superRefine(checkHeaders).describe(NAMES_THAT_MAY)
/** The same headers as changes: `null` removes one. */
export const customHeadersPatch = map(headerValue.nullable(), headersBound).superRefine(checkHeaders)

/**
 * The headers of an endpoint after such changes. A name replaces one that differs in case only, because on the wire
 * they are the same header. Throws `validation` when there would be too many.
 */
export function mergeHeaders(
  before: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | null>>,
): Record<string, string> {
  const touched = new Set(Object.keys(changes).map((name) => name.toLowerCase()))
  const kept = Object.entries(before).filter(([name]) => !touched.has(name.toLowerCase()))
  const set = Object.entries(changes).filter((entry): entry is [string, string] => entry[1] !== null)
  if (kept.length + set.length > LIMITS.customHeadersMax)
    throw invalid(['body', 'headers'], `would make it more than ${LIMITS.customHeadersMax} headers`)
  return Object.fromEntries([...kept, ...set])
}
