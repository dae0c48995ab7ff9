import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { Observer } from '../telemetry/events.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/store.ts'
import { createClockWatch } from '../services/clock-watch.ts'
import type { Dispatcher } from '../services/dispatch/dispatcher.ts'
import type { Pacing } from '../services/dispatch/pacing.ts'
import { createPruner } from '../services/pruner.ts'
import type { Service } from '../services/service.ts'
import { createSweeper } from '../services/sweeper.ts'

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
  ...dispatcher.services,
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
