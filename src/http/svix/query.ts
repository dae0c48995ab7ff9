/**
 * Query parameters. A parameter that cannot be read (`limit=many`) is a 400. One that was read and is not allowed
 * (`limit=1000`) is a 422. The API tells the two apart.
 */
import { z } from 'zod'
import { idTime, isId, startId } from '../../domain/ids.ts'
import { type Issue, GatewayError } from '../../domain/errors.ts'
import { CHANNEL, TAG, UID_CHARS_MAX, WORD } from '../../domain/uid.ts'
import { list, urlText } from '../bounded.ts'
import { onWire } from '../described.ts'
import { parseInstant } from '../instants.ts'
import { SvixError, toSvixIssue } from './problems.ts'

const LIMIT_MAX = 250
/** Each parameter is checked by itself. */
const EVENT_TYPES_MAX = 1_000

/** Marks a parameter that could not be read. */
function unreadable(ctx: z.RefinementCtx, message: string): never {
  ctx.addIssue({ code: 'custom', message, params: { unreadable: true } })
  return z.NEVER
}

export const limit = (fallback: number) =>
  onWire(
    urlText()
      .default(String(fallback))
      .transform((text, ctx) => {
        if (!/^\d{1,15}$/.test(text)) return unreadable(ctx, 'limit is not a whole number')
        if (Number(text) <= LIMIT_MAX) return Number(text)
        ctx.addIssue(`Given limit must not exceed ${LIMIT_MAX}`)
        return z.NEVER
      }),
    { type: 'integer', minimum: 0, maximum: LIMIT_MAX, default: fallback },
  )

/** An id, or `-` and an id, which means the page before it. Event types have no prefix; their id is their name. */
export const iterator = (prefix: string | null) =>
  onWire(urlText(), {
    type: 'string',
    pattern: prefix === null ? `^([-:]?${WORD.source.slice(1, -1)})?$` : `^(-?${prefix}_[0-9A-Za-z]{27})?$`,
  })
    .optional()
    .superRefine((text, ctx) => {
      if (text === undefined || text === '') return
      if (prefix === null) {
        if (!isWord(text.replace(/^[-:]/, '')))
          ctx.addIssue('Invalid iterator. It is no name that an event type can have')
        return
      }
      const id = text.replace(/^-/, '')
      if (isId(prefix, id)) return
      ctx.addIssue(
        id.startsWith(`${prefix}_`) ? 'Invalid id. It is malformed' : 'Invalid id. Expected different prefix',
      )
    })

export const order = onWire(
  urlText()
    .optional()
    .transform((text, ctx) => {
      if (text === undefined || text === 'ascending' || text === 'descending') return text
      return unreadable(ctx, 'order is neither ascending nor descending')
    }),
  { type: 'string', enum: ['ascending', 'descending'] },
)

export const flag = (fallback: boolean) =>
  onWire(
    urlText()
      .default(String(fallback))
      .transform((text, ctx) => {
        if (text === 'true' || text === 'false') return text === 'true'
        return unreadable(ctx, 'has to be true or false')
      }),
    { type: 'boolean', default: fallback },
  )

const oneOf = (what: string, values: readonly number[]) =>
  onWire(
    urlText()
      .optional()
      .transform((text, ctx) => {
        if (text === undefined) return undefined
        const value = values.find((one) => String(one) === text)
        return value ?? unreadable(ctx, `${what} is none of ${values.join(', ')}`)
      }),
    { type: 'integer', enum: [...values] },
  )

export const statusParameter = oneOf('status', [0, 1, 2, 3, 4])
export const statusCodeClass = oneOf('status_code_class', [0, 100, 200, 300, 400, 500])

export const instantParameter = onWire(
  urlText()
    .optional()
    .transform((text, ctx) => {
      if (text === undefined) return undefined
      return parseInstant(text) ?? unreadable(ctx, 'is not an RFC 3339 date and time such as 2026-01-15T10:00:00Z')
    }),
  { type: 'string', format: 'date-time' },
)

