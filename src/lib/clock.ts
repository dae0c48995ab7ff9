/** Time, passed in wherever code depends on it, so that tests can set it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /**
   * Milliseconds since some moment. Unlike `now`, this clock is never set: it only goes forward, at the pace of time.
   */
  monotonic(): number
  /** Runs `fn` once after `ms`, unless cancelled. */
  after(ms: number, fn: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** Node keeps timers in 32 bits: a longer one would fire at once. */
const TIMER_MAX_MS = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), TIMER_MAX_MS))
    return { cancel: () => clearTimeout(timer) }
  },
}
