/** How often something that happens again and again is said. */
export interface RepeatsOptions {
  /** Between two words about the same thing, ms. */
  everyMs: number
  /** Monotonic, ms. */
  now: () => number
}

interface Repeated {
  firstAt: number
  lastAt: number
  saidAt: number
  count: number
  /** How often it happened since it was last said. */
  unsaid: number
}

/** What was over: how often it happened, and from the first to the last time, ms. */
export interface Over {
  name: string
  count: number
  forMs: number
}

/**
 * Says what goes wrong at once, and while it goes on only now and then, with how often it happened since. Names are of a
 * fixed set.
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

  /** It happened: how often it was not said since the last time, or null when it is not to be said now. */
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

  /** What has not happened for a while. It is said once, and forgotten. */
  over(): Over[] {
    const now = this.#options.now()
    const over = [...this.#repeated].filter(([, { lastAt }]) => now - lastAt >= this.#options.everyMs)
    for (const [name] of over) this.#repeated.delete(name)
    return over.map(([name, { firstAt, lastAt, count }]) => ({ name, count, forMs: lastAt - firstAt }))
  }
}
