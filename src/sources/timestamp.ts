/** Signed times, in the three forms that senders write. */
import type { Refusal } from './source.ts'

export type TimestampUnit = 's' | 'ms' | 'iso'

// One spelling per number, so that the number and the signed text always agree; 15 digits are always exact.
const WHOLE = /^(?:0|[1-9]\d{0,14})$/
/** RFC 3339. Some senders leave out the zone, and mean UTC. */
const ISO = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(Z|z|[+-]\d{2}:\d{2})?$/

/** Milliseconds since 1970; null when the text is no such time. */
export function parseTimestamp(text: string, unit: TimestampUnit): number | null {
  if (unit === 'iso') {
    const found = ISO.exec(text)
    if (found === null) return null
    const ms = Date.parse(found[1] === undefined ? `${text}Z` : text)
    return Number.isNaN(ms) ? null : ms
  }
  if (!WHOLE.test(text)) return null
  return unit === 's' ? Number(text) * 1_000 : Number(text)
}

/**
 * Judges the age, and only once the signature has matched: a reason in the log is then about a genuine request. 0 turns
 * the check off.
 */
export function judgeTimestamp(at: number, now: number, toleranceMs: number): Refusal | null {
  if (toleranceMs === 0) return null
  const lateMs = now - at
  if (Math.abs(lateMs) <= toleranceMs) return null
  const seconds = Math.round(Math.abs(lateMs) / 1_000)
  const tolerated = `${toleranceMs / 1_000} s are tolerated`
  return lateMs > 0
    ? { reason: 'timestamp_too_old', detail: `The request was signed ${seconds} s ago; ${tolerated}.` }
    : { reason: 'timestamp_in_future', detail: `The request was signed ${seconds} s in the future; ${tolerated}.` }
}
