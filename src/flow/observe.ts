/**
 * What happened, told once to every sink: the log and the metrics. Ids go into log lines and never into labels; secrets,
 * signatures and payloads go nowhere. Nothing here throws.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { AttemptOutcome } from '../domain/attempt.ts'
import type { Outcome } from '../domain/delivery.ts'
import type { DisabledReason, Endpoint } from '../domain/endpoint.ts'
import type { Logger } from '../lib/log.ts'
import { Repeats } from '../lib/repeats.ts'
import type { LeasedDelivery, SettledAttempt } from '../store/store.ts'
import { createLackLog } from './observe-outbound.ts'

/** What is told of a request to `/webhook`: refused ones are never duplicates. */
export interface InboxLine {
  message_id?: string
  dup: boolean
  result: (typeof INBOX_RESULTS)[number]
}

const INBOX_RESULTS = ['created', 'duplicate', 'invalid_signature', 'validation_error', 'error'] as const

export interface Observer {
  /** `path` is the URL's path for the log, `route` the pattern for the label. */
  requestServed(served: {
    requestId: string
    method: string
    path: string
    route: string
    status: number
    latencyMs: number
    /** Of a request to `/webhook`. */
    inbox: InboxLine | null
  }): void
  /** What came was no request, or was not there in time. */
  unreadable(refused: { requestId: string; status: number }): void
  accepted(what: { duplicate: boolean; deliveries: number }): void
  attempted(what: { delivery: LeasedDelivery; attempt: SettledAttempt; number: number; held: boolean }): void
  deferred(what: {
    delivery: LeasedDelivery
    driver: string
    until: number
    outcome: Extract<Outcome, { kind: 'deferred' }>
  }): void
  cancelled(what: { delivery: LeasedDelivery }): void
  endpointDisabled(what: { endpoint: Endpoint; reason: DisabledReason }): void
  /** The clock was put back, and what it had written while it was ahead is put right. */
  clockPutBack(what: { backMs: number; moved: number }): void
  swept(what: { expired: number; repaired: number }): void
  /** Of the same thing, repeats are counted, and said only now and then. */
  storeTrouble(what: { doing: string; error: unknown }): void
  /** It has just committed: troubles that are over are said to be. */
  storeWorks(): void
  committed(batchSize: number): void
  serviceFailed(what: { service: string; error: unknown }): void
  unexpected(what: { requestId: string; error: unknown }): void
}

/** Nothing went wrong: somebody asked for what is not there. */
const NOT_IMPLEMENTED = 501

const LATENCY_BUCKETS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000]

/** Between two log lines about the same trouble. */
const TROUBLE_EVERY_MS = 10_000

