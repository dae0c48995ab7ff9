/**
 * Group commit, with a bound on waiting calls. While batches are on their way, new calls gather and become the next
 * batch. Nothing waits for a timer: an idle store answers at once, and a busy one shares its commits among ever more
 * callers. Operations that share nothing use batches of one.
 */
import { GatewayError, OutcomeUnknown } from '../../domain/errors.ts'
import { type Clock, systemClock, type Timer } from '../../lib/clock.ts'

/** Reports the size of a batch; called once for each. */
export type OnBatch = (size: number) => void

export type Reply<A> = { ok: true; value: A } | { ok: false; error: unknown }

export interface BatcherOptions<C, A> {
  /** Carries a batch out; a rejection is the answer to all of its calls. */
  run: (calls: C[]) => Promise<Reply<A>[]>
  /** The error that a caller gets when its reply is an error, or when `run` is rejected. */
  refusalOf: (error: unknown) => GatewayError
  /** Most calls that may wait; further ones are refused as `overloaded`. */
  waitingMax: number
  timeoutMs: number
  /** Most batches on their way at once, most calls in one batch, and the most that these calls may weigh together. */
  batchesInFlight: number
  batchMax: number
  weightMax?: number
  weigh?: (call: C) => number
  /** The most that calls may weigh together, waiting or on their way; a call beyond it is refused as `overloaded`. */
  waitingWeightMax?: number
  /** True when a batch on its way may be committed even if its answer comes too late. */
  writes: boolean
  onBatch?: OnBatch
  clock?: Clock
}

interface Waiting<C, A> {
  call: C
  resolve: (value: A) => void
  reject: (error: Error) => void
  deadline: number
  weight: number
}

const OVERDUE_CHECK_MS = 500
const CLOSE_TIMEOUT_MS = 10_000

export class Batcher<C, A> {
  readonly #options: BatcherOptions<C, A>
  readonly #clock: Clock
  #waiting: Waiting<C, A>[] = []
  readonly #inFlight = new Set<Waiting<C, A>[]>()
  #flushScheduled = false
  #isClosed = false
  #overdueCheck: Timer | null = null
  #drained: (() => void) | null = null
  #weight = 0

  constructor(options: BatcherOptions<C, A>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  call(call: C): Promise<A> {
    if (this.#isClosed) return Promise.reject(new GatewayError('shutting_down'))
    const { waitingMax, waitingWeightMax = Infinity, weigh, timeoutMs } = this.#options
    const weight = weigh === undefined ? 0 : weigh(call)
    // A call that alone is heavier than the bound is taken when no other one waits.
    const isTooHeavy = weight > 0 && this.#weight > 0 && this.#weight + weight > waitingWeightMax
    if (this.#waiting.length >= waitingMax || isTooHeavy) return Promise.reject(new GatewayError('overloaded'))
    this.#weight += weight
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject, deadline: this.#clock.monotonic() + timeoutMs, weight })
      this.#watchDeadlines()
      this.#scheduleFlush()
    })
  }

  /** The calls that wait or are on their way: their number, and their weight together. */
  get load(): { calls: number; weight: number } {
    let calls = this.#waiting.length
    for (const batch of this.#inFlight) calls += batch.length
    return { calls, weight: this.#weight }
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#inFlight.size >= this.#options.batchesInFlight) return
    this.#flushScheduled = true
    // After the poll phase: calls that arrived on other sockets in the same turn of the event loop share the batch.
    setImmediate(() => {
      this.#flushScheduled = false
      while (this.#waiting.length > 0 && this.#inFlight.size < this.#options.batchesInFlight) void this.#flush()
    })
  }

  #takeBatch(): Waiting<C, A>[] {
    const { batchMax, weightMax } = this.#options
    let size = Math.min(batchMax, this.#waiting.length)
    if (weightMax !== undefined && this.#weight > weightMax) {
      let weight = 0
      for (let i = 0; i < size; i++) {
        weight += this.#waiting[i]!.weight
        if (weight > weightMax && i > 0) size = i
      }
    }
    if (size < this.#waiting.length) return this.#waiting.splice(0, size)
    const all = this.#waiting
    this.#waiting = []
    return all
  }

  async #flush(): Promise<void> {
    const batch = this.#takeBatch()
    this.#inFlight.add(batch)
    this.#options.onBatch?.(batch.length)
    let replies: Reply<A>[] | null = null
    let failure: unknown = null
    try {
      replies = await this.#options.run(batch.map((waiting) => waiting.call))
    } catch (error) {
      failure = error
    }
    // The batch was given up meanwhile: its callers have been told.
    if (!this.#inFlight.delete(batch)) return
    for (const { weight } of batch) this.#weight -= weight
    this.#scheduleFlush()
    batch.forEach((waiting, i) => {
      const reply = replies?.[i] ?? { ok: false, error: failure }
      if (reply.ok) waiting.resolve(reply.value)
      else waiting.reject(this.#options.refusalOf(reply.error))
    })
    this.#tellWhenDrained()
  }

  #tellWhenDrained(): void {
    if (this.#inFlight.size + this.#waiting.length === 0) this.#drained?.()
  }

  #watchDeadlines(): void {
    this.#overdueCheck ??= this.#clock.after(OVERDUE_CHECK_MS, () => {
      this.#overdueCheck = null
      this.#refuseOverdue()
      if (this.#inFlight.size + this.#waiting.length > 0) this.#watchDeadlines()
      this.#tellWhenDrained()
    })
  }

  /** Refuses calls that wait for too long. A batch on its way may still be committed; its callers are told so. */
  #refuseOverdue(): void {
    const now = this.#clock.monotonic()
    const isOverdue = (waiting: Waiting<C, A>) => waiting.deadline < now
    const late = 'The store did not answer in time'
    for (const batch of this.#inFlight)
      for (const waiting of batch.filter(isOverdue))
        waiting.reject(this.#options.writes ? new OutcomeUnknown(late) : new GatewayError('store_unavailable'))
    if (this.#waiting[0] === undefined || !isOverdue(this.#waiting[0])) return
    for (const waiting of this.#waiting.filter(isOverdue)) {
      this.#weight -= waiting.weight
      waiting.reject(new GatewayError('store_unavailable'))
    }
    this.#waiting = this.#waiting.filter((waiting) => !isOverdue(waiting))
  }

  /** Called when the engine below is gone: refuses everything, now and from now on. */
  abandon(cause: Error): void {
    this.#isClosed = true
    const ended = 'The store ended before it answered'
    const refusal = () => new GatewayError('store_unavailable', { cause })
    // A batch that was on its way may have been committed just before.
    for (const batch of this.#inFlight)
      for (const waiting of batch) waiting.reject(this.#options.writes ? new OutcomeUnknown(ended, cause) : refusal())
    for (const waiting of this.#waiting) waiting.reject(refusal())
    this.#inFlight.clear()
    this.#end()
  }

  #end(): void {
    this.#waiting = []
    this.#weight = 0
    this.#overdueCheck?.cancel()
    this.#overdueCheck = null
    this.#drained?.()
  }

  /** Lets accepted calls finish, and takes no new ones. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#inFlight.size + this.#waiting.length > 0)
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(CLOSE_TIMEOUT_MS, resolve)
        this.#drained = () => {
          timer.cancel()
          resolve()
        }
      })
    for (const waiting of this.#waiting) waiting.reject(new GatewayError('shutting_down'))
    this.#end()
  }
}
