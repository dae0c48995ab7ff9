import { LIMITS } from '../domain/limits.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Doorbell } from '../services/doorbell.ts'
import { channelsOf, dueMessage } from './bus.ts'
import { REDIS_LIMITS } from './limits.ts'
import type { Link } from './link.ts'

export interface BellOptions {
  link: Link
  clock: Clock
  prefix: string
  node: string
}

/** Tells the other nodes of due deliveries: at once, and then once for all that become due within the next moment. */
export class Bell implements Doorbell, Disposable {
  readonly #options: BellOptions
  readonly #channel: string
  #dueAt = Infinity
  #resting: Timer | null = null

  constructor(options: BellOptions) {
    this.#options = options
    this.#channel = channelsOf(options.prefix).due
  }

  ring(at: number): void {
    // For anything later, the polls of the other nodes are early enough.
    if (at > this.#options.clock.now() + LIMITS.claimPollMs) return
    this.#dueAt = Math.min(this.#dueAt, at)
    if (this.#resting === null) this.#send()
  }

  #send(): void {
    const { link, clock, node } = this.#options
    const inMs = Math.max(0, Math.ceil(this.#dueAt - clock.now()))
    this.#dueAt = Infinity
    // If no node hears the message, the poll finds the due delivery.
    link.run('ring', (client) => client.publish(this.#channel, dueMessage(node, inMs))).catch(() => {})
    this.#resting = clock.after(REDIS_LIMITS.doorbellRestMs, () => {
      this.#resting = null
      if (this.#dueAt < Infinity) this.#send()
    })
  }

  [Symbol.dispose](): void {
    this.#resting?.cancel()
  }
}
