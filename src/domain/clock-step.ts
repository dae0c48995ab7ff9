/**
 * Finds times that were written by a clock that was ahead and then put back: they lie as far in the future as the clock
 * was ahead. Most records show that themselves, because an event that already happened lies in the future, too. A pause
 * does not show it. A pause is therefore always treated as written by the clock that was ahead, which at worst ends the
 * pause early.
 */

/** The clock was put back by `backMs` and shows `now`. */
export interface ClockStep {
  now: number
  backMs: number
}

/** Both clocks at one moment, ms: the wall clock, and a clock that only goes forward. */
export interface ClockReading {
  wall: number
  monotonic: number
}

/**
 * Time by which the clock was put back between two readings, ms; 0 when it was not, or by no more than `toleranceMs`.
 */
export function putBackBy(before: ClockReading, after: ClockReading, toleranceMs: number): number {
  const backMs = after.monotonic - before.monotonic - (after.wall - before.wall)
  return backMs > toleranceMs ? Math.round(backMs) : 0
}

/** A delivery that waits. */
export interface WaitingDelivery {
  /** 0 is the delivery itself, more is a manual attempt. */
  run: number
  dueAt: number
  receivedAt: number
  lastAttemptAt: number | null
  /** True when its endpoint has a pause that is not over yet, or that was not over until the clock was put back. */
  isPaused: boolean
}

/**
 * The corrected end of a pause that would have ended at `until`. Never later; and not before now, unless it was over.
 */
export const pauseAfterStep = (until: number, { now, backMs }: ClockStep): number =>
  Math.min(until, Math.max(now, until - backMs))

/** The corrected due time of a delivery that was due at `dueAt`. Never later; and not before now, unless it was due. */
export function dueAfterStep(delivery: WaitingDelivery, step: ClockStep): number {
  const { run, dueAt, receivedAt, lastAttemptAt, isPaused } = delivery
  if (dueAt <= step.now) return dueAt
  // A person who asks for a manual attempt wants it now.
  if (run > 0) return step.now
  // The wait counts from an attempt that, for this clock, lies in the future: the other clock was ahead by at least
  // that.
  const aheadMs = (lastAttemptAt ?? 0) - step.now
  if (aheadMs > 0) return Math.max(step.now, dueAt - Math.max(aheadMs, step.backMs))
  if (isPaused) return pauseAfterStep(dueAt, step)
  // A delivery is due when its event is received; a later due time was set on purpose.
  return dueAt <= receivedAt ? step.now : dueAt
}
