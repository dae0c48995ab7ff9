/** Times in requests. */
import { z } from 'zod'
import { timestampProblem } from '../domain/inbox.ts'
import { text, urlText } from './bounded.ts'
import { onWire } from './described.ts'

const INSTANT_CHARS_MAX = 64
const WHAT_IS_VALID = 'is not an RFC 3339 date and time such as 2026-01-15T10:00:00Z'

/** RFC 3339, or the form `2024-01-01 12:00:00.123456 UTC` that some clients write; ms since the epoch. */
export function parseInstant(text: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)? ?([Zz]|UTC|[+-]\d\d:\d\d)$/.exec(
    // In a query a plus sign is often sent unencoded, and arrives as a space.
    text.replace(/ (\d\d:\d\d)$/, '+$1'),
  )
  if (match === null) return null
  const [, date, time, fraction = '', zone = ''] = match
  // The engine reads 30 February as 1 March.
  if (timestampProblem(`${date}T${time}Z`) !== null) return null
  const ms = Date.parse(`${date}T${time}${fraction.slice(0, 4)}${/^(z|utc)$/i.test(zone) ? 'Z' : zone}`)
  return Number.isNaN(ms) ? null : ms
}

export const instantIn = onWire(
  text({ max: INSTANT_CHARS_MAX }).transform((given, ctx) => {
    const ms = parseInstant(given)
    if (ms !== null) return ms
    ctx.addIssue(WHAT_IS_VALID)
    return z.NEVER
  }),
  { type: 'string', format: 'date-time' },
)

/** The same instant as a parameter of the plain API, in ms. */
export const sinceParameter = onWire(
  urlText().transform((given, ctx) => {
    const ms = parseInstant(given)
    if (ms !== null) return ms
    ctx.addIssue(WHAT_IS_VALID)
    return z.NEVER
  }),
  { type: 'string', format: 'date-time' },
)
