/**
 * Cancels the waiting deliveries of endpoints that were deleted or disabled. There may be millions of deliveries, and
 * requests and attempts write to the same store. So the canceller works in small steps, one at a time for the whole
 * node, and endpoints take turns.
 */
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { CancelWaiting, WhatWaits } from '../flow/cancel-waiting.ts'
import type { Clock } from '../lib/clock.ts'
import type { Queue } from '../store/port/queue.ts'
import { pause, type Service } from './service.ts'

/** Pause between two steps: meanwhile the store belongs to the others. */
const BREATH_MS = 5
/** Sleep when there is nothing to do. */
const IDLE_MS = 60_000

export interface Canceller extends Service {
  readonly cancelWaiting: CancelWaiting
}

interface Wanted {
  appId: AppId
  endpointId: EndpointId
  what: WhatWaits
}

export function createCanceller({
  queue,
  cache,
  clock,
}: {
  queue: Pick<Queue, 'cancelWaiting'>
  cache: Pick<EndpointCache, 'get'>
  clock: Clock
}): Canceller {
  const wanted = new Map<EndpointId, Wanted>()
  let awake = new AbortController()

  /**
   * Does one step of the endpoint whose turn it is. If the step fails, the endpoint has another turn, after the others.
   */
  async function step({ appId, endpointId }: Wanted): Promise<void> {
    const { what } = wanted.get(endpointId)!
    wanted.delete(endpointId)
    wanted.set(endpointId, { appId, endpointId, what })
    const isOver = (await cache.get(appId, endpointId))?.disabled === false
    const max = LIMITS.cancelStepRows
    const cancelled = isOver ? 0 : await queue.cancelWaiting(appId, endpointId, { max, what })
    // The entry stays when more was asked for meanwhile.
    if (cancelled < max && wanted.get(endpointId)?.what === what) wanted.delete(endpointId)
  }

  return {
    name: 'canceller',
    cancelWaiting(appId, endpointId, what) {
      const before = wanted.get(endpointId)
      // Beyond the bound a request is not remembered: its deliveries are cancelled once they become due.
      if (before === undefined && wanted.size >= LIMITS.endpointsToCancelMax) return
      wanted.set(endpointId, { appId, endpointId, what: before?.what === 'all' ? 'all' : what })
      awake.abort()
    },
    async run(signal) {
      while (!signal.aborted) {
        awake = new AbortController()
        const [next] = wanted.values()
        if (next === undefined) await pause(clock, IDLE_MS, AbortSignal.any([signal, awake.signal]))
        else {
          await step(next)
          await pause(clock, BREATH_MS, signal)
        }
      }
    },
  }
}
