/**
 * What nodes tell each other through Redis: that an endpoint changed, and that something is due. Both are hints. A lost
 * one costs time, never more: caches do not trust a channel that may have missed something, and the store is polled.
 *
 * Redis hands a connection its messages in the order of events, and the answer to a PING comes in the same line. So an
 * answer to a PING that was sent at a time proves that everything announced before that time has arrived.
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
  /** This node; it need not hear what it says itself. */
  node: string
}

export interface Ears {
  onChange: (appId: AppId, id: EndpointId) => void
  /** Something is due in the store at this time. */
  onDue: (at: number) => void
}

export const channelsOf = (prefix: string): { changes: string; due: string } => ({
  changes: `${prefix}changes`,
  due: `${prefix}due`,
})

export const changeMessage = (node: string, appId: AppId, id: EndpointId): string => `${node} ${appId} ${id}`
/** Says in how many milliseconds, for clocks differ. */
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

  /** From now on these are told; nothing may rely on the channel before. */
  listen(ears: Ears): void {
    this.#ears = ears
  }

  completeSince(now: number): number | null {
    // In the future means that the clock was set back: nothing is proven any more.
    const silentMs = now - this.#provenAt
    return silentMs >= 0 && silentMs <= REDIS_LIMITS.channelSilenceMs ? this.#subscribedAt : null
  }

  /** Proves that nothing was missed so far; to be done again and again. */
  async ping(): Promise<void> {
    const { clock } = this.#options
    if (this.#subscribedAt === null) return
    const sentAt = clock.now()
    await within(clock, REDIS_LIMITS.channelSilenceMs, this.#client.ping()).then(
      () => (this.#provenAt = sentAt),
      // Its silence is the message.
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
