/**
 * Hears when another node puts a due delivery or a task into the store, or changes an endpoint. Notifications are
 * hints: those sent while the connection is down are lost, and polling finds their news. A lost connection is made
 * again for ever, at growing intervals.
 */
import { Client } from 'pg'
import type { AppId, EndpointId, MessageId, SourceId } from '../../domain/ids.ts'
import { systemClock, type Timer } from '../../lib/clock.ts'
import { connectionConfig, type PoolOptions } from './database.ts'
import { CHANGED_CHANNEL, DUE_CHANNEL, EXPUNGED_CHANNEL, TASK_CHANNEL } from './notify.ts'

export interface ListenerOptions extends Pick<PoolOptions, 'url' | 'settings' | 'connectTimeoutMs' | 'onTrouble'> {
  onDue: (at: number) => void
  onChange: (appId: AppId, id: EndpointId | SourceId) => void
  onExpunged: (msgId: MessageId) => void
  onTask: () => void
  /** True when a process of the server works for this node: this node knows the news of that process already. */
  isOwn: (processId: number) => boolean
}

const CHANNELS = [DUE_CHANNEL, TASK_CHANNEL, CHANGED_CHANNEL, EXPUNGED_CHANNEL]
const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 10_000
/** Interval of a question to the server, by which a connection that died without a word is noticed. */
const HEARTBEAT_MS = 15_000
const HEARTBEAT_TIMEOUT_MS = 5_000

export class Listener {
  readonly #options: ListenerOptions
  #client: Client | null = null
  #timer: Timer | null = null
  #retryMs = RETRY_FIRST_MS
  #isClosed = false

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** Starts to listen. If that fails, it is tried again; no caller has to wait for it. */
  async start(): Promise<void> {
    if (this.#isClosed) return
    const client = new Client({
      ...connectionConfig(this.#options),
      query_timeout: HEARTBEAT_TIMEOUT_MS,
    })
    this.#client = client
    client.on('error', (error) => this.#lost(client, error))
    client.on('end', () => this.#lost(client, new Error('the connection ended')))
    client.on('notification', ({ channel, payload, processId }) => {
      if (this.#options.isOwn(processId) || payload === undefined) return
      if (channel === DUE_CHANNEL) this.#options.onDue(Number(payload))
      else if (channel === TASK_CHANNEL) this.#options.onTask()
      else if (channel === EXPUNGED_CHANNEL) this.#options.onExpunged(payload as MessageId)
      else this.#options.onChange(...(payload.split(' ') as [AppId, EndpointId | SourceId]))
    })
    try {
      await client.connect()
      await client.query(CHANNELS.map((channel) => `LISTEN ${channel}`).join('; '))
    } catch (error) {
      this.#lost(client, error)
      return
    }
    // Notifications before or in between are lost, so the store is looked at once.
    if (this.#retryMs !== RETRY_FIRST_MS) {
      this.#options.onDue(0)
      this.#options.onTask()
    }
    this.#retryMs = RETRY_FIRST_MS
    this.#scheduleHeartbeat(client)
  }

  #scheduleHeartbeat(client: Client): void {
    if (this.#client !== client || this.#isClosed) return
    this.#timer = systemClock.after(HEARTBEAT_MS, () => {
      client.query('SELECT 1').then(
        () => this.#scheduleHeartbeat(client),
        (error: unknown) => this.#lost(client, error),
      )
    })
  }

  #lost(client: Client, error: unknown): void {
    if (this.#client !== client) return
    this.#client = null
    this.#timer?.cancel()
    client.end().catch(() => {})
    if (this.#isClosed) return
    this.#options.onTrouble('listen for what other nodes make due', error)
    this.#timer = systemClock.after(this.#retryMs, () => void this.start())
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const client = this.#client
    this.#client = null
    await client?.end().catch(() => {})
  }
}
