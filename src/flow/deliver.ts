import type { DeliveryRequest, Driver } from '../destinations/driver.ts'
import type { Outcome } from '../domain/delivery.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { Clock } from '../lib/clock.ts'
import type { LeasedDelivery } from '../store/port/queue.ts'

export interface DeliverContext {
  /** Drivers by kind of destination; kinds that are not configured are missing. */
  drivers: ReadonlyMap<string, Driver>
  clock: Clock
  deliveryTimeoutMs: number
}

/** One finished attempt. */
export interface Tried {
  outcome: Outcome
  /** Start of the attempt, ms since the epoch. */
  at: number
  durationMs: number
}

/** Used only when another node, with other settings, no longer holds an endpoint that this node would hold. */
const NOT_CONFIGURED_WAIT_MS = 60_000

/** Hands the message to the endpoint's driver, once. A failure is an outcome. */
export async function deliver(context: DeliverContext, delivery: LeasedDelivery, endpoint: Endpoint): Promise<Tried> {
  const at = context.clock.now()
  const started = performance.now()
  const request: DeliveryRequest = {
    endpoint,
    message: {
      id: delivery.msgId,
      eventId: delivery.eventId,
      eventType: delivery.eventType,
      contentType: delivery.contentType,
      receivedAt: delivery.receivedAt,
      payload: delivery.payload,
      hops: delivery.hops,
    },
    at,
    timeoutMs: endpoint.timeoutMs ?? context.deliveryTimeoutMs,
  }
  const outcome = await attempt(context.drivers.get(endpoint.kind), request)
  return { outcome, at, durationMs: Math.round(performance.now() - started) }
}

async function attempt(driver: Driver | undefined, request: DeliveryRequest): Promise<Outcome> {
  if (driver === undefined)
    return {
      kind: 'deferred',
      reason: 'not_configured',
      error: `the destination ${request.endpoint.kind} is not configured`,
      waitMs: NOT_CONFIGURED_WAIT_MS,
    }
  try {
    return await driver.deliver(request)
  } catch (error) {
    // Drivers report failures as values. A driver that throws all the same must not leave the delivery without an end.
    return { kind: 'unreachable', error: error instanceof Error ? error.message : String(error) }
  }
}
