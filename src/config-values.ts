/** The kinds of values that settings have, each with the sentence that says what is valid. */
import { z } from 'zod'
import { LIMITS } from './domain/limits.ts'
import { NAMED_SCHEDULES } from './domain/retry-schedule.ts'
import { parseDuration } from './lib/duration.ts'
import { parseSize } from './lib/size.ts'

export const duration = (fallback: string, max = '3650d', min = '1ms') =>
  z
    .string()
    .default(fallback)
    .transform((text, ctx) => {
      const ms = parseDuration(text)
      if (ms !== null && ms >= parseDuration(min)! && ms <= parseDuration(max)!) return ms
      ctx.addIssue(`"${text}" is not a duration between ${min} and ${max}, such as 250ms, 10s, 5m, 72h or 90d`)
      return z.NEVER
    })

export const integer = (fallback: number, min: number, max: number) =>
  z
    .string()
    .default(String(fallback))
    .transform((text, ctx) => {
      const value = Number(text)
      if (/^\d+$/.test(text) && value >= min && value <= max) return value
      ctx.addIssue(`"${text}" is not a whole number from ${min} to ${max}`)
      return z.NEVER
    })

export const size = (fallback: string, min: string, max: string) =>
  z
    .string()
    .default(fallback)
    .transform((text, ctx) => {
      const bytes = parseSize(text)
      if (bytes !== null && bytes >= parseSize(min)! && bytes <= parseSize(max)!) return bytes
      ctx.addIssue(`"${text}" is not a size from ${min} to ${max}, such as 256kb or 1mb`)
      return z.NEVER
    })

export const oneOf = <T extends string>(fallback: T, values: readonly T[]) =>
  z
    .string()
    .default(fallback)
    .transform((text, ctx) => {
      const found = values.find((value) => value.toLowerCase() === text.toLowerCase())
      if (found !== undefined) return found
      ctx.addIssue(`"${text}" is none of ${values.join(', ')}`)
      return z.NEVER
    })

/** `10s,30s,1m`, a name, or nothing for a single attempt. */
function parseSchedule(text: string): readonly number[] | null {
  const trimmed = text.trim()
  if (trimmed === '') return []
  const name = trimmed.toLowerCase()
  if (Object.hasOwn(NAMED_SCHEDULES, name)) return NAMED_SCHEDULES[name]!
  const waits = trimmed.split(',').map((part) => parseDuration(part.trim()))
  return waits.length <= LIMITS.retriesMax && waits.every((wait) => wait !== null) ? waits : null
}

export const scheduleOf = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .transform((text, ctx) => {
      const schedule = parseSchedule(text)
      if (schedule !== null) return schedule
      ctx.addIssue(
        `"${text}" is not a list of up to ${LIMITS.retriesMax} waits such as 10s,30s,1m, nor one of ${Object.keys(NAMED_SCHEDULES).join(', ')}, nor empty`,
      )
      return z.NEVER
    })

export const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )

export const isQuoted = (text: string): boolean => /^(["'`]).+\1$/s.test(text)

export const key = z
  .string()
  .default('')
  .superRefine((text, ctx) => {
    if (text !== text.trim()) ctx.addIssue('begins or ends with a blank: leave it out, or choose another one')
    if (isQuoted(text)) ctx.addIssue('is in quotes, which would be a part of it: leave them out')
  })

export const yesOrNo = oneOf('false', ['true', 'false', '1', '0'] as const).transform(
  (text) => text === 'true' || text === '1',
)
