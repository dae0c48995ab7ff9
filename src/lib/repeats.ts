/** Options for reporting an event that happens again and again. */
export interface RepeatsOptions {
  /** Shortest time between two reports about the same name, ms. */
  everyMs: number
  /** A monotonic clock, ms. */
  now: () => number
}

interface Repeated {
  firstAt: number
  lastAt: number
  saidAt: number
  count: number
  /** Number of events since the last report. */
  unsaid: number
}

/** A series that has ended: the number of events, and the time from the first to the last, ms. */
export interface Over {
  name: string
  count: number
  forMs: number
}

/**
 * Reports a problem at once. While the problem goes on, it is reported only now and then, with the number of events
 * since. Names are from a fixed set.
 */
export class Repeats {
  readonly #options: RepeatsOptions
  readonly #repeated = new Map<string, Repeated>()

  constructor(options: RepeatsOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#repeated.size === 0
  }

  /**
   * Counts an event. Returns the number of events that were not reported since the last time, or null when this one is
   * not reported now.
   */
  happened(name: string): number | null {
    const now = this.#options.now()
    const known = this.#repeated.get(name)
    if (known === undefined) {
      this.#repeated.set(name, { firstAt: now, lastAt: now, saidAt: now, count: 1, unsaid: 0 })
      return 0
    }
    known.lastAt = now
    known.count++
    if (now - known.saidAt < this.#options.everyMs) {
      known.unsaid++
      return null
    }
    const { unsaid } = known
    known.saidAt = now
    known.unsaid = 0
    return unsaid
  }

  /** The series without an event for a while. Each is returned once, and forgotten. */
  over(): Over[] {
    const now = this.#options.now()
    const over = [...this.#repeated].filter(([, { lastAt }]) => now - lastAt >= this.#options.everyMs)
    for (const [name] of over) this.#repeated.delete(name)
    return over.map(([name, { firstAt, lastAt, count }]) => ({ name, count, forMs: lastAt - firstAt }))
  }
}
