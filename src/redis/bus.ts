/**
 * Messages between nodes through Redis: an endpoint changed, or a delivery is due. Both are hints. A lost one costs
 * time, never more: caches do not trust a channel that may have missed a message, and the store is polled.
 *
 * Redis hands a connection its messages in the order of events, and the answer to a PING comes in the same order. So
 * the answer to a PING proves that everything announced before the PING was sent has arrived.
 */
import type { Redis } from 'ioredis'
import type { ChangeChannel } from '../cache/shared-endpoints.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import type { Clock } from '../lib/clock.ts'
import { REDIS_LIMITS } from './limits.ts'
import { again, close, connect, within } from './link.ts'

export interface BusOptions {
  url: string
  clock: Clock
  prefix: string
  /** This node; it ignores its own messages. */
  node: string
}

export interface Ears {
  onChange: (appId: AppId, id: EndpointId) => void
  /** A delivery in the store becomes due at this time. */
  onDue: (at: number) => void
}

export const channelsOf = (prefix: string): { changes: string; due: string } => ({
  changes: `${prefix}changes`,
  due: `${prefix}due`,
})

export const changeMessage = (node: string, appId: AppId, id: EndpointId): string => `${node} ${appId} ${id}`
/** The message gives the time as milliseconds from now, because clocks differ. */
export const dueMessage = (node: string, inMs: number): string => `${node} ${inMs}`

export class Bus implements ChangeChannel, AsyncDisposable {
  readonly #client: Redis
  readonly #options: BusOptions
  readonly #channels: { changes: string; due: string }
  #ears: Ears | null = null
  #subscribedAt: number | null = null
  #provenAt = 0

  constructor(options: BusOptions) {
    this.#options = options
    this.#channels = channelsOf(options.prefix)
    this.#client = connect(options.url)
    this.#client.on('error', () => {})
    this.#client.on('ready', () => void this.#subscribe())
    this.#client.on('close', () => (this.#subscribedAt = null))
    this.#client.on('message', (channel, text) => this.#hear(channel, text))
  }

  /** Begins to report messages to `ears`. The channel must not be relied on before. */
  listen(ears: Ears): void {
    this.#ears = ears
  }

  completeSince(now: number): number | null {
    // A time in the future means that the clock was set back: nothing is proven any more.
    const silentMs = now - this.#provenAt
    return silentMs >= 0 && silentMs <= REDIS_LIMITS.channelSilenceMs ? this.#subscribedAt : null
  }

  /** Proves that no message was missed so far; to be called again and again. */
  async ping(): Promise<void> {
    const { clock } = this.#options
    if (this.#subscribedAt === null) return
    const sentAt = clock.now()
    await within(clock, REDIS_LIMITS.channelSilenceMs, this.#client.ping()).then(
      () => (this.#provenAt = sentAt),
      // A missing answer is noticed by `completeSince`.
      () => {},
    )
  }

  async #subscribe(): Promise<void> {
    const { clock } = this.#options
    try {
      await this.#client.subscribe(this.#channels.changes, this.#channels.due)
      this.#subscribedAt = this.#provenAt = clock.now()
    } catch {
      again(this.#client)
    }
  }

  #hear(channel: string, text: string): void {
    const [node, ...words] = text.split(' ')
    if (node === this.#options.node) return
    if (channel === this.#channels.changes && words.length === 2)
      this.#ears?.onChange(words[0] as AppId, words[1] as EndpointId)
    if (channel === this.#channels.due && /^\d{1,6}$/.test(words[0] ?? ''))
      this.#ears?.onDue(this.#options.clock.now() + Number(words[0]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await close(this.#client, this.#options.clock)
  }
}
