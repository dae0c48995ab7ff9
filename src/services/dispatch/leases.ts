/** Manages the leases that this node has in the store: renewed in time, given back, or lost to another node. */
import type { DeliveryKey } from '../../domain/delivery.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Clock } from '../../lib/clock.ts'
import type { LeasedDelivery, Queue } from '../../store/port/queue.ts'
import { every, type Service } from '../service.ts'
import type { Lane } from './lane.ts'
import { keyAndTries, keyText, type Lanes } from './lanes.ts'
import type { LooseLeases } from './loose-leases.ts'
import type { Starter } from './starter.ts'

export interface LeasesOptions {
  queue: Pick<Queue, 'release' | 'renew'>
  clock: Clock
  owner: string
  onTrouble: (doing: string, error: unknown) => void
  /** Called with the time at which the deliveries that were put back are due. */
  onGivenBack: (dueAt: number) => void
}

export class Leases implements Service {
  readonly name = 'leases'
  readonly #options: LeasesOptions
  readonly #parts: { lanes: Lanes; starter: Starter; loose: LooseLeases }

  constructor(options: LeasesOptions, parts: { lanes: Lanes; starter: Starter; loose: LooseLeases }) {
    this.#options = options
    this.#parts = parts
  }

  run(signal: AbortSignal): Promise<void> {
    return every(this.name, this.#options.clock, this.#parts.lanes.limits.leaseRenewBeforeMs / 3, () =>
      this.renew(),
    ).run(signal)
  }

  /**
   * Prolongs the leases that are about to end. A delivery whose lease was lost belongs to another node: unless its
   * attempt has started, it is dropped.
   */
  async renew(): Promise<void> {
    const { queue, owner, clock } = this.#options
    const now = clock.now()
    const { leaseRenewBeforeMs, claimMax } = this.#parts.lanes.limits
    // A lease that ends later than any new lease can was taken before the clock was put back.
    const ending = this.#parts.lanes
      .held()
      .filter(({ leaseUntil }) => leaseUntil - now < leaseRenewBeforeMs || leaseUntil - now > LIMITS.leaseMs)
    const until = now + LIMITS.leaseMs
    for (let i = 0; i < ending.length; i += claimMax) {
      const some = ending.slice(i, i + claimMax)
      const lost = await queue.renew(some.map(keyAndTries), { owner, until })
      for (const one of some) one.leaseUntil = until
      this.#drop(lost)
    }
  }

  /**
   * Gives the waiting deliveries of these lanes for which `isMeant` is true back to the store, which keeps them until
   * `dueAt`.
   */
  async giveBack(lanes: Iterable<Lane>, dueAt: number, isMeant?: (one: LeasedDelivery) => boolean): Promise<void> {
    const deliveries = this.#takeOut(lanes, isMeant)
    if (deliveries.length === 0) return
    const { queue, owner, onGivenBack, onTrouble } = this.#options
    try {
      await queue.release(deliveries.map(keyAndTries), owner, dueAt)
      onGivenBack(dueAt)
    } catch (error) {
      onTrouble('put deliveries back', error)
      this.#parts.loose.note(deliveries)
    }
  }

  #drop(lost: readonly DeliveryKey[]): void {
    if (lost.length === 0) return
    const keys = new Set(lost.map(keyText))
    this.#takeOut(this.#parts.lanes.all(), (one) => keys.has(keyText(one)))
  }

  #takeOut(lanes: Iterable<Lane>, isMeant?: (one: LeasedDelivery) => boolean): LeasedDelivery[] {
    const { starter } = this.#parts
    const taken: LeasedDelivery[] = []
    for (const lane of lanes) {
      for (const delivery of lane.drain(isMeant)) {
        starter.letGo(lane, delivery)
        taken.push(delivery)
      }
      starter.place(lane)
    }
    return taken
  }
}