/** `now` is monotonic, ms. */
export function createObserver(log: Logger, registry: Registry, now: () => number = () => performance.now()): Observer {
  const registers = [registry]
  const troubles = new Repeats({ everyMs: TROUBLE_EVERY_MS, now })
  const storeWorks = () => {
    if (troubles.isEmpty) return
    for (const { name, count, forMs } of troubles.over())
      log.warn({ doing: name, count, for_ms: Math.round(forMs) }, 'the store works again')
  }
  // They are shown in this order, so that `curl …/metrics | head` shows the two that seed 2 looks for.
  const webhooks = new Counter({
    name: 'webhook_requests_total',
    help: 'Requests to /webhook by what became of them',
    labelNames: ['result'] as const,
    registers,
  })
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'HTTP requests by route pattern and status',
    labelNames: ['path', 'status'] as const,
    registers,
  })
  const requestLatency = new Histogram({
    name: 'request_latency_ms',
    help: 'Time to answer a request, in milliseconds',
    buckets: LATENCY_BUCKETS_MS,
    registers,
  })
  const accepted = new Counter({
    name: 'hookferry_messages_accepted_total',
    help: 'Events answered with success: queued for delivery, filtered (no endpoint wanted them), or duplicate',
    labelNames: ['status'] as const,
    registers,
  })
  const attempts = new Counter({
    name: 'hookferry_attempts_total',
    help: 'Delivery attempts by outcome',
    labelNames: ['outcome'] as const,
    registers,
  })
  const attemptLatency = new Histogram({
    name: 'hookferry_attempt_duration_ms',
    help: 'Duration of a delivery attempt, in milliseconds',
    buckets: LATENCY_BUCKETS_MS,
    registers,
  })
  const firstAttemptLatency = new Histogram({
    name: 'hookferry_first_attempt_latency_ms',
    help: 'From accepting a message to the start of its first attempt, in milliseconds',
    buckets: LATENCY_BUCKETS_MS,
    registers,
  })
  const cancellations = new Counter({
    name: 'hookferry_deliveries_cancelled_total',
    help: 'Deliveries that ended without an attempt because their endpoint was deleted or disabled',
    registers,
  })
  const deferrals = new Counter({
    name: 'hookferry_deferrals_total',
    help: 'Deliveries put back because their destination as a whole could not take anything',
    labelNames: ['driver', 'reason'] as const,
    registers,
  })
  const pausedUntil = new Gauge({
    name: 'hookferry_destination_paused_until_seconds',
    help: 'Until when a destination was last paused, in seconds since 1970',
    labelNames: ['driver', 'reason'] as const,
    registers,
  })
  const disabled = new Counter({
    name: 'hookferry_endpoints_disabled_total',
    help: 'Endpoints that the gateway disabled',
    labelNames: ['reason'] as const,
    registers,
  })
  const lateWriters = new Counter({
    name: 'hookferry_leases_lost_total',
    help: 'Attempts that ended after their lease had been lost',
    registers,
  })
  const recovered = new Counter({
    name: 'hookferry_deliveries_recovered_total',
    help: 'Deliveries made due again by the sweeper',
    labelNames: ['why'] as const,
    registers,
  })
  const batchSize = new Histogram({
    name: 'hookferry_commit_batch_size',
    help: 'Writes that shared a transaction',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    registers,
  })
  const storeErrors = new Counter({
    name: 'hookferry_store_errors_total',
    help: 'Times that the store could not do what it was asked',
    registers,
  })
  const lacked = createLackLog(log)
  for (const outcome of ['success', 'failed_attempt', 'failure'] satisfies AttemptOutcome[])
    attempts.inc({ outcome }, 0)
  for (const result of INBOX_RESULTS) webhooks.inc({ result }, 0)
  for (const status of ['queued', 'filtered', 'duplicate']) accepted.inc({ status }, 0)

  return {
    requestServed({ requestId, method, path, route, status, latencyMs, inbox }) {
      requests.inc({ path: route, status })
      requestLatency.observe(latencyMs)
      if (inbox !== null) webhooks.inc({ result: inbox.result })
      const line = {
        request_id: requestId,
        method,
        path,
        status,
        latency_ms: Math.round(latencyMs * 1_000) / 1_000,
        ...inbox,
      }
      if (status === NOT_IMPLEMENTED) log.warn(line, 'request')
      else if (status >= 500 || inbox?.result === 'invalid_signature') log.error(line, 'request')
      else log.info(line, 'request')
    },
    unreadable({ requestId, status }) {
      requests.inc({ path: 'unmatched', status })
      log.info({ request_id: requestId, method: '-', path: '-', status, latency_ms: 0 }, 'request')
    },
    accepted({ duplicate, deliveries }) {
      storeWorks()
      accepted.inc({ status: duplicate ? 'duplicate' : deliveries > 0 ? 'queued' : 'filtered' })
    },
    attempted({ delivery, attempt, number, held }) {
      storeWorks()
      attempts.inc({ outcome: attempt.outcome })
      attemptLatency.observe(attempt.durationMs)
      if (number === 1) firstAttemptLatency.observe(Math.max(0, attempt.at - delivery.receivedAt))
      if (!held) lateWriters.inc()
      const line = {
        webhook_id: delivery.msgId,
        subscription_id: delivery.endpointId,
        target_url: withoutQuery(attempt.url),
        attempt: number,
        trigger: attempt.trigger,
        outcome: attempt.outcome,
        status_code: attempt.statusCode,
        error: attempt.error,
        duration_ms: attempt.durationMs,
      }
      if (attempt.outcome === 'success') log.info(line, 'attempt')
      else log.warn(line, 'attempt')
    },
    deferred({ delivery, driver, until, outcome }) {
      const { reason, error } = outcome
      deferrals.inc({ driver, reason })
      if (reason === 'node_exhausted') return lacked({ driver, until, error })
      pausedUntil.set({ driver, reason }, until / 1_000)
      const line = {
        webhook_id: delivery.msgId,
        destination: driver,
        reason,
        error,
        until: new Date(until).toISOString(),
      }
      // A rate limit passes by itself; wrong credentials stop everything until somebody acts.
      if (reason === 'rate_limited') log.warn(line, 'destination paused')
      else log.error(line, 'destination paused')
    },
    cancelled({ delivery }) {
      cancellations.inc()
      log.info({ webhook_id: delivery.msgId, subscription_id: delivery.endpointId }, 'delivery cancelled')
    },
    endpointDisabled({ endpoint, reason }) {
      disabled.inc({ reason })
      log.error(
        { subscription_id: endpoint.id, target_url: withoutQuery(endpoint.url), reason },
        'subscription disabled',
      )
    },
    clockPutBack({ backMs, moved }) {
      log.warn(
        { back_ms: backMs, moved },
        'the clock was put back; deliveries and pauses of a time ahead are put right',
      )
    },
    swept({ expired, repaired }) {
      recovered.inc({ why: 'lease_expired' }, expired)
      recovered.inc({ why: 'lane_repaired' }, repaired)
      if (expired > 0) log.warn({ expired }, 'deliveries whose lease had expired are due again')
      if (repaired > 0) log.error({ repaired }, 'deliveries that nothing would have woken are due again')
    },
    storeTrouble({ doing, error }) {
      storeErrors.inc()
      const unsaid = troubles.happened(doing)
      if (unsaid === null) return
      log.error({ doing, error: wordsOf(error), ...(unsaid > 0 && { unsaid }) }, 'the store is in trouble')
    },
    storeWorks,
    committed(size) {
      batchSize.observe(size)
    },
    serviceFailed({ service, error }) {
      log.error({ service, error: wordsOf(error) }, 'a background service failed and is started again')
    },
    unexpected({ requestId, error }) {
      log.error(
        { request_id: requestId, error: wordsOf(error), stack: error instanceof Error ? error.stack : undefined },
        'unexpected error',
      )
    },
  }
}

