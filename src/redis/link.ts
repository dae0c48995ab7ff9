/**
 * The connections to Redis. The gateway works without Redis: a command that is not answered soon has failed, no command
 * waits in a queue for Redis to come back, and after a few failures Redis is left alone for a moment. So in any state
 * of Redis, asking costs no more than `REDIS_LIMITS.redisCommandMs`, and for most of an outage nothing at all. The
 * client connects again by itself.
 */
import { Redis } from 'ioredis'
import type { Clock } from '../lib/clock.ts'
import type { Observer } from '../telemetry/events.ts'
import { Breaker } from './breaker.ts'
import { REDIS_LIMITS } from './limits.ts'

/** A script runs at once and alone; its keys come first among its arguments. */
export interface Script {
  readonly name: string
  readonly keys: number
  readonly lua: string
}

export type LinkObserver = Pick<Observer, 'redisCommand' | 'redisConnected'>

export interface LinkOptions {
  url: string
  clock: Clock
  observer: LinkObserver
}

/** The reason why there is no answer: no connection, too slow, not even asked, or refused by Redis. */
export class RedisAway extends Error {
  override readonly name = 'RedisAway'
}

const RECONNECT_MS = { first: 50, max: 1_000 }
/** A connection that owes an answer for so long is dead; it is closed and made anew. */
const SILENCE_MS = 1_000
const CONNECT_MS = 2_000
const GOODBYE_MS = 200

/** Makes one more client for the same server. No command waits for a connection, and none is sent twice. */
export function connect(url: string, scripts: readonly Script[] = []): Redis {
  return new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    disconnectTimeout: GOODBYE_MS,
    maxLoadingRetryTime: RECONNECT_MS.max,
    retryStrategy: (times) => Math.min(RECONNECT_MS.first * 2 ** Math.min(times, 10), RECONNECT_MS.max),
    // After a failover the old server refuses writes: its successor is found by connecting again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    scripts: Object.fromEntries(scripts.map(({ name, lua, keys }) => [commandOf(name), { lua, numberOfKeys: keys }])),
  })
}

/** Resolves as `work` does, unless that takes longer than `ms`. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>): Promise<T> {
  let late = (): void => {}
  const timer = clock.after(ms, () => late())
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => (late = () => reject(new RedisAway('no answer in time')))),
    ])
  } finally {
    timer.cancel()
  }
}

/** Closes a connection that is of no use, so that a new one is made. */
export function again(client: Redis): void {
  // At any other time the client is about to connect already, and would take this as the end.
  if (client.status === 'ready') client.disconnect(true)
}

/** Sends QUIT, so that commands that were sent before are still carried out, but does not wait long for the answer. */
export async function close(client: Redis, clock: Clock): Promise<void> {
  if (client.status === 'ready') await within(clock, GOODBYE_MS, client.quit()).catch(() => {})
  client.disconnect()
}

/** The name under which the client has a script as a method, beside those of Redis itself. */
const commandOf = (name: string): string => `hookferry_${name}`

type Scripted = Record<string, (...args: (string | number)[]) => Promise<unknown>>

export class Link implements AsyncDisposable {
  readonly #client: Redis
  readonly #clock: Clock
  readonly #observer: LinkObserver
  readonly #breaker = new Breaker()
  #inFlight = 0
  #lifetime: string | null = null
  #lastError: string | null = null
  /** The state that the observer was told last. */
  #told: boolean | null = null
  #isClosing = false

  constructor({ url, clock, observer }: LinkOptions, scripts: readonly Script[]) {
    this.#clock = clock
    this.#observer = observer
    this.#client = connect(url, scripts)
    this.#client.on(
      'error',
      (error: NodeJS.ErrnoException) => (this.#lastError = error.message || (error.code ?? null)),
    )
    this.#client.on('ready', () => void this.#meet())
    this.#client.on('close', () => this.#leave())
  }

  get isConnected(): boolean {
    return this.#lifetime !== null
  }

  /**
   * An id of the server's memory. It is another one after every restart, which may have brought back an old state. Null
   * while there is no connection.
   */
  get lifetime(): string | null {
    return this.#lifetime
  }

  /** Runs a command. Rejects with `RedisAway`, soon. */
  async run<T>(name: string, command: (client: Redis) => Promise<T>): Promise<T> {
    if (this.#client.status !== 'ready') throw new RedisAway(this.#lastError ?? 'there is no connection')
    if (this.#inFlight >= REDIS_LIMITS.redisInFlightMax) throw new RedisAway('too many commands are under way')
    if (!this.#breaker.mayTry(this.#clock.now())) throw new RedisAway('it failed a moment ago')
    const started = performance.now()
    this.#inFlight++
    let failed = true
    try {
      const answer = await within(this.#clock, REDIS_LIMITS.redisCommandMs, command(this.#client))
      failed = false
      return answer
    } catch (error) {
      throw error instanceof RedisAway ? error : new RedisAway((error as Error).message, { cause: error })
    } finally {
      this.#inFlight--
      if (failed) this.#breaker.failed(this.#clock.now())
      else this.#breaker.succeeded()
      this.#observer.redisCommand({ name, ms: performance.now() - started, failed })
    }
  }

  script(script: Script, ...args: (string | number)[]): Promise<unknown> {
    return this.run(script.name, (client) => (client as unknown as Scripted)[commandOf(script.name)]!(...args))
  }

  async #meet(): Promise<void> {
    try {
      const about = await this.#client.info('server')
      this.#lifetime = /^run_id:(\w+)/m.exec(about)?.[1] ?? 'unknown'
    } catch (error) {
      // Some services do not allow this question. Without the id, only the age of entries bounds the use of old data.
      if (!/NOPERM|unknown command/i.test((error as Error).message)) return again(this.#client)
      this.#lifetime = 'unknown'
    }
    this.#lastError = null
    this.#tell(true)
  }

  #leave(): void {
    this.#lifetime = null
    if (!this.#isClosing) this.#tell(false)
  }

  /**
   * Reports each time that the connection comes or goes, once, however many attempts to connect there were in between.
   */
  #tell(is: boolean): void {
    if (this.#told === is) return
    this.#told = is
    this.#observer.redisConnected({ is, error: is ? null : this.#lastError })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true
    await close(this.#client, this.#clock)
  }
}
