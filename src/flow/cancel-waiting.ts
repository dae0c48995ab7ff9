import type { AppId, EndpointId } from '../domain/ids.ts'
import type { Queue } from '../store/store.ts'

/** Deliveries cancelled by one write. */
const STEP = 200

/**
 * Cancels, step by step, what waits for an endpoint that was deleted or disabled. Should the process end in between,
 * the rest is cancelled when it becomes due.
 */
export async function cancelWaiting(queue: Queue, appId: AppId, endpointId: EndpointId): Promise<void> {
  while ((await queue.cancelWaiting(appId, endpointId, STEP)) === STEP);
}
