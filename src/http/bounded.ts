/**
 * The one place where the texts, lists and maps of requests get their bounds: none of them can be made without a `max`.
 * A value that is too large is refused before anything else about it is checked, so that a refusal is never larger than
 * its cause. `assertBounded` (in `unbounded.ts`) makes every route use these.
 */
import { z } from 'zod'
import { onWire } from './described.ts'

/** Longest URL with its query. Node refuses longer ones by itself, so no parameter is too long for the router. */
export const URL_CHARS_MAX = 16_384
/** Default bound of the keys of maps. */
const KEY_CHARS_MAX = 256

const wholeBodies = new WeakSet<z.ZodType>()

/** True when `MAX_BODY` is, on purpose, the only bound of `schema`. */
export const isWholeBody = (schema: z.ZodType): boolean => wholeBodies.has(schema)

/** A value as large as a body may be: only its bytes are kept. */
export function wholeBody<S extends z.ZodType>(schema: S): S {
  wholeBodies.add(schema)
  return schema
}

/** A text of at most `max` UTF-16 code units. */
export const text = ({ max, problem = `has more than ${max} characters` }: { max: number; problem?: string }) =>
  z.string().max(max, { error: problem, abort: true })

/** A value of a path or query: the URL is its bound. The code that reads the value says what is valid. */
export const urlText = () => onWire(text({ max: URL_CHARS_MAX }), { type: 'string' })

/** A list of at most `max` items. A longer list is one problem, and none of its items is checked. */
export const list = <T extends z.ZodType>(item: T, { max }: { max: number }) =>
  z.array(item).max(max, { error: `has more than ${max} members`, abort: true })

interface MapBounds {
  max: number
  what?: string
  keyCharsMax?: number
  /** A bound that the caller holds, for the document. */
  keyPattern?: string
}

/** A map of at most `max` members, with names of at most `keyCharsMax` characters. `__proto__` is no name. */
export const map = <T extends z.ZodType>(
  value: T,
  { max, what = 'members', keyCharsMax = KEY_CHARS_MAX, keyPattern }: MapBounds,
) =>
  z.preprocess(
    (given, ctx) => {
      const problem = mapProblem(given, { max, what, keyCharsMax })
      if (problem !== null) ctx.addIssue(problem)
      return given
    },
    z
      .record(
        z
          .string()
          .max(keyCharsMax)
          .meta(keyPattern === undefined ? {} : { pattern: keyPattern }),
        value,
      )
      .meta({ maxProperties: max }),
  )

function mapProblem(
  given: unknown,
  { max, what, keyCharsMax }: { max: number; what: string; keyCharsMax: number },
): string | null {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return null
  const names = Object.keys(given)
  if (names.length > max) return `has more than ${max} ${what}`
  if (names.some((name) => name.length > keyCharsMax)) return `has a name of more than ${keyCharsMax} characters`
  return names.includes('__proto__') ? 'has the name __proto__, which nothing can have' : null
}
