import { LIMITS } from '../domain/limits.ts'
import type { Observer } from '../telemetry/events.ts'
import type { Clock } from '../lib/clock.ts'
import type { Queue } from '../store/port/queue.ts'
import { every, type Service } from './service.ts'

/** Deliveries that one step makes due again. */
const STEP = 500

/**
 * Finds deliveries that no node holds: those whose lease ended because their node died, and those that no lane would
 * wake.
 */
export const createSweeper = (options: {
  queue: Queue
  clock: Clock
  observer: Observer
  onFound: (now: number) => void
}): Service =>
  every('sweeper', options.clock, LIMITS.sweepEveryMs, async (signal) => {
    for (let expired = STEP; expired === STEP && !signal.aborted;) {
      const now = options.clock.now()
      const found = await options.queue.sweep(now, STEP)
      options.observer.storeWorks()
      expired = found.expired
      if (expired + found.repaired === 0) return
      options.observer.swept(found)
      options.onFound(now)
    }
  })
