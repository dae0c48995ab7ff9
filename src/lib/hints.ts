/**
 * Hints: a part publishes that something happened, and the parts that care were subscribed before. Publishing is
 * synchronous, costs nothing without subscribers, and never throws. A lost hint costs only time, so each part works
 * without hints.
 */
export interface HintsOptions {
  /** A subscriber threw. */
  onFailure?: (topic: string, error: unknown) => void
  /** Most subscribers of one topic; a further one is refused with an error. */
  subscribersMax?: number
}

const SUBSCRIBERS_MAX = 1_000

/** `Topics` gives each topic the type of its hints. */
export class Hints<Topics extends object> {
  readonly #heard = new Map<keyof Topics, Set<(what: never) => void>>()
  readonly #onFailure: (topic: string, error: unknown) => void
  readonly #max: number

  constructor({ onFailure = () => {}, subscribersMax = SUBSCRIBERS_MAX }: HintsOptions = {}) {
    this.#onFailure = onFailure
    this.#max = subscribersMax
  }

  /** Calls `hear` with every hint from now on, until the subscription is disposed. */
  subscribe<T extends keyof Topics>(topic: T, hear: (what: Topics[T]) => void): Disposable {
    let subscribers = this.#heard.get(topic)
    if (subscribers === undefined) this.#heard.set(topic, (subscribers = new Set()))
    if (subscribers.size >= this.#max) throw new Error(`${String(topic)} has ${this.#max} subscribers already`)
    // A function of its own, so that one `hear` can be subscribed twice, is told twice, and each subscription ends by
    // itself.
    const own = (what: Topics[T]) => hear(what)
    subscribers.add(own)
    return { [Symbol.dispose]: () => void subscribers.delete(own) }
  }

  publish<T extends keyof Topics>(topic: T, what: Topics[T]): void {
    const subscribers = this.#heard.get(topic)
    if (subscribers === undefined) return
    for (const hear of subscribers) {
      try {
        ;(hear as (what: Topics[T]) => void)(what)
      } catch (error) {
        this.#onFailure(String(topic), error)
      }
    }
  }
}
