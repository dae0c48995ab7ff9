/**
 * Leases that this node may have without holding the delivery: it was stored or put back with an outcome that nobody knows,
 * or claimed once more while it was being attempted here. They would keep it from everybody until they end. The next
 * claim gives them back first: the store leaves alone what is not leased to this node after so many tries.
 *
 * Only between two claims, and never what is held in memory: else the lease that is given back might be the one in use.
 */
import type { DeliveryKey } from '../../domain/delivery.ts'
import { GatewayError } from '../../domain/errors.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Queue } from '../../store/store.ts'
import { keyAndTries, keyText, type Memory } from './memory.ts'

type Leased = DeliveryKey & { tries: number }

export interface LooseLeasesOptions {
  queue: Pick<Queue, 'release'>
  owner: string
  onTrouble: (doing: string, error: unknown) => void
}

export class LooseLeases {
  readonly #memory: Pick<Memory, 'get'>
  readonly #options: LooseLeasesOptions
  readonly #leases = new Map<string, Leased>()

  constructor(memory: Pick<Memory, 'get'>, options: LooseLeasesOptions) {
    this.#memory = memory
    this.#options = options
  }

  /** More than are remembered end by themselves. */
  note(leases: readonly Leased[]): void {
    for (const one of leases)
      if (this.#leases.size < LIMITS.looseLeasesMax) this.#leases.set(keyText(one), keyAndTries(one))
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

  #notHeld(): Leased[] {
    const some: Leased[] = []
    for (const one of this.#leases.values()) {
      if (this.#memory.get(one) === undefined) some.push(one)
      if (some.length === LIMITS.claimMax) break
    }
    return some
  }
}
