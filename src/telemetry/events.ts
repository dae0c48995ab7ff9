/**
 * The events of the product. Each is reported by one function, to every sink. An event may carry ids; a sink writes ids
 * into log lines and never into labels. Secrets, signatures and payloads are no part of any event that a sink shows.
 */
import type { DeferReason, Outcome } from '../domain/delivery.ts'
import type { DisabledReason, Endpoint } from '../domain/endpoint.ts'
import type { SourceId } from '../domain/ids.ts'
import type { LeasedDelivery, SettledAttempt } from '../store/port/queue.ts'

export const INBOX_RESULTS = ['created', 'duplicate', 'invalid_signature', 'validation_error', 'error'] as const

/** The result of a request to `/webhook`. A refused one is never a duplicate. */
export interface InboxLine {
  message_id?: string
  dup: boolean
  result: (typeof INBOX_RESULTS)[number]
}

/** The result of a request to a source: the step that refused it, or its success. */
export const SOURCE_RESULTS = [
  'created',
  'duplicate',
  'challenge',
  'method_not_allowed',
  'content_type_not_allowed',
  'header_missing',
  'header_repeated',
  'header_malformed',
  'timestamp_missing',
  'timestamp_malformed',
  'timestamp_too_old',
  'timestamp_in_future',
  'signature_mismatch',
  'body_unparsable',
  'secret_unusable',
  'error',
] as const
export type SourceResult = (typeof SOURCE_RESULTS)[number]

/** The reasons for which the gateway closes a connection, or does not take it. */
export const CLOSE_REASONS = [
  'too_many',
  'pipelined',
  'unread',
  'slow_headers',
  'slow_body',
  'unreadable',
  'too_many_bodies',
] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]

/** The reasons for which the gateway itself disables an endpoint. */
export const DISABLED_REASONS = ['gone', 'failing'] as const satisfies readonly DisabledReason[]

export const DEFER_REASONS = [
  'rate_limited',
  'credentials',
  'not_configured',
  'node_exhausted',
] as const satisfies readonly DeferReason[]

/**
 * The kinds of data that retention removes: attempts, the payloads of messages (their rows stay), and the first answers
 * to repeated requests.
 */
export const RETAINED_TABLES = ['attempt', 'payload', 'idempotency'] as const
export type RetainedTable = (typeof RETAINED_TABLES)[number]

/** Each event has one argument at most. No method throws or waits. */
export interface Observer {
  /**
   * `path` is the URL's path for the log, `route` the pattern for the label. `inbox` is set for a request to
   * `/webhook`.
   */
  requestServed(served: {
    requestId: string
    method: string
    path: string
    route: string
    status: number
    latencyMs: number
    inbox: InboxLine | null
  }): void
  /** The bytes were not a request, or did not arrive in time. */
  unreadable(refused: { requestId: string; status: number }): void
  connectionClosed(reason: CloseReason): void
  /** All connections were looked over; this happens every few seconds. */
  connectionsSwept(): void
  accepted(what: { duplicate: boolean; deliveries: number }): void
  /** `detail` tells the source's owner why the request was refused, and never holds a signature. */
  sourceRequest(what: {
    sourceId: SourceId
    name: string
    provider: string
    result: SourceResult
    detail: string | null
  }): void
  attempted(what: { delivery: LeasedDelivery; attempt: SettledAttempt; number: number; held: boolean }): void
  deferred(what: {
    delivery: LeasedDelivery
    kind: string
    until: number
    outcome: Extract<Outcome, { kind: 'deferred' }>
  }): void
  cancelled(what: { delivery: LeasedDelivery }): void
  endpointDisabled(what: { endpoint: Endpoint; reason: DisabledReason }): void
  /** A target leads to an address that is not allowed. The address is for the operator, never for the target's owner. */
  targetBlocked(what: { host: string; why: string }): void
  /** The clock was put back, and the times that it wrote while it was ahead are put right. */
  clockPutBack(what: { backMs: number; moved: number }): void
  swept(what: { expired: number; repaired: number }): void
  /** A step of retention removed something. */
  rowsRemoved(what: { table: RetainedTable; rows: number }): void
  /** Retention has looked at everything; this happens every few seconds. */
  retentionSwept(): void
  /** Repeats of one trouble are counted, and logged only now and then. */
  storeTrouble(what: { doing: string; error: unknown }): void
  /** The store has just committed: troubles that are over are reported as over. */
  storeWorks(): void
  committed(batchSize: number): void
  /** A command that was sent to Redis, with the time until its answer. */
  redisCommand(done: { name: string; ms: number; failed: boolean }): void
  /** The connection for commands is there, or gone; `error` is the last one that the client reported. */
  redisConnected(what: { is: boolean; error: string | null }): void
  serviceFailed(what: { service: string; error: unknown }): void
  unexpected(what: { requestId: string; error: unknown }): void
}
