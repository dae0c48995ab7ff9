/** The main thread's side of a database thread: starts it, sends it batches, and ends it. */
import { Worker } from 'node:worker_threads'
import { GatewayError } from '../../domain/errors.ts'
import { systemClock } from '../../lib/clock.ts'
import { Batcher, type BatcherOptions, type Reply } from '../shared/batcher.ts'
import type { Prepared } from './encryption.ts'
import type { Call, FromThread, ThreadError, ThreadOptions, ToThread } from './thread.ts'

export interface ThreadClientOptions
  extends ThreadOptions, Omit<BatcherOptions<Call, unknown>, 'run' | 'refusalOf' | 'writes' | 'clock'> {
  /** Called when the thread died of itself: its file has to be opened again, in a new process. */
  onDeath: (error: Error) => void
}

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const CLOSE_TIMEOUT_MS = 10_000

export class ThreadClient {
  /** The writer's findings about the keys; null for a reader. */
  readonly prepared: Prepared | null
  readonly #worker: Worker
  readonly #batcher: Batcher<Call, unknown>
  readonly #onDeath: (error: Error) => void
  /** The callers that wait for an answer, in the order of their questions: the thread answers in the same order. */
  readonly #asked: ((replies: Reply<unknown>[]) => void)[] = []
  #state: 'open' | 'closing' | 'closed' = 'open'

  /** Starts the thread and waits until it has opened the file; rejects with one line when it cannot. */
  static async open(options: ThreadClientOptions): Promise<ThreadClient> {
    const { role, path, isPatient, keys } = options
    const workerData: ThreadOptions = { role, path, isPatient, keys }
    const worker = new Worker(new URL(`./thread.${EXTENSION}`, import.meta.url), { workerData, name: options.role })
    const prepared = await new Promise<Prepared | null>((resolve, reject) => {
      worker.once('error', reject)
      // The first message is not enough: under `node --watch` a thread reports its imports before its own messages.
      worker.on('message', (message: FromThread) => {
        if ('failed' in message) reject(new Error(message.failed))
        else if ('opened' in message) resolve(message.opened)
      })
    }).catch(async (error: unknown) => {
      await worker.terminate()
      throw error
    })
    return new ThreadClient(options, worker, prepared)
  }

  private constructor(options: ThreadClientOptions, worker: Worker, prepared: Prepared | null) {
    const { role, onDeath } = options
    this.prepared = prepared
    this.#worker = worker
    this.#onDeath = onDeath
    this.#batcher = new Batcher({
      ...options,
      run: (calls) => this.#run(calls),
      refusalOf: (error) => error as GatewayError,
      writes: role === 'writer',
    })
    worker.removeAllListeners('error')
    worker.removeAllListeners('message')
    worker.on('message', (message: FromThread) => {
      if ('replies' in message)
        this.#asked.shift()?.(
          message.replies.map((reply) => (reply.ok ? reply : { ok: false, error: toRefusal(reply.error) })),
        )
    })
    worker.on('error', (error) => this.#die(error as Error))
    worker.on('exit', () => {
      if (this.#state !== 'closed') this.#die(new Error(`the ${role} thread ended`))
    })
  }

  call(call: Call): Promise<unknown> {
    return this.#batcher.call(call)
  }

  /** The calls that wait or are on their way, and the bytes that they hold. */
  get load(): { calls: number; weight: number } {
    return this.#batcher.load
  }

  /**
   * Sends the calls, and refuses those that cannot be sent: a value that is nested too deeply must not fail other
   * calls.
   */
  async #run(calls: Call[]): Promise<Reply<unknown>[]> {
    try {
      return await this.#ask(calls)
    } catch {
      const refusals = calls.map(whyUnsendable)
      const sendable = calls.filter((_, i) => refusals[i] === null)
      const replies = sendable.length === 0 ? [] : await this.#ask(sendable)
      return refusals.map((error) => (error === null ? replies.shift()! : { ok: false, error }))
    }
  }

  /** Rejects when the calls cannot be sent. */
  #ask(calls: Call[]): Promise<Reply<unknown>[]> {
    return new Promise((resolve) => {
      this.#worker.postMessage({ calls } satisfies ToThread)
      this.#asked.push(resolve)
    })
  }

  #die(error: Error): void {
    if (this.#state === 'closed') return
    this.abandon(error)
    this.#onDeath(error)
  }

  /** Refuses everything, now and from now on. The thread is left running. */
  abandon(error: Error): void {
    this.#state = 'closed'
    this.#batcher.abandon(error)
  }

  /** Lets accepted calls finish, then closes the file. */
  async close(): Promise<void> {
    if (this.#state === 'closed') await this.#worker.terminate()
    if (this.#state !== 'open') return
    this.#state = 'closing'
    await this.#batcher.close()
    this.#state = 'closed'
    const closed = new Promise<void>((resolve) => {
      const timer = systemClock.after(CLOSE_TIMEOUT_MS, resolve)
      this.#worker.once('exit', () => {
        timer.cancel()
        resolve()
      })
    })
    this.#worker.postMessage({ close: true } satisfies ToThread)
    await closed
    await this.#worker.terminate()
  }
}

function whyUnsendable(call: Call): GatewayError | null {
  try {
    structuredClone(call)
    return null
  } catch (cause) {
    return new GatewayError('internal', { cause })
  }
}

function toRefusal(error: ThreadError): GatewayError {
  const cause = new Error(error.message)
  return new GatewayError(error.unavailable ? 'store_unavailable' : 'internal', { cause })
}
