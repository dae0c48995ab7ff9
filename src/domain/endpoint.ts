import { matchesEventType } from './event-filter.ts'
import type { AppId, EndpointId } from './ids.ts'

/** A secret of an endpoint or a source. The current one never expires; replaced ones also sign until `expiresAt`. */
export interface EndpointSecret {
  secret: string
  expiresAt: number | null
}

/** The reason why an endpoint is disabled: by its owner, by a 410 Gone, or after failing for too long. */
export type DisabledReason = 'owner' | 'gone' | 'failing'

/**
 * A target of deliveries and the events that it wants. The plain routes call it a subscription. Times are milliseconds
 * since the epoch.
 */
export interface Endpoint {
  appId: AppId
  id: EndpointId
  uid: string | null
  /** The kind of destination, which defines how messages are handed over. */
  kind: string
  /**
   * The gateway's own, made from its configuration: no API shows or changes it, nothing is routed to it, it is never
   * disabled.
   */
  managed: boolean
  url: string
  description: string
  disabled: boolean
  disabledReason: DisabledReason | null
  /** Event types that the endpoint wants, `user.*` allowed; null is all. */
  eventTypes: string[] | null
  /** Channels that the endpoint listens to; null is all messages. */
  channels: string[] | null
  headers: Record<string, string>
  metadata: Record<string, string>
  /** Newest first; empty means that nothing is signed and nothing is verified. */
  secrets: EndpointSecret[]
  /** Attempts started per second; null is unlimited. */
  rateLimit: number | null
  /** Time-out of one attempt, ms; null is the gateway's `DELIVERY_TIMEOUT`. */
  timeoutMs: number | null
  /** Waits after a failure, in milliseconds; null is the gateway's `RETRY_SCHEDULE`. */
  retryScheduleMs: number[] | null
  version: number
  /** See `endpoint-health.ts`. */
  failingSince: number | null
  givenUpSince: number | null
  /** No attempt before this time, because the receiver asked for it with `Retry-After`. */
  pausedUntil: number | null
  createdAt: number
  updatedAt: number
}

/** Deliveries by HTTP, which is what endpoints are for unless they say otherwise. */
const DEFAULT_KIND = 'http'

/** An endpoint with default settings: only its address is known. */
export const blankEndpoint = ({ appId, id, now }: { appId: AppId; id: EndpointId; now: number }): Endpoint => ({
  appId,
  id,
  uid: null,
  kind: DEFAULT_KIND,
  managed: false,
  url: '',
  description: '',
  disabled: false,
  disabledReason: null,
  eventTypes: null,
  channels: null,
  headers: {},
  metadata: {},
  secrets: [],
  rateLimit: null,
  timeoutMs: null,
  retryScheduleMs: null,
  version: 1,
  failingSince: null,
  givenUpSince: null,
  pausedUntil: null,
  createdAt: now,
  updatedAt: now,
})

/**
 * `pausedUntil` of an endpoint that is held until it is configured, ms since the epoch: later than any clock, and later
 * than any pause that a receiver can ask for.
 */
export const HELD_UNTIL = Date.UTC(9999, 0, 1)

/** True when the endpoint is held. Its waiting deliveries are not due, however long they have been waiting. */
export const isHeld = ({ pausedUntil }: Pick<Endpoint, 'pausedUntil'>): boolean => (pausedUntil ?? 0) >= HELD_UNTIL

const HELD_PAUSE_MS = 60_000

/**
 * The due time of deliveries of a paused endpoint that were in memory. A held delivery sleeps with its lane, and has to
 * be due once the endpoint is no longer held.
 */
export const pauseEnd = (endpoint: Pick<Endpoint, 'pausedUntil'>, now: number): number =>
  isHeld(endpoint) ? now + HELD_PAUSE_MS : Math.max(now, endpoint.pausedUntil ?? 0)

/** An endpoint as routing and the dispatcher see it: without its secrets. */
export type Candidate = Omit<Endpoint, 'headers' | 'secrets'>

/** The endpoint that stands for the Svix destination. The configuration makes it, not the API. */
export const SVIX_ENDPOINT = 'ep_00000000000000000000000svix' satisfies EndpointId

/** The secrets that sign and verify at `now`, newest first. */
export function activeSecrets(owner: Pick<Endpoint, 'secrets'>, now: number): string[] {
  const active: string[] = []
  for (const { secret, expiresAt } of owner.secrets) if (expiresAt === null || expiresAt > now) active.push(secret)
  return active
}

const OLD_SECRETS_MAX = 10

/**
 * The secrets after a rotation: the new one, and the old ones for as long as they still sign. Null when there are too
 * many.
 */
export function rotateSecrets(
  secrets: readonly EndpointSecret[],
  { secret, graceMs, now }: { secret: string; graceMs: number; now: number },
): EndpointSecret[] | null {
  const old = secrets
    .map((one) => ({ ...one, expiresAt: one.expiresAt ?? now + graceMs }))
    .filter((one) => one.expiresAt > now && one.secret !== secret)
  return old.length > OLD_SECRETS_MAX ? null : [{ secret, expiresAt: null }, ...old]
}

/**
 * The way in which an event came in. `named` events are a private text or meant for Svix. They go only to endpoints
 * that name their types, also by a pattern, and not to endpoints that take everything because they name none.
 */
export type Audience = 'all' | 'named'

/**
 * True when an endpoint wants an event. The endpoint has to be enabled and to want the type, to name the type if the
 * audience asks for that, and to share a channel if it names some. Routing and replaying both use this rule.
 */
export function wants(
  endpoint: Pick<Endpoint, 'disabled' | 'eventTypes' | 'channels'>,
  event: { eventType: string; channels: readonly string[] | null; audience: Audience },
): boolean {
  if (endpoint.disabled || !matchesEventType(endpoint.eventTypes, event.eventType)) return false
  if (event.audience === 'named' && !namesTypes(endpoint)) return false
  return (
    endpoint.channels === null || (event.channels?.some((channel) => endpoint.channels?.includes(channel)) ?? false)
  )
}

const namesTypes = ({ eventTypes }: Pick<Endpoint, 'eventTypes'>): boolean =>
  eventTypes !== null && eventTypes.length > 0
