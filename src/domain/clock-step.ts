/**
 * What is left of a clock that was ahead and was put back: times that lie as far in the future as it was ahead. Most of them
 * say by themselves that they were written by it, because something that happened lies in the future, too. A pause does
 * not, so it is taken to have been, which at worst ends it early.
 */

/** The clock was put back by `backMs` and shows `now`. */
export interface ClockStep {
  now: number
  backMs: number
}

/** Both clocks at one moment, ms: the one on the wall, and one that only ever goes forward. */
export interface ClockReading {
  wall: number
  monotonic: number
}

/** How far the clock was put back between two readings; 0 when it was not, or by no more than `toleranceMs`. */
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
  /** Its endpoint has a pause that is not over yet, or was until the clock was put back. */
  isPaused: boolean
}

/** When a pause ends that would have ended at `until`. Never later, and not before now unless it was over. */
export const pauseAfterStep = (until: number, { now, backMs }: ClockStep): number =>
  Math.min(until, Math.max(now, until - backMs))

/** When a delivery is due that would have been at `dueAt`. Never later, and not before now unless it was due. */
export function dueAfterStep(delivery: WaitingDelivery, step: ClockStep): number {
  const { run, dueAt, receivedAt, lastAttemptAt, isPaused } = delivery
  if (dueAt <= step.now) return dueAt
  // Whoever asks for one wants it now.
  if (run > 0) return step.now
  // Its wait counts from an attempt that has not taken place yet, as this clock sees it: so it was ahead by that at least.
  const aheadMs = (lastAttemptAt ?? 0) - step.now
  if (aheadMs > 0) return Math.max(step.now, dueAt - Math.max(aheadMs, step.backMs))
  if (isPaused) return pauseAfterStep(dueAt, step)
  // Due when it was received; what is due later than that was meant to be.
  return dueAt <= receivedAt ? step.now : dueAt
}
