/** How long a burst above an endpoint's rate limit may be: a timer that fires late catches up, nothing more. */
export const RATE_CATCH_UP_MS = 5

/**
 * Paces an endpoint's attempts: `perSecond` of them, evenly spread. There is no burst to save up; only what a late
 * timer missed, at most `RATE_CATCH_UP_MS` of it, is caught up.
 */
export class Pacer {
  /** When the next attempt may start, ms; fractions matter for rates above 1000 per second. */
  #nextAt = 0

  /** How long until the next attempt may start; 0 is now. */
  waitMs(perSecond: number | null, now: number): number {
    return perSecond === null ? 0 : Math.max(0, this.#nextAt - now)
  }

  /** As good as a new one: what it remembered is of a clock that was put back. */
  reset(): void {
    this.#nextAt = 0
  }

  /** How long until this pacer is as good as a new one. */
  aheadMs(now: number): number {
    return Math.max(0, this.#nextAt - now)
  }

  /** Counts an attempt that starts now. */
  take(perSecond: number | null, now: number): void {
    if (perSecond === null) return
    // Longer than a second by what may be caught up: so no second has more than `perSecond` starts, late timers or not.
    const gapMs = (1_000 + RATE_CATCH_UP_MS) / perSecond
    this.#nextAt = Math.max(this.#nextAt, now - RATE_CATCH_UP_MS) + gapMs
  }
}
