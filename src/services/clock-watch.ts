import { type ClockReading, type ClockStep, putBackBy } from '../domain/clock-step.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Observer } from '../telemetry/events.ts'
import type { Clock } from '../lib/clock.ts'
import type { Queue, QueuePlace } from '../store/port/queue.ts'
import { every, type Service } from './service.ts'

/** Deliveries that one step looks at. */
const STEP = 500

/**
 * Notices that the clock was put back. Pauses and due times then lie as far in the future as the clock was ahead. They
 * are put right in the store, a step at a time, and then in this node's memory.
 */
export function createClockWatch(options: {
  queue: Pick<Queue, 'putClockBack'>
  clock: Clock
  observer: Pick<Observer, 'clockPutBack'>
  onPutRight: (step: ClockStep) => void
}): Service {
  const { queue, clock, observer, onPutRight } = options
  const read = (): ClockReading => ({ wall: clock.now(), monotonic: clock.monotonic() })
  let last = read()
  /** The correction that is not finished yet; it is tried again when the store was away. */
  let open: { step: ClockStep; from: QueuePlace | null; moved: number } | null = null

  return every('clock watch', clock, LIMITS.clockCheckMs, async (signal) => {
    const before = last
    last = read()
    const backMs = putBackBy(before, last, LIMITS.clockStepMs)
    // A second clock step during a correction: deliveries that the correction has not reached need the sum of both.
    if (backMs > 0)
      open = {
        step: { now: last.wall, backMs: backMs + (open?.step.backMs ?? 0) },
        from: null,
        moved: open?.moved ?? 0,
      }
    while (open !== null && !signal.aborted) {
      const { moved, next } = await queue.putClockBack(open.step, open.from, STEP)
      open.moved += moved
      open.from = next
      if (next !== null) continue
      onPutRight(open.step)
      observer.clockPutBack({ backMs: open.step.backMs, moved: open.moved })
      open = null
    }
  })
}
