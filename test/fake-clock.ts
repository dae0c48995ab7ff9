import type { Clock } from '../src/lib/clock.ts'

/** A clock whose time the test moves. */
export interface FakeClock extends Clock {
  /** Moves the time by `ms`. Every timer on the way runs at its time, and what that sets off settles before time goes on. */
  advance(ms: number): Promise<void>
  /** Sets the clock forward or back, as an operator does: no time passes, and no timer is told. */
  set(byMs: number): void
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
  /** Timers that are set. */
  readonly timers: number
}

interface Alarm {
  at: number
  fn: () => void
}

const START = Date.UTC(2035, 0, 1)

/**
 * `isBusy` says that something outside of this thread is still under way, such as a call to a real store: time stands
 * still until it is answered.
 */
export function createFakeClock({ start = START, isBusy = (): boolean => false } = {}): FakeClock {
  let now = start
  let setBy = 0
  // In the order in which they ring; of two at the same time the one that was set first.
  const alarms: Alarm[] = []

  const settle = async () => {
    // One turn of the event loop runs all microtasks; what was busy a turn ago may have continued with the next thing.
    for (let quietTurns = 0; quietTurns < 2; quietTurns = isBusy() ? 0 : quietTurns + 1)
      await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    now: () => now + setBy,
    monotonic: () => now - start,
    set: (byMs) => void (setBy += byMs),
    after(ms, fn) {
      const alarm = { at: now + Math.max(ms, 0), fn }
      const later = alarms.findIndex((other) => other.at > alarm.at)
      alarms.splice(later === -1 ? alarms.length : later, 0, alarm)
      return {
        cancel() {
          const index = alarms.indexOf(alarm)
          if (index !== -1) alarms.splice(index, 1)
        },
      }
    },
    async advance(ms) {
      const end = now + ms
      await settle()
      for (let next = alarms[0]; next !== undefined && next.at <= end; next = alarms[0]) {
        now = Math.max(now, next.at)
        // Those of one moment ring together.
        for (; next !== undefined && next.at <= now; next = alarms[0]) {
          alarms.shift()
          next.fn()
        }
        await settle()
      }
      now = end
    },
    settle,
    get timers() {
      return alarms.length
    },
  }
}
