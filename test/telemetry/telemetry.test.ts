import { expect, test } from 'vitest'
import { GatewayError } from '../../src/domain/errors.ts'
import { createLog } from '../../src/lib/log.ts'
import type { LeasedDelivery, SettledAttempt } from '../../src/store/port/queue.ts'
import type { Observer } from '../../src/telemetry/events.ts'
import { fanOut } from '../../src/telemetry/fan-out.ts'
import { openPrometheus } from '../../src/telemetry/prometheus.ts'
import { openTelemetry } from '../../src/telemetry/telemetry.ts'
import { endpoint, newId } from '../conformance/builders.ts'

function telemetry({ hasRedis = false } = {}) {
  const lines: Record<string, unknown>[] = []
  const sink = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) }
  let now = 0
  const { observer, metrics } = openTelemetry({ log: createLog('INFO', sink).log, hasRedis, now: () => now })
  const valueOf = async (sample: string) =>
    (await metrics.text())
      .split('\n')
      .find((line) => line.startsWith(`${sample} `))
      ?.slice(sample.length + 1)
  return { observer, metrics, lines, valueOf, wait: (ms: number) => void (now += ms) }
}

const receiver = endpoint({ url: 'https://receiver.example/hooks?token=secret' })
const delivery: LeasedDelivery = {
  appId: receiver.appId,
  msgId: newId('msg'),
  endpointId: receiver.id,
  run: 0,
  tries: 0,
  spared: 0,
  lastAttemptAt: null,
  leaseUntil: 60_000,
  eventId: 'its-event-id',
  eventType: 'user.created',
  contentType: 'application/json',
  receivedAt: 1_000,
  payload: Buffer.from('{"secret":"payload"}'),
  hops: 0,
}
const attempt: SettledAttempt = {
  id: newId('atmpt'),
  url: receiver.url,
  at: 1_250,
  trigger: 'scheduled',
  outcome: 'success',
  statusCode: 200,
  error: null,
  durationMs: 40,
  response: 'its answer',
}

/** Every event once. */
function tellAll(observer: Observer): void {
  const error = new Error(`about ${delivery.msgId}`)
  const inbox = { message_id: 'its-message-id', dup: false, result: 'created' } as const
  const request = { requestId: 'its-request-id', method: 'POST', path: '/x/its-path', route: '/x/:id', latencyMs: 3 }
  observer.requestServed({ ...request, status: 201, inbox })
  observer.unreadable({ requestId: 'its-request-id', status: 400 })
  observer.connectionClosed('unread')
  observer.connectionsSwept()
  observer.accepted({ duplicate: false, deliveries: 1 })
  observer.attempted({ delivery, attempt, number: 1, held: false })
  const outcome = { kind: 'deferred', reason: 'rate_limited', error: 'busy', waitMs: 5 } as const
  observer.deferred({ delivery, kind: 'http', until: 7_000, outcome })
  observer.cancelled({ delivery })
  observer.endpointDisabled({ endpoint: receiver, reason: 'gone' })
  observer.targetBlocked({ host: 'its-host.example', why: 'private' })
  observer.clockPutBack({ backMs: 5, moved: 1 })
  observer.swept({ expired: 2, repaired: 3 })
  observer.rowsRemoved({ table: 'attempt', rows: 4 })
  observer.retentionSwept()
  observer.storeTrouble({ doing: 'record an attempt', error })
  observer.storeWorks()
  observer.committed(3)
  observer.redisCommand({ name: 'keep', ms: 1, failed: true })
  observer.redisConnected({ is: true, error: null })
  observer.serviceFailed({ service: 'pruner', error })
  observer.unexpected({ requestId: 'its-request-id', error })
}

test('no metric has an id, a path or a payload in its labels, whatever happens', async () => {
  const { observer, metrics, lines } = telemetry({ hasRedis: true })
  tellAll(observer)
  const text = await metrics.text()
  const secrets = [delivery.msgId, receiver.id, receiver.appId, attempt.id, 'its-', 'secret', 'receiver.example']
  expect(secrets.filter((one) => text.includes(one))).toEqual([])
  expect(JSON.stringify(lines)).toContain(delivery.msgId)
  expect(JSON.stringify(lines)).not.toContain('secret')
})

