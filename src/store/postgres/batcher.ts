/**
 * Group commit, and the bound on what may wait: while batches are on their way, what is asked for gathers and becomes
 * the next one. Nothing waits for a timer, so an idle store answers at once and a busy one shares its commits among
 * ever more callers. Operations that share nothing use it with batches of one.
 */
import { GatewayError, OutcomeUnknown } from '../../domain/errors.ts'
import { systemClock, type Timer } from '../../lib/clock.ts'
import { toRefusal } from './trouble.ts'

/** Tells how large the batches are; called once for each. */
export type OnBatch = (size: number) => void

export type Reply<A> = { ok: true; value: A } | { ok: false; error: unknown }

/** Carries out a batch as one. If a call of it is at fault, each is tried alone: a bad one must not take others with it. */
export async function repliesOf<C, A>(
  calls: readonly C[],
  run: (calls: readonly C[]) => Promise<A[]>,
): Promise<Reply<A>[]> {
  if (calls.length === 0) return []
  try {
    return (await run(calls)).map((value) => ({ ok: true, value }))
  } catch (error) {
    if (calls.length === 1 || toRefusal(error).code !== 'internal') return calls.map(() => ({ ok: false, error }))
  }
  const replies: Reply<A>[] = []
  for (const call of calls) replies.push(...(await repliesOf([call], run)))
  return replies
}

export interface BatcherOptions<C, A> {
  /** Carries a batch out; a rejection is the answer to all of it. */
  run: (calls: C[]) => Promise<Reply<A>[]>
  /** Calls that may wait; more are refused. */
  waitingMax: number
  timeoutMs: number
  /** Batches on their way at once, calls in one of them, and what they may weigh together. */
  batchesInFlight: number
  batchMax: number
  weightMax?: number
  weigh?: (call: C) => number
  /** What waits and what is on its way may weigh this much together; what would be more is refused. */
  waitingWeightMax?: number
  /** What is on its way may be committed even if its answer comes too late. */
  writes: boolean
  onBatch?: OnBatch
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
  #waiting: Waiting<C, A>[] = []
  readonly #inFlight = new Set<Waiting<C, A>[]>()
  #flushScheduled = false
  #isClosed = false
  #overdueCheck: Timer | null = null
  #drained: (() => void) | null = null
  #weight = 0

  constructor(options: BatcherOptions<C, A>) {
    this.#options = options
  }

  call(call: C): Promise<A> {
    if (this.#isClosed) return Promise.reject(new GatewayError('shutting_down'))
    const { waitingMax, waitingWeightMax = Infinity, weigh, timeoutMs } = this.#options
    const weight = weigh === undefined ? 0 : weigh(call)
    // One that is heavier than all that may wait is taken when nothing else does.
    const isTooHeavy = this.#weight > 0 && this.#weight + weight > waitingWeightMax
    if (this.#waiting.length >= waitingMax || isTooHeavy) return Promise.reject(new GatewayError('overloaded'))
    this.#weight += weight
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject, deadline: performance.now() + timeoutMs, weight })
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
    this.#inFlight.delete(batch)
    for (const { weight } of batch) this.#weight -= weight
    this.#scheduleFlush()
    batch.forEach((waiting, i) => {
      const reply = replies?.[i] ?? { ok: false, error: failure }
      if (reply.ok) waiting.resolve(reply.value)
      else waiting.reject(toRefusal(reply.error))
    })
    if (this.#inFlight.size + this.#waiting.length === 0) this.#drained?.()
  }

  #watchDeadlines(): void {
    this.#overdueCheck ??= systemClock.after(OVERDUE_CHECK_MS, () => {
      this.#overdueCheck = null
      this.#refuseOverdue()
      if (this.#inFlight.size + this.#waiting.length > 0) this.#watchDeadlines()
    })
  }

  /** Refuses what waits for too long. What is on its way may still be committed; its caller is told so. */
  #refuseOverdue(): void {
    const now = performance.now()
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

  /** Lets what was asked for finish, and takes nothing any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#inFlight.size + this.#waiting.length > 0)
      await new Promise<void>((resolve) => {
        const timer = systemClock.after(CLOSE_TIMEOUT_MS, resolve)
        this.#drained = () => {
          timer.cancel()
          resolve()
        }
      })
    this.#overdueCheck?.cancel()
    this.#overdueCheck = null
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new GatewayError('shutting_down'))
  }
}