const isWord = (text: string) => text.length <= UID_CHARS_MAX && WORD.test(text)

const NAME_ON_WIRE = { type: 'string', minLength: 1, maxLength: UID_CHARS_MAX, pattern: WORD.source }

const label = ({ pattern, rule }: { pattern: RegExp; rule: string }) =>
  onWire(urlText(), { type: 'string', minLength: 1, maxLength: UID_CHARS_MAX, pattern: pattern.source })
    .optional()
    .superRefine((text, ctx) => {
      if (text !== undefined && (text.length > UID_CHARS_MAX || !pattern.test(text))) ctx.addIssue(rule)
    })
export const channelParameter = label(CHANNEL)
export const tagParameter = label(TAG)

/** A parameter of the SDKs that this API cannot serve: ignoring it would silently make the answer wrong. */
export const notHere = (why: string) =>
  flag(false).superRefine((wanted, ctx) => {
    if (wanted) ctx.addIssue(`is not supported: ${why}`)
  })

/** `event_types=a,b`, repeated, or as `event_types[]` and `event_types[0]`. It arrives here as a list. */
export const eventTypes = list(onWire(urlText(), NAME_ON_WIRE), { max: EVENT_TYPES_MAX })
  .optional()
  .superRefine((names, ctx) => {
    if (names !== undefined && !names.every(isWord)) ctx.addIssue('has a name that no event type can have')
  })

const LISTS = new Set(['event_types'])

/** The parameters that a schema knows, as one value each. A list may be written in all the forms that clients use. */
function gather(schema: z.ZodType, raw: Record<string, unknown>): Record<string, unknown> {
  const known = schema instanceof z.ZodObject ? schema.shape : {}
  const gathered: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(raw)) {
    const list = key.replace(/\[\d*\]$/, '')
    const name = LISTS.has(list) ? list : key
    if (!Object.hasOwn(known, name)) continue
    const texts = [value].flat().map(String)
    if (LISTS.has(name)) {
      const before = gathered[name] as string[] | undefined
      gathered[name] = [...(before ?? []), ...texts.flatMap((text) => text.split(','))]
    } else if (texts.length > 1) throw new SvixError('generic_error', `The query names ${name} more than once.`)
    else gathered[name] = texts[0]
  }
  return gathered
}

export function parseQuery<S extends z.ZodType>(schema: S, raw: unknown): z.output<S> {
  const given = gather(schema, raw as Record<string, unknown>)
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues
  const lost = issues.find((issue) => issue.code === 'custom' && issue.params?.['unreadable'] === true)
  if (lost !== undefined)
    throw new SvixError('generic_error', `Failed to read the query: ${lost.path.join('.')}: ${lost.message}`)
  throw new GatewayError('validation', { issues: issues.map((issue): Issue => toSvixIssue(issue, 'query', given)) })
}

/** The window of the API's time-limited lists. */
const WINDOW_MS = 90 * 86_400_000
const AHEAD_MS = 3_600_000

/**
 * The range of ids that a time-limited list reads, both ends exclusive: ninety days around the requested time, and
 * never more than an hour ahead of `now`.
 */
export function idWindow(
  prefix: string,
  {
    before,
    after,
    iterator: at,
  }: { before?: number | undefined; after?: number | undefined; iterator?: string | undefined },
  now: number,
): { from: string; until: string } {
  const cursor = at === undefined || at === '' ? null : idTime(at.replace(/^-/, '') as `${string}_${string}`)
  const latest = now + AHEAD_MS
  const until = Math.min(
    latest,
    before ?? Infinity,
    after === undefined || before !== undefined ? Infinity : after + WINDOW_MS,
    cursor === null ? Infinity : cursor + WINDOW_MS,
  )
  const from = Math.max(
    after ?? 0,
    before === undefined ? 0 : before - WINDOW_MS,
    cursor === null ? ((before ?? after) === undefined ? now - WINDOW_MS : 0) : cursor - WINDOW_MS,
  )
  return { from: startId(prefix, from), until: startId(prefix, until) }
}
