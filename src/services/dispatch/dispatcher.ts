/**
 * The dispatcher decides which delivery is attempted next, and how many at a time.
 *
 * Deliveries come from memory, right after the commit that stored them (`start`), and from the store (`claimer.ts`).
 * All of them are leased to this node before they are here. So the loss of this process loses nothing: the leases end
 * and another node claims the deliveries. `lanes.ts` holds them, `starter.ts` decides which attempt starts, and
 * `leases.ts` renews leases and gives them back.
 */
import type { Candidate } from '../../domain/endpoint.ts'
import type { MessageId } from '../../domain/ids.ts'
import type { Handoff } from '../../flow/accept.ts'
import type { LeasedDelivery, Queue } from '../../store/port/queue.ts'
import { every, type Service } from '../service.ts'
import { Claimer } from './claimer.ts'
import { type LeasedKey, Lanes } from './lanes.ts'
import { Leases } from './leases.ts'
import { DISPATCH_LIMITS, type DispatchLimits } from './limits.ts'
import { LooseLeases } from './loose-leases.ts'
import { Overflow } from './overflow.ts'
import { Starter, type StarterOptions } from './starter.ts'

export interface DispatcherOptions extends StarterOptions {
  queue: Queue
  owner: string
  /** For tests: bounds other than those of `limits.ts`. */
  limits?: Partial<DispatchLimits>
  /** Called at the end of this node: deliveries that were put back are due at this time. */
  onLeftBehind?: (dueAt: number) => void
}

export class Dispatcher implements Handoff {
  readonly owner: string
  readonly claimer: Claimer
  readonly leases: Leases
  readonly #options: DispatcherOptions
  readonly #lanes: Lanes
  readonly #starter: Starter
  readonly #overflow: Overflow
  readonly #loose: LooseLeases

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.owner = options.owner
    const { clock } = options
    const lanes = new Lanes(options.concurrency, { ...DISPATCH_LIMITS, ...options.limits })
    const overflow = new Overflow(lanes, options)
    const loose = new LooseLeases(lanes, options)
    const starter = new Starter(lanes, options, {
      giveBack: (lane, dueAt, isMeant) => void this.leases.giveBack([lane], dueAt, isMeant),
      noteDue: (at) => this.noteDue(at),
      ended: (lane) => overflow.hasRoomAgain(lane) && this.noteDue(clock.now()),
    })
    const onGivenBack = (dueAt: number) => {
      this.noteDue(dueAt)
      if (starter.isStopping) options.onLeftBehind?.(dueAt)
    }
    this.leases = new Leases({ ...options, onGivenBack }, { lanes, starter, loose })
    this.claimer = new Claimer(options, { lanes, overflow, loose, starter })
    this.#lanes = lanes
    this.#starter = starter
    this.#overflow = overflow
    this.#loose = loose
    options.expunged.tell((isMeant) => void this.discard(isMeant))
  }

  /** The services that run for as long as this node attempts deliveries. */
  get services(): Service[] {
    const { clock, pacing } = this.#options
    const forgetPaces = () => Promise.resolve(pacing.forgetOver(clock.now()))
    return [this.claimer, this.leases, every('paces', clock, this.#lanes.limits.leaseRenewBeforeMs / 3, forgetPaces)]
  }

  get inFlight(): number {
    return this.#starter.inFlight
  }

  /** Number of deliveries that are leased to this node. */
  get inMemory(): number {
    return this.#lanes.heldCount
  }

  /** Number of endpoints with deliveries at this node, or remembered for a moment. */
  get lanes(): number {
    return this.#lanes.count
  }

  /** Number of applications that these endpoints belong to. */
  get applications(): number {
    return this.#lanes.applicationCount
  }

  reserve(endpoint: Candidate, bytes: number): boolean {
    if (this.#starter.isStopping || (endpoint.pausedUntil ?? 0) > this.#options.clock.now()) return false
    return this.#lanes.reserve(endpoint, bytes, this.#overflow.laneMax(endpoint.id, endpoint.rateLimit))
  }

  start(delivery: LeasedDelivery): void {
    this.#starter.arrived(this.#lanes.keepReserved(delivery), delivery)
  }

  unreserve(endpoint: Candidate, bytes: number): void {
    this.#starter.place(this.#lanes.unreserve(endpoint, bytes))
  }

  doubt(leases: readonly LeasedKey[]): void {
    this.#loose.note(leases)
  }

  noteDue(at: number): void {
    this.claimer.noteDue(at)
  }

  /**
   * Puts back the waiting deliveries of messages that were changed in the store. The next claim reads their new state.
   */
  discard(isMeant: (msgId: MessageId) => boolean): Promise<void> {
    return this.leases.giveBack(this.#lanes.all(), this.#options.clock.now(), (one) => isMeant(one.msgId))
  }

  /**
   * Starts no attempt any more, puts back waiting deliveries, and lets attempts in flight finish, until `deadline` (ms,
   * `performance.now`).
   */
  async drain(deadline: number): Promise<void> {
    this.#starter.stop()
    this.claimer.wake()
    await this.leases.giveBack(this.#lanes.all(), this.#options.clock.now())
    if (this.#lanes.heldCount === 0) return
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(deadline - performance.now(), resolve)
      this.#lanes.whenEmpty(() => {
        timer.cancel()
        resolve()
      })
    })
  }
}
