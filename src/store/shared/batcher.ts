/**
 * Group commit, and the bound on what may wait: while batches are on their way, what is asked for gathers and becomes
 * the next one. Nothing waits for a timer, so an idle store answers at once and a busy one shares its commits among
 * ever more callers. Operations that share nothing use it with batches of one.
 */
import { GatewayError, OutcomeUnknown } from '../../domain/errors.ts'
import { type Clock, systemClock, type Timer } from '../../lib/clock.ts'

/** Tells how large the batches are; called once for each. */
export type OnBatch = (size: number) => void

export type Reply<A> = { ok: true; value: A } | { ok: false; error: unknown }

export interface BatcherOptions<C, A> {
  /** Carries a batch out; a rejection is the answer to all of it. */
  run: (calls: C[]) => Promise<Reply<A>[]>
  /** The error that a caller gets for one of a reply, or for a rejection of `run`. */
  refusalOf: (error: unknown) => GatewayError
  /** Calls that may wait; more are refused as `overloaded`. */
  waitingMax: number
  timeoutMs: number
  /** Batches on their way at once, calls in one of them, and what they may weigh together. */
  batchesInFlight: number
  batchMax: number
  weightMax?: number
  weigh?: (call: C) => number
  /** What waits and what is on its way may weigh this much together; what would be more is refused as `overloaded`. */
  waitingWeightMax?: number
  /** What is on its way may be committed even if its answer comes too late. */
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
    // One that is heavier than all that may wait is taken when nothing else does.
    const isTooHeavy = weight > 0 && this.#weight > 0 && this.#weight + weight > waitingWeightMax
    if (this.#waiting.length >= waitingMax || isTooHeavy) return Promise.reject(new GatewayError('overloaded'))
    this.#weight += weight
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject, deadline: this.#clock.monotonic() + timeoutMs, weight })
      this.#watchDeadlines()
      this.#scheduleFlush()
    })
  }

  /** Calls that wait or are on their way, and what they weigh together. */
  get load(): { calls: number; weight: number } {
    let calls = this.#waiting.length
    for (const batch of this.#inFlight) calls += batch.length
    return { calls, weight: this.#weight }
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#inFlight.size >= this.#options.batchesInFlight) return
    this.#flushScheduled = true
    // After the poll phase: what arrived on other sockets in the same turn of the event loop shares the batch.
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
    // Given up meanwhile: its callers have been told.
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

  /** Refuses what waits for too long. What is on its way may still be committed; its caller is told so. */
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

  /** What carries the batches out is gone: refuses everything, now and from now on. */
  abandon(cause: Error): void {
    this.#isClosed = true
    const ended = 'The store ended before it answered'
    const refusal = () => new GatewayError('store_unavailable', { cause })
    // What was on its way may have been committed just before.
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

  /** Lets what was asked for finish, and takes nothing any more. */
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
