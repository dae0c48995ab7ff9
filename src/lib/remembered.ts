/** Remembers the latest `max` findings by name. Each finding is believed for a while from the time when it was made. */
export class Remembered<T> {
  readonly #max: number
  readonly #entries = new Map<string, { value: T; at: number; keptMs: number }>()

  constructor(max: number) {
    this.#max = max
  }

  /** True also for a finding whose time is over. */
  has(name: string): boolean {
    return this.#entries.has(name)
  }

  get(name: string, now: number): T | undefined {
    const entry = this.#entries.get(name)
    // A clock that was put back must not lengthen the time.
    return entry !== undefined && now >= entry.at && now - entry.at < entry.keptMs ? entry.value : undefined
  }

  set(name: string, value: T, at: number, keptMs: number): void {
    this.#entries.delete(name)
    this.#entries.set(name, { value, at, keptMs })
    if (this.#entries.size <= this.#max) return
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest)
      return
    }
  }
}
