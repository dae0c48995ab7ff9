/** What requests of the Svix API are made of, with the bounds that the original enforces (`docs/svix-api.md`). */
import { z } from 'zod'
import { CHANNEL_CHARS_MAX, uidProblem, WORD } from '../../domain/uid.ts'
import { parseInstant } from './query.ts'

const METADATA_BYTES_MAX = 4_096
const RATE_MAX = 65_535

/** NUL to backspace have no place in a name or description, and PostgreSQL knows no NUL at all. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08]/

export const plainText = z.string().refine((text) => !CONTROL.test(text), 'contains control characters')
export const nonEmptyText = plainText.min(1, 'must not be empty')

export const uid = (prefix: string) =>
  z.string().superRefine((text, ctx) => {
    const problem = uidProblem(prefix, text)
    if (problem !== null) ctx.addIssue(problem)
  })

export const wordOf = (what: string, charsMax = 256) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(charsMax, `has more than ${charsMax} characters`)
    .regex(WORD, `${what} is made of letters, digits, "-", "_" and "." only`)

export const eventTypeName = wordOf('an event type')
export const channel = wordOf('a channel', CHANNEL_CHARS_MAX)

/** A set: what is there twice counts once. */
export const setOf = <T extends z.ZodType<string>>(item: T, { max }: { max: number }) =>
  z
    .array(item)
    .transform((items) => Array.from(new Set(items)))
    .refine((items) => items.length >= 1, 'must not be empty; null means all')
    .refine((items) => items.length <= max, `has more than ${max} members`)

export const metadata = z
  .record(z.string(), z.string())
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_BYTES_MAX,
    `is larger than ${METADATA_BYTES_MAX} bytes`,
  )

export const throttleRate = z
  .number()
  .int()
  .min(1, 'has to be at least 1')
  .max(RATE_MAX, `has to be at most ${RATE_MAX}`)

export const instantIn = z.string().transform((text, ctx) => {
  const ms = parseInstant(text)
  if (ms !== null) return ms
  ctx.addIssue('is not an RFC 3339 date and time such as 2026-01-15T10:00:00Z')
  return z.NEVER
})

/** The members that may be given under two names; the first one counts. */
export const firstGiven = <T>(...values: (T | undefined)[]): T | undefined =>
  values.find((value) => value !== undefined)
