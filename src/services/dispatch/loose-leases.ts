/**
 * Keeps the leases that this node may have without holding the delivery. Either the delivery was stored or put back
 * with an unknown outcome, or it was claimed once more while it was being attempted here. Such a lease would keep the
 * delivery from all nodes until it ends. The next claim gives these leases back first. The store changes nothing unless
 * the delivery is leased to this node after this number of tries.
 *
 * Leases are given back between two claims only, and never those of deliveries that are held in memory: otherwise the
 * lease that is given back might be the one in use.
 */
import { GatewayError } from '../../domain/errors.ts'
import type { Queue } from '../../store/port/queue.ts'
import { keyAndTries, keyText, type Lanes, type LeasedKey } from './lanes.ts'

export interface LooseLeasesOptions {
  queue: Pick<Queue, 'release'>
  owner: string
  onTrouble: (doing: string, error: unknown) => void
}

export class LooseLeases {
  readonly #lanes: Pick<Lanes, 'get' | 'limits'>
  readonly #options: LooseLeasesOptions
  readonly #leases = new Map<string, LeasedKey>()

  constructor(lanes: Pick<Lanes, 'get' | 'limits'>, options: LooseLeasesOptions) {
    this.#lanes = lanes
    this.#options = options
  }

  /** Remembers these leases; those beyond the bound end by themselves. */
  note(leases: readonly LeasedKey[]): void {
    for (const one of leases)
      if (this.#leases.size < this.#lanes.limits.looseLeasesMax) this.#leases.set(keyText(one), keyAndTries(one))
  }

  /** Gives back some leases at a time. A lease that cannot be given back now is kept for the next time. */
  async giveBack(now: number): Promise<void> {
    if (this.#leases.size === 0) return
    const some = this.#notHeld()
    if (some.length === 0) return
    const { queue, owner, onTrouble } = this.#options
    try {
      await queue.release(some, owner, now)
    } catch (error) {
      onTrouble('give back leases that may be left', error)
      if (error instanceof GatewayError && error.code === 'store_unavailable') return
    }
    for (const one of some) this.#leases.delete(keyText(one))
  }

  #notHeld(): LeasedKey[] {
    const some: LeasedKey[] = []
    for (const one of this.#leases.values()) {
      if (this.#lanes.get(one) === undefined) some.push(one)
      if (some.length === this.#lanes.limits.claimMax) break
    }
    return some
  }
}
