/**
 * The main thread's side of a database thread, and the group commit: while a batch is on its way, what is asked for
 * gathers and becomes the next one. Nothing waits for a timer, so an idle store answers at once and a busy one shares
 * its commits among ever more callers.
 */
import { Worker } from 'node:worker_threads'
import { GatewayError, OutcomeUnknown } from '../../domain/errors.ts'
import type { Prepared } from './encryption.ts'
import type { Call, FromThread, Reply, ThreadOptions, ToThread } from './thread.ts'

/** Tells how large the batches are; called once for each. */
export type OnBatch = (size: number) => void

interface Waiting {
  call: Call
  resolve: (value: unknown) => void
  reject: (error: Error) => void
  deadline: number
  bytes: number
}

export interface ThreadClientOptions extends ThreadOptions {
  /** Calls that may wait; more are refused. */
  waitingMax: number
  timeoutMs: number
  /** Batches on their way at once, and calls in one of them. */
  batchesInFlight: number
  batchMax: number
  /** Bytes that a call holds while it waits; so many of them may wait and be on their way, and share a batch. */
  bytesOf?: (call: Call) => number
  waitingBytesMax?: number
  batchBytesMax?: number
  onBatch: OnBatch
  /** The thread died of itself, so its file has to be opened again: in a new process. */
  onDeath: (error: Error) => void
}

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const CLOSE_TIMEOUT_MS = 10_000

export class ThreadClient {
  /** What the writer found out about the keys; null of a reader. */
  readonly prepared: Prepared | null
  readonly #options: ThreadClientOptions
  readonly #worker: Worker
  #waiting: Waiting[] = []
  readonly #inFlight: Waiting[][] = []
  #flushScheduled = false
  #state: 'open' | 'closing' | 'closed' = 'open'
  #overdueCheck: NodeJS.Timeout
  #bytes = 0

