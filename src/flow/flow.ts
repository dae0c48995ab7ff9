/**
 * The way of one event, from top to bottom.
 *
 *   receive → verify → accept (de-duplicate · store · route · enqueue, one transaction) → 2xx
 *                                         │
 *                            deliver → record → observe, again at the next due time until it ends
 */
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import { DEFAULT_APP } from '../domain/application.ts'
import { wants } from '../domain/endpoint.ts'
import { GatewayError } from '../domain/errors.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import type { Clock } from '../lib/clock.ts'
import type { Inflater } from '../lib/inflate.ts'
import { subscriptionSignature } from '../sources/subscription-signature.ts'
import type { LeasedDelivery } from '../store/port/queue.ts'
import { accept, type AcceptContext, type Receipt } from './accept.ts'
import { deliver, type DeliverContext } from './deliver.ts'
import { inflated } from './inflated.ts'
import { type RawRequest, receive } from './receive.ts'
import { cancel, record, type Recorded, type RecordContext } from './record.ts'
import { route } from './route.ts'
import { verify } from './verify.ts'

export interface InboundContext extends AcceptContext {
  cache: EndpointCache
  clock: Clock
  inflater: Inflater
}

type Query = { event_type?: string | undefined }

/** An event for one endpoint. Throws `subscription_not_found`, `invalid_signature`, `validation`, or a 503. */
export async function ingestTo(
  context: InboundContext,
  endpointId: EndpointId,
  request: RawRequest,
  query: Query,
): Promise<Receipt & { isDisabled: boolean }> {
  const appId: AppId = DEFAULT_APP
  const endpoint = await context.cache.get(appId, endpointId)
  // The gateway's own destinations are no subscriptions: they have no secret, and their ids are public.
  if (endpoint === null || endpoint.managed) throw new GatewayError('subscription_not_found')
  const now = context.clock.now()

  verify(subscriptionSignature, endpoint, request, now)
  const event = receive(await inflated(context.inflater, request), query, { requireType: false })
  const addressed = { eventType: event.eventType, channels: null, audience: 'all' as const }
  const endpoints = wants(endpoint, addressed) ? [endpoint] : []
  const idempotency =
    event.idempotencyKey === null ? null : { scope: `ingest/${endpointId}`, key: event.idempotencyKey }
  const receipt = await accept(
    context,
    // The event came in for this endpoint alone. An endpoint that takes everything does not get it, not even when it is
    // replayed.
    { ...event, appId, channels: null, audience: 'named', eventId: null, idempotency, endpoints },
    now,
  )
  return { ...receipt, isDisabled: endpoint.disabled }
}

/** An event for every endpoint of the application that wants its type. Throws `validation` or a 503. */
export async function ingestToAll(context: InboundContext, request: RawRequest, query: Query): Promise<Receipt> {
  const appId: AppId = DEFAULT_APP
  const received = receive(await inflated(context.inflater, request), query, { requireType: true })
  const event = { ...received, channels: null, audience: 'all' as const }
  const candidates = await context.cache.ofApplication(appId)
  const now = context.clock.now()
  const endpoints = route(candidates, event)
  const idempotency = event.idempotencyKey === null ? null : { scope: 'ingest', key: event.idempotencyKey }
  return accept(context, { ...event, appId, eventId: null, idempotency, endpoints }, now)
}

export type OutboundContext = DeliverContext & RecordContext

/**
 * Makes one attempt of a delivery that this node holds, and records it. A manual attempt is made even if the endpoint
 * is disabled. `succeeded` is called between the two when the destination has taken the message.
 */
export async function carryOut(
  context: OutboundContext,
  delivery: LeasedDelivery,
  succeeded: () => void,
): Promise<Recorded> {
  const endpoint = await context.cache.get(delivery.appId, delivery.endpointId)
  if (endpoint === null || (endpoint.disabled && delivery.run === 0)) {
    // Other deliveries may wait as well, left when a process ended in the middle of cancelling.
    context.cancelWaiting(delivery.appId, delivery.endpointId, endpoint === null ? 'all' : 'scheduled')
    return cancel(context, delivery)
  }
  const tried = await deliver(context, delivery, endpoint)
  if (tried.outcome.kind === 'accepted') {
    context.pressure.took(delivery.endpointId)
    succeeded()
  }
  return record(context, delivery, endpoint, tried)
}
