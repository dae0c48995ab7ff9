/** Longest burst above an endpoint's rate limit, ms: a timer that fires late catches up, nothing more. */
export const RATE_CATCH_UP_MS = 5

/**
 * Paces an endpoint's attempts: `perSecond` of them, evenly spread. No burst can be saved up: only the time by which a
 * timer fired late is caught up, at most `RATE_CATCH_UP_MS`.
 */
export class Pacer {
  /** Time of the next allowed attempt, ms; fractions matter for rates above 1000 per second. */
  #nextAt = 0

  /** Time until the next attempt may start, ms; 0 is now. */
  waitMs(perSecond: number | null, now: number): number {
    return perSecond === null ? 0 : Math.max(0, this.#nextAt - now)
  }

  /** Makes this pacer as good as a new one: its times are those of a clock that was put back. */
  reset(): void {
    this.#nextAt = 0
  }

  /** Time until this pacer is as good as a new one, ms. */
  aheadMs(now: number): number {
    return Math.max(0, this.#nextAt - now)
  }

  /** Counts an attempt that starts now. */
  take(perSecond: number | null, now: number): void {
    if (perSecond === null) return
    // The gap is longer than a second's share, by the time that may be caught up: no second has more than `perSecond`
    // starts, late timers or not.
    const gapMs = (1_000 + RATE_CATCH_UP_MS) / perSecond
    this.#nextAt = Math.max(this.#nextAt, now - RATE_CATCH_UP_MS) + gapMs
  }
}
