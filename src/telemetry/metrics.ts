/**
 * Every metric in one line: name, help, labels. A label lists its values, or says which bounded set they come from; an
 * id is never a label, for each value costs memory here and in every system that reads it. A counter whose labels are all
 * listed starts with 0 for each value. docs/operations.md documents each metric; a test compares the two.
 */
import type { AttemptOutcome } from '../domain/attempt.ts'
import {
  CLOSE_REASONS,
  DEFER_REASONS,
  DISABLED_REASONS,
  INBOX_RESULTS,
  RETAINED_TABLES,
  SOURCE_RESULTS,
} from './events.ts'

/** The values that a label may have. `anyOf` names a bounded set that is known only as the gateway runs. */
export type LabelValues = readonly string[] | { readonly anyOf: string }
export type Labels = Readonly<Record<string, LabelValues>>

export interface Metric<
  Kind extends 'counter' | 'gauge' | 'histogram' = 'counter' | 'gauge' | 'histogram',
  L = Labels,
> {
  readonly kind: Kind
  readonly name: string
  readonly help: string
  readonly labels: L
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets: readonly number[]
}

const counter = <const L extends Labels = {}>(name: string, help: string, labels = {} as L): Metric<'counter', L> => ({
  kind: 'counter',
  name,
  help,
  labels,
  buckets: [],
})

const gauge = <const L extends Labels = {}>(name: string, help: string, labels = {} as L): Metric<'gauge', L> => ({
  kind: 'gauge',
  name,
  help,
  labels,
  buckets: [],
})

const histogram = <const L extends Labels = {}>(
  name: string,
  help: string,
  { buckets, labels = {} as L }: { buckets: readonly number[]; labels?: L },
): Metric<'histogram', L> => ({ kind: 'histogram', name, help, labels, buckets })

const LATENCY_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000]
const REDIS_LATENCY_MS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100]
const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]

const ATTEMPT_OUTCOMES = ['success', 'failed_attempt', 'failure'] as const satisfies readonly AttemptOutcome[]
const ACCEPTED = ['queued', 'filtered', 'duplicate'] as const
export const LOOKUP_RESULTS = [
  'found',
  'not_found',
  'no_answer',
  'server_failure',
  'bad_answer',
  'busy',
  'node_exhausted',
] as const
export type LookupResult = (typeof LOOKUP_RESULTS)[number]

const DRIVER = { anyOf: 'kinds of destinations' } as const
const COMMAND = { anyOf: 'commands to Redis that this program has' } as const

