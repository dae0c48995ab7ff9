import type { Clock } from '../../lib/clock.ts'

/** Keeps the time of the next due delivery, and a sleep that ends sooner when that time gets earlier. */
export class Alarm {
  #dueAt: number | null = 0
  #wake: (() => void) | null = null

  /** The earliest known due time; null when nothing is known to be due. */
  get dueAt(): number | null {
    return this.#dueAt
  }

  note(at: number): void {
    if (this.#dueAt !== null && this.#dueAt <= at) return
    this.#dueAt = at
    this.wake()
  }

  clear(): void {
    this.#dueAt = null
  }

  wake(): void {
    this.#wake?.()
  }

  async sleep(clock: Clock, ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = clock.after(ms, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#wake = null
  }
}