/** Gauges are asked for at scrape time: from the dispatcher at once, from the store with a query that costs little. */
export function observeGauges(
  registry: Registry,
  ask: {
    inFlight: () => number
    inMemory: () => number
    backlog: () => Promise<{ pending: number; oldestDueAt: number | null } | null>
    held: () => Promise<number | null>
    waiting: () => { writes: number; bytes: number }
    now: () => number
  },
): void {
  const registers = [registry]
  const gauge = (name: string, help: string, collect: (set: (value: number) => void) => void | Promise<void>) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        return collect((value) => this.set(value))
      },
    })
  gauge('hookferry_attempts_in_flight', 'Delivery attempts under way on this node', (set) => set(ask.inFlight()))
  gauge('hookferry_deliveries_in_memory', 'Deliveries leased to this node, waiting and under way', (set) =>
    set(ask.inMemory()),
  )
  gauge('hookferry_store_writes_waiting', 'Writes of this node that wait for the store or are on their way', (set) =>
    set(ask.waiting().writes),
  )
  gauge('hookferry_store_write_bytes_waiting', 'Bytes of messages that wait to be stored or are on their way', (set) =>
    set(ask.waiting().bytes),
  )
  const oldest = new Gauge({
    name: 'hookferry_oldest_due_age_seconds',
    help: 'How long the oldest delivery that is due has been waiting in the store; 0 when none is',
    registers,
  })
  gauge('hookferry_deliveries_pending', 'Deliveries that wait in the store, due or scheduled', async (set) => {
    const backlog = await ask.backlog()
    if (backlog === null) return
    set(backlog.pending)
    oldest.set(backlog.oldestDueAt === null ? 0 : Math.max(0, (ask.now() - backlog.oldestDueAt) / 1_000))
  })
  gauge('hookferry_svix_unconfigured_deliveries', 'Deliveries that wait until SVIX_TOKEN is set', async (set) => {
    const held = await ask.held()
    if (held !== null) set(held)
  })
}

/** Query strings of targets often hold tokens; the log is no place for them. */
const withoutQuery = (url: string): string => (url.includes('?') ? url.slice(0, url.indexOf('?')) : url)

/** The message, with the cause that the catalogue's words hide. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