  /** Starts the thread and waits until it has opened the file; rejects with one line when it cannot. */
  static async open(options: ThreadClientOptions): Promise<ThreadClient> {
    const { role, path, isPatient, keys } = options
    const workerData: ThreadOptions = { role, path, isPatient, keys }
    const worker = new Worker(new URL(`./thread.${EXTENSION}`, import.meta.url), { workerData, name: options.role })
    const prepared = await new Promise<Prepared | null>((resolve, reject) => {
      worker.once('error', reject)
      // Not only the first message: under `node --watch` a thread tells of its imports before it speaks itself.
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
    this.prepared = prepared
    this.#options = options
    this.#worker = worker
    worker.removeAllListeners('error')
    worker.removeAllListeners('message')
    worker.on('message', (message: FromThread) => {
      if ('replies' in message) this.#answer(message.replies)
    })
    worker.on('error', (error) => this.#die(error as Error))
    worker.on('exit', () => {
      if (this.#state === 'open') this.#die(new Error(`the ${options.role} thread ended`))
    })
    this.#overdueCheck = setInterval(() => this.#refuseOverdue(), 1_000)
    this.#overdueCheck.unref()
  }

  call(call: Call): Promise<unknown> {
    if (this.#state !== 'open') return Promise.reject(new GatewayError('shutting_down'))
    const { waitingMax, waitingBytesMax = Infinity, bytesOf, timeoutMs } = this.#options
    const bytes = bytesOf === undefined ? 0 : bytesOf(call)
    // One that is larger than all that may wait is taken when nothing else does.
    const isTooMuch = bytes > 0 && this.#bytes > 0 && this.#bytes + bytes > waitingBytesMax
    if (this.#waiting.length >= waitingMax || isTooMuch) return Promise.reject(new GatewayError('overloaded'))
    this.#bytes += bytes
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject, deadline: performance.now() + timeoutMs, bytes })
      this.#scheduleFlush()
    })
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#inFlight.length >= this.#options.batchesInFlight) return
    this.#flushScheduled = true
    // After the poll phase: what arrived on other sockets in the same turn of the event loop shares the batch.
    setImmediate(() => {
      this.#flushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#inFlight.length >= this.#options.batchesInFlight) return
    const size = this.#batchSize()
    const batch = this.#waiting.length === size ? this.#waiting : this.#waiting.slice(0, size)
    this.#waiting = batch === this.#waiting ? [] : this.#waiting.slice(size)
    const sent = this.#send(batch)
    if (sent.length === 0) return this.#flush()
    // Only what is on its way: answers are told apart by their order alone.
    this.#inFlight.push(sent)
    this.#options.onBatch(sent.length)
  }

  #batchSize(): number {
    const { batchMax, batchBytesMax } = this.#options
    const max = Math.min(batchMax, this.#waiting.length)
    if (batchBytesMax === undefined || this.#bytes <= batchBytesMax) return max
    let bytes = this.#waiting[0]!.bytes
    for (let size = 1; size < max; size++) {
      bytes += this.#waiting[size]!.bytes
      if (bytes > batchBytesMax) return size
    }
    return max
  }

  /** Calls that wait or are on their way, and the bytes that they hold. */
  get load(): { calls: number; bytes: number } {
    return {
      calls: this.#inFlight.reduce((sum, batch) => sum + batch.length, this.#waiting.length),
      bytes: this.#bytes,
    }
  }

  /** Sends what can be sent, and refuses what cannot: a value that is nested too deeply must not take others with it. */
  #send(batch: Waiting[]): Waiting[] {
    const post = (some: Waiting[]) =>
      this.#worker.postMessage({ calls: some.map((waiting) => waiting.call) } satisfies ToThread)
    try {
      post(batch)
      return batch
    } catch {
      const sendable = batch.filter((waiting) => {
        try {
          structuredClone(waiting.call)
          return true
        } catch (cause) {
          this.#bytes -= waiting.bytes
          waiting.reject(new GatewayError('internal', { cause }))
          return false
        }
      })
      if (sendable.length > 0) post(sendable)
      return sendable
    }
  }

  #answer(replies: Reply[]): void {
    const batch = this.#inFlight.shift() ?? []
    for (const { bytes } of batch) this.#bytes -= bytes
    this.#flush()
    batch.forEach((waiting, i) => {
      const reply = replies[i]
      if (reply?.ok) waiting.resolve(reply.value)
      else waiting.reject(toError(reply?.error))
    })
  }

  /** Refuses what waits for too long. What is on its way may still be committed; its caller is told so. */
  #refuseOverdue(): void {
    const now = performance.now()
    const isOverdue = (waiting: Waiting) => waiting.deadline < now
    for (const batch of this.#inFlight)
      for (const waiting of batch.filter(isOverdue))
        waiting.reject(new OutcomeUnknown('The store did not answer in time'))
    if (this.#waiting[0] === undefined || !isOverdue(this.#waiting[0])) return
    for (const waiting of this.#waiting.filter(isOverdue)) {
      this.#bytes -= waiting.bytes
      waiting.reject(new GatewayError('store_unavailable'))
    }
    this.#waiting = this.#waiting.filter((waiting) => !isOverdue(waiting))
  }

  #die(error: Error): void {
    if (this.#state === 'closed') return
    this.abandon(error)
    this.#options.onDeath(error)
  }

  /** Refuses everything, now and from now on. The thread is left as it is. */
  abandon(error: Error): void {
    this.#state = 'closed'
    clearInterval(this.#overdueCheck)
    // What was on its way may have been committed just before.
    for (const waiting of this.#inFlight.splice(0).flat())
      waiting.reject(new OutcomeUnknown('The store ended before it answered', error))
    for (const waiting of this.#waiting.splice(0))
      waiting.reject(new GatewayError('store_unavailable', { cause: error }))
  }

  /** Lets what was asked for finish, then closes the file. */
  async close(): Promise<void> {
    if (this.#state === 'closed') await this.#worker.terminate()
    if (this.#state !== 'open') return
    this.#state = 'closing'
    const deadline = performance.now() + CLOSE_TIMEOUT_MS
    while ((this.#waiting.length > 0 || this.#inFlight.length > 0) && performance.now() < deadline) {
      this.#flush()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#state = 'closed'
    clearInterval(this.#overdueCheck)
    const closed = new Promise((resolve) => {
      this.#worker.once('exit', resolve)
      setTimeout(resolve, CLOSE_TIMEOUT_MS).unref()
    })
    this.#worker.postMessage({ close: true } satisfies ToThread)
    await closed
    await this.#worker.terminate()
  }
}

function toError(error: { message: string; unavailable: boolean } | undefined): Error {
  if (error === undefined) return new GatewayError('internal', { detail: 'The store gave no answer.' })
  const cause = new Error(error.message)
  return error.unavailable ? new GatewayError('store_unavailable', { cause }) : new GatewayError('internal', { cause })
}
