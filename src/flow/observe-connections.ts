/** What there is to tell of inbound connections, for the metrics and the log. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { Logger } from '../lib/log.ts'

/** Why the gateway closed a connection, or did not take it. */
const CLOSE_REASONS = [
  'too_many',
  'pipelined',
  'unread',
  'slow_headers',
  'slow_body',
  'unreadable',
  'too_many_bodies',
] as const
export type CloseReason = (typeof CLOSE_REASONS)[number]

export interface ConnectionObserver {
  closed(reason: CloseReason): void
  /** Says what was closed since the last time: one line, however many they were. */
  report(): void
}

export function createConnectionObserver(log: Logger, registry: Registry): ConnectionObserver {
  const closed = new Counter({
    name: 'hookferry_connections_closed_total',
    help: 'Inbound connections that the gateway cut off or did not take, by reason',
    labelNames: ['reason'] as const,
    registers: [registry],
  })
  for (const reason of CLOSE_REASONS) closed.inc({ reason }, 0)
  let untold: Partial<Record<CloseReason, number>> | null = null
  return {
    closed(reason) {
      closed.inc({ reason })
      untold ??= {}
      untold[reason] = (untold[reason] ?? 0) + 1
    },
    report() {
      if (untold === null) return
      log.warn(untold, 'connections closed')
      untold = null
    },
  }
}

/** They are asked for at scrape time. */
export function observeConnections(
  registry: Registry,
  ask: { connections: () => number; bodyBytes: () => number },
): void {
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value())
      },
    })
  gauge('hookferry_connections', 'Inbound connections that are open', ask.connections)
  gauge(
    'hookferry_body_bytes_in_progress',
    'Bytes of memory that hold request bodies which are not complete yet',
    ask.bodyBytes,
  )
}
