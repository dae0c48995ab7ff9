import type { EndpointCache } from '../cache/endpoint-cache.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Observer } from '../telemetry/events.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/store.ts'
import { createClockWatch } from './clock-watch.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Pacing } from './pacing.ts'
import { createPruner } from './pruner.ts'
import { every, type Service } from './service.ts'
import { createSweeper } from './sweeper.ts'

/** Of a node that attempts deliveries. Several nodes may sweep and prune: each step takes what the others left. */
export const workOf = ({
  store,
  cache,
  pacing,
  dispatcher,
  clock,
  observer,
  attemptRetentionMs,
}: {
  store: Store
  cache: EndpointCache
  pacing: Pacing
  dispatcher: Dispatcher
  clock: Clock
  observer: Observer
  attemptRetentionMs: number
}): Service[] => [
  dispatcher,
  every('leases', clock, LIMITS.leaseRenewBeforeMs / 3, () => dispatcher.renewLeases()),
  createSweeper({ queue: store, clock, observer, onFound: (now) => dispatcher.noteDue(now) }),
  createPruner({ retention: store, clock, attemptRetentionMs }),
  createClockWatch({
    queue: store,
    clock,
    observer,
    onPutRight(step) {
      cache.forgetAllHere()
      pacing.putClockBack(step)
      dispatcher.noteDue(step.now)
    },
  }),
]
