/** Prometheus as a sink: counts events in the metrics of the table, and asks for readings when it is scraped. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Observer } from './events.ts'
import { type Labels, type Metric, METRICS, REDIS_METRICS } from './metrics.ts'

const TABLE = { ...METRICS, ...REDIS_METRICS }
type Table = typeof TABLE

type LabelsOf<M> = M extends Metric<infer _Kind, infer L> ? L : never
/** One value for each label: one of the listed values, or one of the bounded set that the table names. */
type ValuesOf<L> = { [K in keyof L]: L[K] extends readonly (infer V)[] ? V : string | number }
type Labelled<L, Rest extends unknown[]> = keyof L extends never ? Rest : [labels: ValuesOf<L>, ...rest: Rest]

/** The side of a metric that events feed. */
type Instrument<M> =
  M extends Metric<'counter', infer L>
    ? { inc(...counted: Labelled<L, [by?: number]>): void }
    : M extends Metric<'gauge', infer L>
      ? { set(...read: Labelled<L, [value: number]>): void }
      : M extends Metric<'histogram', infer L>
        ? { observe(...measured: Labelled<L, [value: number]>): void }
        : never

/** The value of a metric when it is asked for: a number, or one for each combination of labels. Null: not known now. */
type Reading<M> = keyof LabelsOf<M> extends never
  ? number | null
  : readonly (readonly [labels: ValuesOf<LabelsOf<M>>, value: number])[]

export type Readings = {
  [K in keyof Table as Table[K] extends Metric<'histogram'> ? never : K]: () =>
    | Reading<Table[K]>
    | Promise<Reading<Table[K]>>
}

export interface Prometheus {
  readonly sink: Partial<Observer>
  readonly contentType: string
  /** All metrics in Prometheus' text format. Readings are asked for at each call. */
  text(): Promise<string>
  /** Registers readings: functions that ask the parts that keep their own counts. */
  read(readings: Partial<Readings>): void
}

export function openPrometheus({ hasRedis }: { hasRedis: boolean }): Prometheus {
  const registry = new Registry()
  const readings: Partial<Record<string, () => unknown>> = {}
  const instruments = Object.fromEntries(
    Object.entries<Metric>(hasRedis ? TABLE : METRICS).map(([key, metric]) => [
      key,
      open(metric, registry, () => readings[key]?.()),
    ]),
  ) as unknown as { [K in keyof Table]: Instrument<Table[K]> }
  collectDefaultMetrics({ register: registry })
  return {
    sink: hasRedis ? { ...sinkOf(instruments), ...redisSinkOf(instruments) } : sinkOf(instruments),
    contentType: registry.contentType,
    // Empty lines between metrics mean nothing. Without them the first ten lines tell of webhooks and requests.
    text: async () => (await registry.metrics()).replaceAll('\n\n', '\n'),
    read: (more) => void Object.assign(readings, more),
  }
}

type Instruments = { [K in keyof Table]: Instrument<Table[K]> }

const sinkOf = (metrics: Instruments): Partial<Observer> => ({
  requestServed({ route, status, latencyMs, inbox }) {
    metrics.requests.inc({ path: route, status })
    metrics.requestLatency.observe(latencyMs)
    if (inbox !== null) metrics.webhooks.inc({ result: inbox.result })
  },
  unreadable: ({ status }) => metrics.requests.inc({ path: 'unmatched', status }),
  connectionClosed: (reason) => metrics.connectionsClosed.inc({ reason }),
  accepted({ duplicate, deliveries }) {
    metrics.accepted.inc({ status: duplicate ? 'duplicate' : deliveries > 0 ? 'queued' : 'filtered' })
  },
  sourceRequest: ({ provider, result }) => metrics.sourceRequests.inc({ provider, result }),
  attempted({ delivery, attempt, number, held }) {
    metrics.attempts.inc({ outcome: attempt.outcome })
    metrics.attemptLatency.observe(attempt.durationMs)
    if (number === 1) metrics.firstAttemptLatency.observe(Math.max(0, attempt.at - delivery.receivedAt))
    if (!held) metrics.leasesLost.inc()
  },
  deferred({ kind, until, outcome: { reason } }) {
    metrics.deferrals.inc({ driver: kind, reason })
    // Here the node pauses, and not the destination.
    if (reason !== 'node_exhausted') metrics.pausedUntil.set({ driver: kind, reason }, until / 1_000)
  },
  cancelled: () => metrics.cancellations.inc(),
  endpointDisabled({ reason }) {
    if (reason !== 'owner') metrics.disabled.inc({ reason })
  },
  swept({ expired, repaired }) {
    metrics.recovered.inc({ why: 'lease_expired' }, expired)
    metrics.recovered.inc({ why: 'lane_repaired' }, repaired)
  },
  rowsRemoved: ({ table, rows }) => metrics.rowsRemoved.inc({ table }, rows),
  storeTrouble: () => metrics.storeErrors.inc(),
  committed: (size) => metrics.batchSize.observe(size),
})

const redisSinkOf = (metrics: Instruments): Partial<Observer> => ({
  redisCommand({ name, ms, failed }) {
    metrics.redisLatency.observe({ command: name }, ms)
    if (failed) metrics.redisFailures.inc({ command: name })
  },
  redisConnected: ({ is }) => metrics.redisConnected.set(is ? 1 : 0),
})

/** Registers a metric of the table. `read` gives what is known at scrape time, or undefined when events feed the metric. */
function open({ kind, name, help, labels, buckets }: Metric, registry: Registry, read: () => unknown) {
  const base = { name, help, labelNames: Object.keys(labels), registers: [registry] }
  if (kind === 'histogram') return new Histogram({ ...base, buckets: [...buckets] })
  if (kind === 'gauge')
    return new Gauge({
      ...base,
      async collect() {
        for (const [values, value] of samples(await read())) this.set(values, value)
      },
    })
  const opened = new Counter({
    ...base,
    async collect() {
      const reading = samples(await read())
      if (reading.length > 0) this.reset()
      for (const [values, value] of reading) this.inc(values, value)
    },
  })
  for (const values of combinations(labels)) opened.inc(values, 0)
  return opened
}

type Sample = readonly [labels: Record<string, string | number>, value: number]

const samples = (reading: unknown): readonly Sample[] => {
  if (typeof reading === 'number') return [[{}, reading]]
  return Array.isArray(reading) ? (reading as readonly Sample[]) : []
}

/** All combinations of listed values; none where a label's values are not listed, or where there are no labels. */
function combinations(labels: Labels): Record<string, string>[] {
  const names = Object.entries(labels)
  if (names.length === 0) return []
  let all: Record<string, string>[] = [{}]
  for (const [name, values] of names)
    all = Array.isArray(values)
      ? all.flatMap((one) => (values as readonly string[]).map((value) => ({ ...one, [name]: value })))
      : []
  return all
}
