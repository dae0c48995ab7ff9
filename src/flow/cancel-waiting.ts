import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import type { Queue } from '../store/store.ts'

/** Deliveries cancelled by one write. */
const STEP = 200

/**
 * Cancels, step by step, what waits for an endpoint that was deleted or disabled, for as long as it is. Should the process
 * end in between, the rest is cancelled when it becomes due.
 */
export async function cancelWaiting(
  { queue, cache }: { queue: Pick<Queue, 'cancelWaiting'>; cache: Pick<EndpointCache, 'get'> },
  appId: AppId,
  endpointId: EndpointId,
): Promise<void> {
  const isOver = async () => (await cache.get(appId, endpointId))?.disabled !== false
  while ((await isOver()) && (await queue.cancelWaiting(appId, endpointId, STEP)) === STEP);
}