// The order of the output: `curl …/metrics | head` shows the two metrics that the contract of the inbox names.
export const METRICS = {
  webhooks: counter('webhook_requests_total', 'Requests to /webhook by their result', { result: INBOX_RESULTS }),
  requests: counter('http_requests_total', 'HTTP requests by route pattern and status', {
    path: { anyOf: 'route patterns' },
    status: { anyOf: 'HTTP status codes' },
  }),
  requestLatency: histogram('request_latency_ms', 'Time to answer a request, in milliseconds', { buckets: LATENCY_MS }),
  accepted: counter(
    'hookferry_messages_accepted_total',
    'Events answered with success: queued for delivery, filtered (no endpoint wanted them), or duplicate',
    { status: ACCEPTED },
  ),
  sourceRequests: counter('hookferry_source_requests_total', 'Requests to sources by provider and result', {
    provider: { anyOf: 'kinds of sources' },
    result: SOURCE_RESULTS,
  }),
  attempts: counter('hookferry_attempts_total', 'Delivery attempts by outcome', { outcome: ATTEMPT_OUTCOMES }),
  attemptLatency: histogram('hookferry_attempt_duration_ms', 'Duration of a delivery attempt, in milliseconds', {
    buckets: LATENCY_MS,
  }),
  firstAttemptLatency: histogram(
    'hookferry_first_attempt_latency_ms',
    'From accepting a message to the start of its first attempt, in milliseconds',
    { buckets: LATENCY_MS },
  ),
  cancellations: counter(
    'hookferry_deliveries_cancelled_total',
    'Deliveries that ended without an attempt because their endpoint was deleted or disabled',
  ),
  deferrals: counter(
    'hookferry_deferrals_total',
    'Deliveries put back because their destination as a whole could not take anything',
    { driver: DRIVER, reason: DEFER_REASONS },
  ),
  pausedUntil: gauge(
    'hookferry_destination_paused_until_seconds',
    'Until when a destination was last paused, in seconds since 1970',
    { driver: DRIVER, reason: DEFER_REASONS },
  ),
  disabled: counter('hookferry_endpoints_disabled_total', 'Endpoints that the gateway disabled', {
    reason: DISABLED_REASONS,
  }),
  leasesLost: counter('hookferry_leases_lost_total', 'Attempts that ended after their lease had been lost'),
  recovered: counter('hookferry_deliveries_recovered_total', 'Deliveries made due again by the sweeper', {
    why: ['lease_expired', 'lane_repaired'],
  }),
  rowsRemoved: counter('hookferry_rows_removed_total', 'Rows whose retention was over and that were removed', {
    table: RETAINED_TABLES,
  }),
  batchSize: histogram('hookferry_commit_batch_size', 'Writes that shared a transaction', { buckets: BATCH_SIZES }),
  storeErrors: counter('hookferry_store_errors_total', 'Requests to the store that the store could not carry out'),
  connectionsClosed: counter(
    'hookferry_connections_closed_total',
    'Inbound connections that the gateway cut off or did not take, by reason',
    { reason: CLOSE_REASONS },
  ),
  connections: gauge('hookferry_connections', 'Inbound connections that are open'),
  bodyBytes: gauge(
    'hookferry_body_bytes_in_progress',
    'Bytes of memory that hold request bodies which are not complete yet',
  ),
  cacheLookups: counter(
    'hookferry_cache_lookups_total',
    'Lookups of endpoints by where they were looked up (memory, redis) and by result (hit, miss)',
    { level: ['memory', 'redis'], result: ['hit', 'miss'] },
  ),
  lookupsInFlight: gauge('hookferry_dns_lookups_in_flight', 'Host names of targets that are being looked up in DNS'),
  lookups: counter(
    'hookferry_dns_lookups_total',
    'Host names of targets looked up in DNS, by how that ended; busy: too many at once',
    { result: LOOKUP_RESULTS },
  ),
  attemptsInFlight: gauge('hookferry_attempts_in_flight', 'Delivery attempts under way on this node'),
  deliveriesInMemory: gauge('hookferry_deliveries_in_memory', 'Deliveries leased to this node, waiting and under way'),
  writesWaiting: gauge(
    'hookferry_store_writes_waiting',
    'Writes of this node that wait for the store or are on their way',
  ),
  writeBytesWaiting: gauge(
    'hookferry_store_write_bytes_waiting',
    'Bytes of messages that wait to be stored or are on their way',
  ),
  oldestDueAge: gauge(
    'hookferry_oldest_due_age_seconds',
    'How long the oldest delivery that is due has been waiting in the store; 0 when none is',
  ),
  pending: gauge('hookferry_deliveries_pending', 'Deliveries that wait in the store, due or scheduled'),
  svixUnconfigured: gauge('hookferry_svix_unconfigured_deliveries', 'Deliveries that wait until SVIX_TOKEN is set'),
} as const

/** Shown only by a node that was given a `REDIS_URL`. */
export const REDIS_METRICS = {
  redisLatency: histogram(
    'hookferry_redis_command_duration_ms',
    'Time until Redis answered a command or was given up, in milliseconds',
    { buckets: REDIS_LATENCY_MS, labels: { command: COMMAND } },
  ),
  redisFailures: counter(
    'hookferry_redis_command_failures_total',
    'Commands that Redis did not answer in time, or refused',
    { command: COMMAND },
  ),
  redisConnected: gauge('hookferry_redis_connected', '1 while there is a connection to Redis'),
} as const
