import type { DeliveryKey } from '../../domain/delivery.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { LeasedDelivery, Queue } from '../../store/store.ts'
import { keyAndTries } from './memory.ts'

/** Prolongs the leases of those that are about to end, some at a time. What was lost is another node's. */
export async function renewEnding(
  held: readonly LeasedDelivery[],
  { queue, owner, now }: { queue: Pick<Queue, 'renew'>; owner: string; now: number },
  onLost: (lost: readonly DeliveryKey[]) => void,
): Promise<void> {
  // What ends later than any lease can was begun before the clock was put back.
  const ending = held.filter(
    ({ leaseUntil }) => leaseUntil - now < LIMITS.leaseRenewBeforeMs || leaseUntil - now > LIMITS.leaseMs,
  )
  const until = now + LIMITS.leaseMs
  for (let i = 0; i < ending.length; i += LIMITS.claimMax) {
    const some = ending.slice(i, i + LIMITS.claimMax)
    const lost = await queue.renew(some.map(keyAndTries), { owner, until })
    for (const one of some) one.leaseUntil = until
    onLost(lost)
  }
}
