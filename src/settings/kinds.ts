/** The kinds of values that settings have, each with the sentence that says which values are valid. */
import { LIMITS } from '../domain/limits.ts'
import { NAMED_SCHEDULES } from '../domain/retry-schedule.ts'
import { parseDuration } from '../lib/duration.ts'
import { Hidden } from '../lib/hidden.ts'
import { parseSize } from '../lib/size.ts'
import type { Kind, Read } from './setting.ts'

const ok = <T>(value: T): Read<T> => ({ value })
const bad = (problem: string): { problems: readonly string[] } => ({ problems: [problem] })

interface Range {
  default: string
  min?: string
  max?: string
}

/** A duration, in milliseconds. */
export const duration = ({ default: fallback, min = '1ms', max = '3650d' }: Range): Kind<number> => ({
  default: fallback,
  valid: `a duration from \`${min}\` to \`${max}\``,
  read: (text) => {
    const ms = parseDuration(text)
    return ms !== null && ms >= parseDuration(min)! && ms <= parseDuration(max)!
      ? ok(ms)
      : bad(`"${text}" is not a duration between ${min} and ${max}, such as 250ms, 10s, 5m, 72h or 90d`)
  },
})

/** A size, in bytes. */
export const size = ({ default: fallback, min, max }: Required<Range>): Kind<number> => ({
  default: fallback,
  valid: `\`${min}\` to \`${max}\``,
  read: (text) => {
    const bytes = parseSize(text)
    return bytes !== null && bytes >= parseSize(min)! && bytes <= parseSize(max)!
      ? ok(bytes)
      : bad(`"${text}" is not a size from ${min} to ${max}, such as 256kb or 1mb`)
  },
})

export const integer = (range: { default: number; min: number; max: number }): Kind<number> => ({
  default: String(range.default),
  valid: `\`${range.min}\` to \`${range.max}\``,
  read: (text) => {
    const value = Number(text)
    return /^\d+$/.test(text) && value >= range.min && value <= range.max
      ? ok(value)
      : bad(`"${text}" is not a whole number from ${range.min} to ${range.max}`)
  },
})

/** One of these texts, in either case. */
export const oneOf = <const T extends string>(fallback: T, values: readonly T[]): Kind<T> => ({
  default: fallback,
  valid: values.map((value) => `\`${value}\``).join(', '),
  read: (text) => {
    const found = values.find((value) => value.toLowerCase() === text.toLowerCase())
    return found === undefined ? bad(`"${text}" is none of ${values.join(', ')}`) : ok(found)
  },
})

export const yesOrNo = (fallback: boolean): Kind<boolean> =>
  mapped(oneOf(String(fallback), ['true', 'false', '1', '0']), (text) => text === 'true' || text === '1')

/** A schedule: `10s,30s,1m`, a name, or nothing for a single attempt. */
function parseSchedule(text: string): readonly number[] | null {
  const trimmed = text.trim()
  if (trimmed === '') return []
  const name = trimmed.toLowerCase()
  if (Object.hasOwn(NAMED_SCHEDULES, name)) return NAMED_SCHEDULES[name]!
  const waits = trimmed.split(',').map((part) => parseDuration(part.trim()))
  return waits.length <= LIMITS.retriesMax && waits.every((wait) => wait !== null) ? waits : null
}

/** Waits in milliseconds. */
export const schedule = (fallback: string): Kind<readonly number[]> => {
  const names = Object.keys(NAMED_SCHEDULES)
  const valid =
    `a list of up to ${LIMITS.retriesMax} durations; ${names.map((name) => `\`${name}\``).join(' or ')} for the schedule` +
    ' of that name; empty for a single attempt'
  return {
    default: fallback,
    valid,
    read: (text) => {
      const waits = parseSchedule(text)
      return waits === null
        ? bad(
            `"${text}" is not a list of up to ${LIMITS.retriesMax} waits such as 10s,30s,1m, nor one of ${names.join(', ')}, nor empty`,
          )
        : ok(waits)
    },
  }
}

/** The parts between commas; `problemsOf` names their problems. */
export const list = (problemsOf: (parts: readonly string[]) => string[]): Kind<readonly string[]> => ({
  default: '',
  valid: 'a list',
  read: (text) => {
    const parts = text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    const problems = problemsOf(parts)
    return problems.length === 0 ? ok(parts) : { problems }
  },
})

/** A list; `problemOf` names the problem of each part. */
export const listOf = (problemOf: (part: string) => string | null): Kind<readonly string[]> =>
  list((parts) => parts.map(problemOf).filter((problem) => problem !== null))

/** Any text for which `problemOf` names no problem; empty when the variable is not set. */
export const text = (problemOf: (text: string) => string | null = () => null): Kind<string> => ({
  default: '',
  valid: 'any text',
  read: (text) => {
    const problem = text === '' ? null : problemOf(text)
    return problem === null ? ok(text) : bad(problem)
  },
})

/** Reads as `kind` does, and maps the value. */
export const mapped = <T, U>(kind: Kind<T>, map: (value: T) => U): Kind<U> => ({
  ...kind,
  read: (text) => {
    const read = kind.read(text)
    return 'value' in read ? ok(map(read.value)) : read
  },
})

/** Null when the variable is not set. */
export const hidden = (kind: Kind<string>): Kind<Hidden | null> =>
  mapped(kind, (text) => (text === '' ? null : new Hidden(text)))

/** True when quotes of an environment file became part of the value. */
export const isQuoted = (text: string): boolean => /^(["'`]).+\1$/s.test(text)

/** The bytes of a key. Every character counts, so a text that is probably no key is refused. */
export const key = (): Kind<Hidden | null> =>
  hidden({
    ...text(),
    isExact: true,
    read: (text) => {
      const problems: string[] = []
      if (text !== text.trim()) problems.push('begins or ends with a blank: leave it out, or choose another one')
      if (isQuoted(text)) problems.push('is in quotes, which would be a part of it: leave them out')
      return problems.length === 0 ? ok(text) : { problems }
    },
  })
