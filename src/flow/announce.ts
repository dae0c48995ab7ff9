/** Builds the gateway's own events, as messages that are stored together with their cause. */
import type { ApplicationCache } from '../cache/application-cache.ts'
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { OrgId } from '../domain/ids.ts'
import type { Ids } from '../domain/ids.ts'
import { MANAGEMENT_ORG, type OperationalEvent } from '../domain/operational.ts'
import type { Acceptance } from '../store/port/accept.ts'
import { route } from './route.ts'

export interface AnnounceContext {
  cache: EndpointCache
  applications: ApplicationCache
  ids: Ids
  messageRetentionMs: number
}

/**
 * The messages that tell an organization of `events`; none when the organization does not listen, or is the management
 * itself. `hops` is that of the message that caused the events: these messages may be delivered to the gateway as well.
 */
export async function announcements(
  context: AnnounceContext,
  orgId: OrgId,
  events: readonly OperationalEvent[],
  { now, hops = 0 }: { now: number; hops?: number },
): Promise<Acceptance[]> {
  if (events.length === 0 || orgId === MANAGEMENT_ORG) return []
  const application = await context.applications.find(MANAGEMENT_ORG, orgId)
  if (application === null) return []
  const endpoints = await context.cache.ofApplication(application.id)
  return events.map((event) => ({
    message: {
      appId: application.id,
      id: context.ids.next('msg', now),
      eventId: null,
      eventType: event.type,
      channels: null,
      audience: 'all' as const,
      tags: null,
      contentType: 'application/json',
      receivedAt: now,
      deliverAt: null,
      expiresAt: now + context.messageRetentionMs,
      payload: Buffer.from(JSON.stringify(event)),
      shownPayload: null,
      hops,
    },
    deliveries: route(endpoints, { eventType: event.type, channels: null, audience: 'all' }).map((endpoint) => ({
      endpointId: endpoint.id,
      lease: null,
      dueAt: Math.max(now, endpoint.pausedUntil ?? 0),
    })),
    idempotency: null,
    answer: null,
  }))
}