test('each event changes the metrics that count it', async () => {
  const { observer, valueOf } = telemetry({ hasRedis: true })
  tellAll(observer)
  for (const [sample, value] of Object.entries({
    'webhook_requests_total{result="created"}': 1,
    'http_requests_total{path="/x/:id",status="201"}': 1,
    'http_requests_total{path="unmatched",status="400"}': 1,
    request_latency_ms_sum: 3,
    'hookferry_connections_closed_total{reason="unread"}': 1,
    'hookferry_messages_accepted_total{status="queued"}': 1,
    'hookferry_attempts_total{outcome="success"}': 1,
    hookferry_attempt_duration_ms_sum: 40,
    hookferry_first_attempt_latency_ms_sum: 250,
    hookferry_leases_lost_total: 1,
    'hookferry_deferrals_total{driver="http",reason="rate_limited"}': 1,
    'hookferry_destination_paused_until_seconds{driver="http",reason="rate_limited"}': 7,
    hookferry_deliveries_cancelled_total: 1,
    'hookferry_endpoints_disabled_total{reason="gone"}': 1,
    'hookferry_deliveries_recovered_total{why="lease_expired"}': 2,
    'hookferry_deliveries_recovered_total{why="lane_repaired"}': 3,
    'hookferry_rows_removed_total{table="attempt"}': 4,
    hookferry_store_errors_total: 1,
    hookferry_commit_batch_size_sum: 3,
    'hookferry_redis_command_duration_ms_sum{command="keep"}': 1,
    'hookferry_redis_command_failures_total{command="keep"}': 1,
    hookferry_redis_connected: 1,
  }))
    expect([sample, await valueOf(sample)]).toEqual([sample, String(value)])
})

test('a counter whose label values are listed shows each of them from the start', async () => {
  const { valueOf } = telemetry()
  expect(await valueOf('webhook_requests_total{result="invalid_signature"}')).toBe('0')
  expect(await valueOf('hookferry_connections_closed_total{reason="pipelined"}')).toBe('0')
  expect(await valueOf('hookferry_cache_lookups_total{level="redis",result="miss"}')).toBe('0')
})

test('metrics of Redis are shown only by a node that has one', async () => {
  expect(await telemetry().metrics.text()).not.toContain('hookferry_redis')
  expect(await telemetry({ hasRedis: true }).metrics.text()).toContain('hookferry_redis_connected 0')
})

test('readings are asked for at each scrape, and keep their last value while they are not known', async () => {
  const { metrics, valueOf } = telemetry()
  let pending: number | null = 5
  let found = 1
  metrics.read({ pending: () => Promise.resolve(pending), lookups: () => [[{ result: 'found' }, found]] })
  expect(await valueOf('hookferry_deliveries_pending')).toBe('5')
  pending = null
  found = 3
  expect(await valueOf('hookferry_deliveries_pending')).toBe('5')
  expect(await valueOf('hookferry_dns_lookups_total{result="found"}')).toBe('3')
  pending = 7
  expect(await valueOf('hookferry_deliveries_pending')).toBe('7')
})

test('another system is one more sink, which knows only the events that it wants', () => {
  const spans: string[] = []
  const tracing: Partial<Observer> = {
    attempted: ({ delivery, attempt }) => void spans.push(`${delivery.msgId} took ${attempt.durationMs} ms`),
  }
  const { sink } = openPrometheus({ hasRedis: false })
  tellAll(fanOut([sink, tracing]))
  expect(spans).toEqual([`${delivery.msgId} took 40 ms`])
})

test('a sink that throws disturbs neither the caller nor the other sinks', () => {
  const failures: string[] = []
  const seen: number[] = []
  const broken: Partial<Observer> = {
    committed() {
      throw new Error('full')
    },
  }
  const observer = fanOut([broken, { committed: (size) => void seen.push(size) }], (event, error) => {
    failures.push(`${event}: ${String(error)}`)
    throw new Error('and so is this')
  })
  observer.committed(3)
  expect(seen).toEqual([3])
  expect(failures).toEqual(['committed: Error: full'])
})

test('what retention removes is logged once a minute at most, and nothing is left out', () => {
  const { observer, lines, wait } = telemetry()
  const sweep = (rows: number) => {
    if (rows > 0) observer.rowsRemoved({ table: 'attempt', rows })
    observer.retentionSwept()
  }
  for (const rows of [0, 5, 1, 2, 0, 0, 0, 0, 0]) {
    sweep(rows)
    wait(10_000)
  }
  const said = lines.filter((line) => line['msg'] === 'retention removed rows')
  expect(said).toMatchObject([
    { level: 'INFO', attempt: 5 },
    { level: 'INFO', attempt: 3 },
  ])
})

test('a store that is away for a minute is logged a few times with how often, counted always, and said to work again', async () => {
  const { observer, lines, valueOf, wait } = telemetry()
  const error = new GatewayError('store_unavailable', { cause: new Error('no space') })
  for (let n = 0; n < 600; n++) {
    observer.storeTrouble({ doing: 'record an attempt', error })
    wait(100)
  }
  const troubles = lines.filter((line) => line['msg'] === 'the store is in trouble')
  expect(troubles.map((line) => line['unsaid'])).toEqual([undefined, 99, 99, 99, 99, 99])
  expect(troubles[0]).toMatchObject({ level: 'ERROR', error: expect.stringContaining('no space') })
  expect(await valueOf('hookferry_store_errors_total')).toBe('600')

  observer.storeWorks()
  wait(10_000)
  observer.accepted({ duplicate: false, deliveries: 1 })
  observer.accepted({ duplicate: false, deliveries: 1 })
  expect(lines.slice(troubles.length)).toEqual([
    expect.objectContaining({ level: 'WARN', msg: 'the store works again', count: 600, for_ms: 59_900 }),
  ])
})
