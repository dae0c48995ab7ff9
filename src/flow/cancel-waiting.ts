import type { AppId, EndpointId } from '../domain/ids.ts'

/**
 * `scheduled`: manual attempts are left alone, for somebody may have asked for them after the endpoint was disabled.
 * `all`: what waits at the moment when it is disabled or deleted goes away altogether.
 */
export type WhatWaits = 'all' | 'scheduled'

/**
 * Has what waits for an endpoint cancelled that was deleted or disabled, in the background and for as long as it is: nobody
 * waits for that. Should the process end in between, the rest goes on as soon as some of it is due.
 */
export type CancelWaiting = (appId: AppId, endpointId: EndpointId, what: WhatWaits) => void
