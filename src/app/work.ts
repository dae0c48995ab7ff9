import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { Handoff } from '../flow/accept.ts'
import { createClockWatch } from '../services/clock-watch.ts'
import type { Dispatcher } from '../services/dispatch/dispatcher.ts'
import type { Expunged } from '../services/dispatch/expunged.ts'
import type { Pacing } from '../services/dispatch/pacing.ts'
import { createPruner } from '../services/pruner.ts'
import type { Service } from '../services/service.ts'
import { createSweeper } from '../services/sweeper.ts'
import { createTaskRunner } from '../services/tasks.ts'
import type { Store } from '../store/store.ts'
import type { Ground } from './ground.ts'

export interface WorkParts {
  store: Store
  cache: EndpointCache
  pacing: Pacing
  dispatcher: Dispatcher
  handoff: Handoff
  expunged: Expunged
}

/**
 * The services of a node that attempts deliveries. Several nodes may sweep, prune and do tasks at the same time: each
 * step takes what the other nodes left.
 */
export function workOf(ground: Ground, { store, cache, pacing, dispatcher, handoff, expunged }: WorkParts): Service[] {
  const { clock, observer, hints, config, isAlone } = ground
  const tasks = createTaskRunner({ tasks: store, clock, onAdded: (now) => handoff.noteDue(now) })
  hints.subscribe('taskAdded', () => tasks.wake())
  return [
    ...(isAlone ? [] : [expunged.service]),
    tasks,
    ...dispatcher.services,
    createSweeper({ queue: store, clock, observer, onFound: (now) => dispatcher.noteDue(now) }),
    createPruner({ retention: store, clock, observer, attemptRetentionMs: config.attemptRetentionMs }),
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
}
