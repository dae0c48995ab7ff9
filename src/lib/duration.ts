/** The longest duration that is accepted: ten years of 365 days, in milliseconds. */
export const DURATION_MAX_MS = 10 * 365 * 86_400_000

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/**
 * Reads a duration such as `250ms`, `10s`, `1.5s`, `5m`, `72h` or `90d` and returns whole milliseconds. Null when the
 * text is malformed (the unit is required, in lower case, without spaces), is no whole number of milliseconds, or
 * exceeds `DURATION_MAX_MS`.
 */
export function parseDuration(text: string): number | null {
  const [, digits = '', unit = ''] = DURATION.exec(text) ?? []
  const unitMs = UNIT_MS[unit]
  if (unitMs === undefined) return null
  const value = Number(digits)
  // 1.005 × 1000 is 1004.999… in binary. Division back is correctly rounded, so it shows whether the text meant this
  // integer.
  const ms = Math.round(value * unitMs)
  return ms / unitMs === value && ms <= DURATION_MAX_MS ? ms : null
}

/**
 * Writes whole milliseconds as the shortest duration that `parseDuration` reads back exactly: 10000 → `10s`, 90000 →
 * `90s`, 1500 → `1.5s`. The number is never a fraction below one (`250ms`, not `0.25s`). Of two equally short texts,
 * the larger unit is written.
 */
export function formatDuration(ms: number): string {
  let shortest = `${ms}ms`
  for (const [unit, unitMs] of Object.entries(UNIT_MS)) {
    // An inexact quotient has seventeen digits, so it is never the shortest.
    const text = `${ms / unitMs}${unit}`
    if (ms >= unitMs && text.length <= shortest.length) shortest = text
  }
  return shortest
}
