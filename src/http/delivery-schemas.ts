import { z } from 'zod'
import type { Attempt as DomainAttempt } from '../domain/attempt.ts'
import { type DeliveryInfo, deliveryStatus } from '../domain/delivery.ts'
import { type Candidate, isHeld } from '../domain/endpoint.ts'
import { named } from './described.ts'
import { count, Instant, instant, instantOrNull } from './schemas.ts'

export const Outcome = named('AttemptOutcome', z.enum(['success', 'failed_attempt', 'failure']))

export const Attempt = named(
  'Attempt',
  z.object({
    id: z.string(),
    webhook_id: z.string().describe('The message'),
    subscription_id: z.string(),
    target_url: z.string(),
    timestamp: Instant,
    attempt: z.number().int().min(1).describe('1, 2, …'),
    trigger: z.enum(['scheduled', 'manual']),
    outcome: Outcome.describe('failed_attempt: there will be another'),
    status_code: z.number().int().nullable(),
    error: z.string().nullable(),
    duration_ms: count,
    response_body: z.string().nullable().describe('Its first 4 KB'),
  }),
)

export const toAttempt = (attempt: DomainAttempt): z.infer<typeof Attempt> => ({
  id: attempt.id,
  webhook_id: attempt.msgId,
  subscription_id: attempt.endpointId,
  target_url: attempt.url,
  timestamp: instant(attempt.at),
  attempt: attempt.number,
  trigger: attempt.trigger,
  outcome: attempt.outcome,
  status_code: attempt.statusCode,
  error: attempt.error,
  duration_ms: attempt.durationMs,
  response_body: attempt.response,
})

export const Status = named('Status', z.enum(['filtered', 'queued', 'delivering', 'delivered', 'failed', 'cancelled']))

export const Delivery = named(
  'Delivery',
  z.object({
    subscription_id: z.string(),
    target_url: z.string().nullable().describe('Null once the subscription is deleted'),
    status: Status,
    attempts: count,
    next_attempt_at: Instant.nullable(),
    last_attempt_at: Instant.nullable(),
    held: z.literal('not configured').optional().describe('It waits until SVIX_TOKEN is set'),
  }),
)

/** `endpoint` is null once it is deleted. */
export function toDelivery(
  delivery: DeliveryInfo,
  endpoint: Pick<Candidate, 'url' | 'pausedUntil'> | null,
): z.infer<typeof Delivery> {
  const held = delivery.state === 'pending' && endpoint !== null && isHeld(endpoint)
  return {
    subscription_id: delivery.endpointId,
    target_url: endpoint?.url ?? null,
    status: deliveryStatus(delivery),
    attempts: delivery.attempts,
    next_attempt_at: held ? null : instantOrNull(delivery.nextAttemptAt),
    last_attempt_at: instantOrNull(delivery.lastAttemptAt),
    ...(held ? { held: 'not configured' as const } : {}),
  }
}

export const ListedDelivery = named(
  'ListedDelivery',
  Delivery.extend({
    message_id: z.string(),
    event_type: z.string(),
    received_at: Instant,
    subscription_id: z.string().nullable().describe('Null for a message without deliveries'),
  }),
)

export const DeliveryStatus = named(
  'MessageStatus',
  z.object({
    id: z.string(),
    event_type: z.string(),
    received_at: Instant,
    status: Status.describe('The worst of its deliveries that is still open, else the worst final one'),
    deliveries: z.array(Delivery),
    deliveries_left_out: count
      .optional()
      .describe(
        'How many more deliveries there are: the answer has no room for them, at about 16 MB. `GET /deliveries` lists every one',
      ),
    attempts: z.array(Attempt).describe('Newest first'),
  }),
)
