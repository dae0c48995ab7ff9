/** The log as a sink: it says which events are a line, at which level, and how often repeats are logged. */
import type { Logger } from '../lib/log.ts'
import { Repeats } from '../lib/repeats.ts'
import type { CloseReason, Observer, RetainedTable } from './events.ts'

/** Nothing went wrong: the caller asked for an operation that does not exist. */
const NOT_IMPLEMENTED = 501

/** Least time between two log lines about the same trouble. */
const REPEATED_EVERY_MS = 10_000

/** Between two log lines about what retention removed. */
const REMOVED_EVERY_MS = 60_000

/** `now` is monotonic, ms. */
export function createLogSink(log: Logger, now: () => number = () => performance.now()): Partial<Observer> {
  const store = storeLines(log, now)
  return {
    ...requestLines(log),
    ...deliveryLines(log, store.storeWorks),
    ...store,
    ...retentionLine(log, now),
    ...nodeLines(log),
  }
}

const requestLines = (log: Logger): Partial<Observer> => ({
  requestServed({ requestId, method, path, status, latencyMs, inbox }) {
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
  sourceRequest({ sourceId, name, provider, result, detail }) {
    if (detail !== null) log.warn({ source_id: sourceId, source: name, provider, result, detail }, 'source refused')
  },
  unreadable({ requestId, status }) {
    log.info({ request_id: requestId, method: '-', path: '-', status, latency_ms: 0 }, 'request')
  },
  unexpected({ requestId, error }) {
    log.error(
      { request_id: requestId, error: wordsOf(error), stack: error instanceof Error ? error.stack : undefined },
      'unexpected error',
    )
  },
  ...closedLines(log),
})

/** One line for all connections that were closed since the last sweep, however many they were. */
function closedLines(log: Logger): Partial<Observer> {
  let unsaid: Partial<Record<CloseReason, number>> | null = null
  return {
    connectionClosed(reason) {
      unsaid ??= {}
      unsaid[reason] = (unsaid[reason] ?? 0) + 1
    },
    connectionsSwept() {
      if (unsaid === null) return
      log.warn(unsaid, 'connections closed')
      unsaid = null
    },
  }
}

function deliveryLines(log: Logger, storeWorks: () => void): Partial<Observer> {
  const lacked = lackLine(log)
  return {
    accepted: storeWorks,
    attempted({ delivery, attempt, number }) {
      storeWorks()
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
    deferred({ delivery, kind, until, outcome: { reason, error } }) {
      if (reason === 'node_exhausted') return lacked({ kind, until, error })
      const line = {
        webhook_id: delivery.msgId,
        destination: kind,
        reason,
        error,
        until: new Date(until).toISOString(),
      }
      // A rate limit passes by itself; wrong credentials stop everything until the operator acts.
      if (reason === 'rate_limited') log.warn(line, 'destination paused')
      else log.error(line, 'destination paused')
    },
    cancelled({ delivery }) {
      log.info({ webhook_id: delivery.msgId, subscription_id: delivery.endpointId }, 'delivery cancelled')
    },
    endpointDisabled({ endpoint, reason }) {
      log.error(
        { subscription_id: endpoint.id, target_url: withoutQuery(endpoint.url), reason },
        'subscription disabled',
      )
    },
    targetBlocked({ host, why }) {
      log.warn({ host, why }, 'a target was blocked')
    },
  }
}

/**
 * A node that lacks a resource lacks it for every attempt: one line in a while counts the attempts since the last one.
 */
function lackLine(log: Logger): (lacked: { kind: string; until: number; error: string }) => void {
  let loggedAt = -Infinity
  let attempts = 0
  return ({ kind, until, error }) => {
    attempts++
    if (until >= loggedAt && until - loggedAt < REPEATED_EVERY_MS) return
    log.error({ destination: kind, error, attempts }, 'this node lacks the means for attempts, which are put off')
    loggedAt = until
    attempts = 0
  }
}

function storeLines(log: Logger, now: () => number): Partial<Observer> & Pick<Observer, 'storeWorks'> {
  const troubles = new Repeats({ everyMs: REPEATED_EVERY_MS, now })
  const storeWorks = () => {
    if (troubles.isEmpty) return
    for (const { name, count, forMs } of troubles.over())
      log.warn({ doing: name, count, for_ms: Math.round(forMs) }, 'the store works again')
  }
  return {
    storeWorks,
    storeTrouble({ doing, error }) {
      const unsaid = troubles.happened(doing)
      if (unsaid === null) return
      log.error({ doing, error: wordsOf(error), ...(unsaid > 0 && { unsaid }) }, 'the store is in trouble')
    },
    swept({ expired, repaired }) {
      if (expired > 0) log.warn({ expired }, 'deliveries whose lease had expired are due again')
      if (repaired > 0) log.error({ repaired }, 'deliveries that nothing would have woken are due again')
    },
  }
}

/** One line a minute at most, with all that was removed since the last one. */
function retentionLine(log: Logger, now: () => number): Partial<Observer> {
  let unsaid: Partial<Record<RetainedTable, number>> | null = null
  let saidAt = -Infinity
  return {
    rowsRemoved({ table, rows }) {
      unsaid ??= {}
      unsaid[table] = (unsaid[table] ?? 0) + rows
    },
    retentionSwept() {
      if (unsaid === null || now() - saidAt < REMOVED_EVERY_MS) return
      log.info(unsaid, 'retention removed rows')
      saidAt = now()
      unsaid = null
    },
  }
}

const nodeLines = (log: Logger): Partial<Observer> => ({
  clockPutBack({ backMs, moved }) {
    log.warn({ back_ms: backMs, moved }, 'the clock was put back; deliveries and pauses of a time ahead are put right')
  },
  redisConnected({ is, error }) {
    if (is) log.info('Redis is connected')
    else log.warn({ error }, 'Redis is away: endpoints are read from the store, and rate limits hold for each node')
  },
  serviceFailed({ service, error }) {
    log.error({ service, error: wordsOf(error) }, 'a background service failed and is started again')
  },
})

/** Query strings of targets often hold tokens; the log is no place for them. */
const withoutQuery = (url: string): string => (url.includes('?') ? url.slice(0, url.indexOf('?')) : url)

/** The message, with the cause that the catalogue's words hide. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message
}
