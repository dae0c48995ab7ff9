import type { AppId, EndpointId } from '../domain/ids.ts'

/**
 * `scheduled`: manual attempts stay, because a person may have asked for them after the endpoint was disabled. `all`:
 * every delivery that waits when the endpoint is disabled or deleted is cancelled.
 */
export type WhatWaits = 'all' | 'scheduled'

/**
 * Cancels the waiting deliveries of a deleted or disabled endpoint, in the background and as long as the endpoint is
 * so: no request waits for that. If the process ends before the work does, the rest goes on as soon as one of those
 * deliveries is due.
 */
export type CancelWaiting = (appId: AppId, endpointId: EndpointId, what: WhatWaits) => void
