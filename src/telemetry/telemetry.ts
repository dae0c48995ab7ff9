import type { Logger } from '../lib/log.ts'
import { Repeats } from '../lib/repeats.ts'
import type { Observer } from './events.ts'
import { fanOut } from './fan-out.ts'
import { createLogSink } from './log.ts'
import { openPrometheus, type Prometheus } from './prometheus.ts'

export interface Telemetry {
  observer: Observer
  metrics: Omit<Prometheus, 'sink'>
}

export interface TelemetryOptions {
  log: Logger
  /** Without Redis, its metrics are not shown. */
  hasRedis: boolean
  /** Monotonic, ms. */
  now?: () => number
}

/** Least time between two log lines about the same event of a sink that fails. */
const FAILURE_EVERY_MS = 10_000

/** The sinks of this program. Another system that wants the same events is another sink in this list. */
export function openTelemetry({ log, hasRedis, now = () => performance.now() }: TelemetryOptions): Telemetry {
  const metrics = openPrometheus({ hasRedis })
  const failures = new Repeats({ everyMs: FAILURE_EVERY_MS, now })
  const observer = fanOut([createLogSink(log, now), metrics.sink], (event, error) => {
    const unsaid = failures.happened(event)
    if (unsaid !== null) log.error({ event, error: String(error), unsaid }, 'an event could not be told')
  })
  return { observer, metrics }
}
