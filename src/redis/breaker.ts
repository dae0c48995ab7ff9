/** After so many failures in a row Redis is left alone for a moment. */
const FAILURES_MAX = 3
const PAUSE_MS = 1_000

/** Decides whether Redis is worth asking. After a pause, one command at a time tests whether it was long enough. */
export class Breaker {
  #failures = 0
  #closedAt = 0

  mayTry(now: number): boolean {
    if (this.#failures < FAILURES_MAX) return true
    // A clock that was set back must not make the pause longer.
    if (now < this.#closedAt && now > this.#closedAt - PAUSE_MS - 1) return false
    this.#closedAt = now + PAUSE_MS
    return true
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(now: number): void {
    this.#failures++
    if (this.#failures === FAILURES_MAX) this.#closedAt = now + PAUSE_MS
  }
}
