/**
 * Leases that this node may have without holding the delivery: it was stored or put back with an outcome that nobody knows,
 * or claimed once more while it was being attempted here. They would keep it from everybody until they end. The next
 * claim gives them back first: the store leaves alone what is not leased to this node after so many tries.
 *
 * Only between two claims, and never what is held in memory: else the lease that is given back might be the one in use.
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

  /** More than are remembered end by themselves. */
  note(leases: readonly LeasedKey[]): void {
    for (const one of leases)
      if (this.#leases.size < this.#lanes.limits.looseLeasesMax) this.#leases.set(keyText(one), keyAndTries(one))
  }

  /** Some of them at a time. What cannot be given back now is kept for the next time. */
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
