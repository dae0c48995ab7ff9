/** What was found out by name, the latest `max` of it; each is believed for a while from when it was found out. */
export class Remembered<T> {
  readonly #max: number
  readonly #entries = new Map<string, { value: T; at: number; keptMs: number }>()

  constructor(max: number) {
    this.#max = max
  }

  /** Also when its time is over. */
  has(name: string): boolean {
    return this.#entries.has(name)
  }

  get(name: string, now: number): T | undefined {
    const entry = this.#entries.get(name)
    // A clock that was put back must not make it last.
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
