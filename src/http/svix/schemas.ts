/** Parts of requests of the Svix API, with the bounds that the original enforces (`docs/svix-api.md`). */
import { z } from 'zod'
import { CHANNEL, LABEL_CHARS_MAX, TAG, UID_CHARS_MAX, uidProblem, WORD, WORD_RULE } from '../../domain/uid.ts'
import { list, map, text } from '../bounded.ts'

const METADATA_BYTES_MAX = 4_096
/** As many members as fit into so many bytes of JSON, each at least `"":"",`. */
const METADATA_MEMBERS_MAX = 512
const RATE_MAX = 65_535

/** NUL to backspace have no place in a name or description, and PostgreSQL knows no NUL at all. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x08]/

export const plainText = ({ max }: { max: number }) =>
  text({ max })
    .refine((given) => !CONTROL.test(given), 'contains control characters')
    .meta({ pattern: '^[^\\u0000-\\u0008]*$' })

/** Length of an application's name; no name for people is longer. */
export const displayName = plainText({ max: 256 }).min(1, 'must not be empty')

export const uid = (prefix: string) =>
  text({ max: UID_CHARS_MAX, problem: `has to be 1 to ${UID_CHARS_MAX} characters long` })
    .superRefine((given, ctx) => {
      const problem = uidProblem(prefix, given)
      if (problem !== null) ctx.addIssue(problem)
    })
    .meta({ minLength: 1, pattern: `^(?!${prefix}_)${WORD.source.slice(1)}` })

export const wordOf = (what: string, charsMax = UID_CHARS_MAX) =>
  text({ max: charsMax }).min(1, 'must not be empty').regex(WORD, `${what} ${WORD_RULE}`)

export const eventTypeName = wordOf('an event type')

const wider = (what: string, { pattern, rule }: { pattern: RegExp; rule: string }) =>
  text({ max: LABEL_CHARS_MAX }).min(1, 'must not be empty').regex(pattern, `${what} ${rule}`)
export const channel = wider('a channel', CHANNEL)
export const tag = wider('a tag', TAG)

/** A set: equal members count once. */
export const setOf = <T extends z.ZodType<string>>(item: T, { max }: { max: number }) =>
  list(item, { max })
    .min(1, 'must not be empty; null means all')
    .transform((items) => Array.from(new Set(items)))

export const metadata = map(text({ max: METADATA_BYTES_MAX }), { max: METADATA_MEMBERS_MAX })
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= METADATA_BYTES_MAX,
    `is larger than ${METADATA_BYTES_MAX} bytes`,
  )
  .describe(`As JSON at most ${METADATA_BYTES_MAX} bytes`)

export const throttleRate = z
  .number()
  .int()
  .min(1, 'has to be at least 1')
  .max(RATE_MAX, `has to be at most ${RATE_MAX}`)

/**
 * A member that may be left out. `null`, which typed clients send for an unset member, is the same as leaving it out.
 */
export const orDefault = <T extends z.ZodType, D extends z.output<T>>(schema: T, fallback: D) =>
  schema
    .nullish()
    .transform((given): z.output<T> => given ?? fallback)
    .meta({ default: fallback })

/** Members that may be given under two names; the first name counts. */
export const firstGiven = <T>(...values: (T | undefined)[]): T | undefined =>
  values.find((value) => value !== undefined)
