/**
 * The evaluation script of the original request, step by step and with its own commands, against the gateway at
 * EVALUATION_URL: a fresh one, with an empty inbox. Without it, one is started here. EVALUATION_LOGS is the command that
 * prints the log of the former, such as `docker compose logs api`.
 */
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type LogLine, Program, soon, temporaryDirectory } from './gateway.ts'

const environment = (name: string) => process.env[name] || undefined
const WEBHOOK_SECRET = environment('WEBHOOK_SECRET') ?? 'testsecret'
const EVALUATION_URL = environment('EVALUATION_URL')
const EVALUATION_LOGS = environment('EVALUATION_LOGS')
const START_TIMEOUT_MS = 25_000

const run = promisify(execFile)
let url = EVALUATION_URL?.replace(/\/$/, '') ?? ''
let program: Program | null = null

/** Runs a line of the script as the shell would, and returns what it printed. Rejects when its exit code is not 0. */
async function shell(line: string, variables: Record<string, string> = {}): Promise<string> {
  const command = line.replaceAll('http://localhost:8000', url)
  return (await run('sh', ['-c', command], { env: { ...process.env, ...variables } })).stdout
}

interface Message {
  message_id: string
  from: string
  to: string
  ts: string
  text?: string
}

interface Page {
  data: Message[]
  total: number
  limit: number
  offset: number
}

const list = async (line: string) => JSON.parse(await shell(line)) as Page
const ids = (page: Page) => page.data.map((message) => message.message_id)

const sign = (body: string) => createHmac('sha256', WEBHOOK_SECRET).update(body).digest('hex')

/** The script's own message, with the spaces and line ends that it has there. */
const BODY = ` {"message_id": "m1", "from": "+919876543210", "to": "+14155550100",
"ts": "2025-01-15T10:00:00Z", "text": "Hello"} `

const POST = `curl -s -o /dev/null -w "%{http_code}" \\
-H "Content-Type: application/json" \\
-H "X-Signature: $VALID_SIG" \\
-d "$BODY" \\
http://localhost:8000/webhook`

const post = (body: string) => shell(POST, { BODY: body, VALID_SIG: sign(body) })

const FIRST = JSON.parse(BODY) as Message
const to = '+14155550100'
const MORE: Message[] = [
  { message_id: 'm4', from: '+911234567890', to, ts: '2025-01-15T11:00:00Z', text: 'Bye' },
  { message_id: 'm3', from: '+911234567890', to, ts: '2025-01-15T09:30:00Z', text: 'well, hello there' },
  { message_id: 'm2', from: '+919876543210', to, ts: '2025-01-15T09:00:00Z', text: 'Earlier' },
  { message_id: 'm10', from: '+919876543210', to, ts: '2025-01-15T10:00:00Z', text: 'HELLO again' },
  { message_id: 'm5', from: '+447700900000', to, ts: '2025-01-10T09:00:00Z' },
]

/** What the steps above have to add up to. */
const WEBHOOK_METRICS: [string, number][] = [
  ['http_requests_total{path="/webhook",status="200"}', 7],
  ['http_requests_total{path="/webhook",status="401"}', 2],
  ['webhook_requests_total{result="created"}', 6],
  ['webhook_requests_total{result="duplicate"}', 1],
  ['webhook_requests_total{result="invalid_signature"}', 2],
  ['webhook_requests_total{result="validation_error"}', 0],
]

/** Likewise: level, status, message_id, dup and result. */
const WEBHOOK_LOG = [
  ['ERROR', 401, undefined, false, 'invalid_signature'],
  ['ERROR', 401, undefined, false, 'invalid_signature'],
  ['INFO', 200, 'm1', false, 'created'],
  ['INFO', 200, 'm1', true, 'duplicate'],
  ...MORE.map((message) => ['INFO', 200, message.message_id, false, 'created']),
]

async function metrics(): Promise<Map<string, number>> {
  const lines = (await shell('curl -s "http://localhost:8000/metrics"')).matchAll(/^([^#\s]+) (\S+)$/gm)
  return new Map(Array.from(lines, ([, name, value]) => [name!, Number(value)]))
}

/** All messages as `/messages` has to show them: by time, then by id. */
const sorted = [FIRST, ...MORE]
  .map((message) => ({ text: null, ...message }))
  .sort((a, b) => (a.ts + a.message_id < b.ts + b.message_id ? -1 : 1))

const directory = temporaryDirectory()
let before = new Map<string, number>()

beforeAll(async () => {
  if (EVALUATION_URL === undefined) {
    // Nothing else is set, and the address of the file is written as the script writes it.
    const DATABASE_URL = `sqlite://${join(directory.path, 'app.db')}`
    const nothing = { ALLOWED_SUBNETS: undefined, RETRY_SCHEDULE: undefined }
    program = new Program(directory.path, { ...nothing, WEBHOOK_SECRET, DATABASE_URL })
    url = (await program.client()).url
  }
  const isReady = () =>
    shell('curl -sf http://localhost:8000/health/ready').then(
      () => true,
      () => false,
    )
  await vi.waitUntil(isReady, { interval: 100, timeout: START_TIMEOUT_MS })
  before = await metrics()
})

afterAll(async () => {
  await program?.[Symbol.asyncDispose]()
  directory[Symbol.dispose]()
})

describe('the evaluation script', { shuffle: false, concurrent: false }, () => {
  test('2. the gateway is alive and ready, and its inbox is empty', async () => {
    await shell('curl -sf http://localhost:8000/health/live >/dev/null')
    await shell('curl -sf http://localhost:8000/health/ready >/dev/null')
    expect(await list('curl -s "http://localhost:8000/messages"')).toEqual({ data: [], total: 0, limit: 50, offset: 0 })
    expect(JSON.parse(await shell('curl -s "http://localhost:8000/stats"'))).toEqual({
      total_messages: 0,
      senders_count: 0,
      messages_per_sender: [],
      first_message_ts: null,
      last_message_ts: null,
    })
  })

  test('3. an invalid signature is answered 401 and stores nothing', async () => {
    const line = `curl -s -o /dev/null -w "%{http_code}" \\
-H "Content-Type: application/json" \\
-H "X-Signature: 123" \\
-d "$BODY" \\
-X POST http://localhost:8000/webhook`
    expect(await shell(line, { BODY })).toBe('401')
    const shown = line.replace('-o /dev/null -w "%{http_code}"', '')
    expect(await shell(shown, { BODY })).toBe('{"detail":"invalid signature"}')
    const { data, total } = await list('curl -s "http://localhost:8000/messages"')
    expect([data, total]).toEqual([[], 0])
  })

  test('3. a valid signature is answered 200 and stores a row', async () => {
    expect(await post(BODY)).toBe('200')
    const { data, total } = await list('curl -s "http://localhost:8000/messages"')
    expect([data, total]).toEqual([[FIRST], 1])
  })

  test('3. the same again is answered 200 and stores no new row', async () => {
    expect(await post(BODY)).toBe('200')
    const { data, total } = await list('curl -s "http://localhost:8000/messages"')
    expect([data, total]).toEqual([[FIRST], 1])
  })

  test('4. more messages are taken', async () => {
    for (const message of MORE) expect(await post(JSON.stringify(message))).toBe('200')
  })

  test('5. /messages lists all of them by time, then by id', async () => {
    const page = await list('curl -s "http://localhost:8000/messages"')
    expect(page).toEqual({ data: sorted, total: 6, limit: 50, offset: 0 })
  })

  test('5. limit and offset cut a page, are echoed, and leave the total alone', async () => {
    const page = await list('curl -s "http://localhost:8000/messages?limit=2&offset=0"')
    expect(page).toEqual({ data: sorted.slice(0, 2), total: 6, limit: 2, offset: 0 })
    const next = await list('curl -s "http://localhost:8000/messages?limit=2&offset=3"')
    expect(next).toEqual({ data: sorted.slice(3, 5), total: 6, limit: 2, offset: 3 })
    const last = await list('curl -s "http://localhost:8000/messages?limit=2&offset=5"')
    expect(last).toEqual({ data: sorted.slice(5), total: 6, limit: 2, offset: 5 })
  })

  test('5. from finds a sender, its plus written as it is or as %2B', async () => {
    const raw = await list('curl -s "http://localhost:8000/messages?from=+919876543210"')
    const encoded = await list('curl -s "http://localhost:8000/messages?from=%2B919876543210"')
    expect([ids(raw), raw.total]).toEqual([['m2', 'm1', 'm10'], 3])
    expect(encoded).toEqual(raw)
  })

  test('5. since finds what is not earlier', async () => {
    const page = await list('curl -s "http://localhost:8000/messages?since=2025-01-15T09:30:00Z"')
    expect([ids(page), page.total]).toEqual([['m3', 'm1', 'm10', 'm4'], 4])
  })

  test('5. q finds a part of a text in any case', async () => {
    const page = await list('curl -s "http://localhost:8000/messages?q=Hello"')
    expect([ids(page), page.total]).toEqual([['m3', 'm1', 'm10'], 3])
  })

  test('6. /stats agrees with the messages', async () => {
    const stats = JSON.parse(await shell('curl -s "http://localhost:8000/stats"')) as {
      messages_per_sender: { count: number }[]
    }
    expect(stats).toEqual({
      total_messages: 6,
      senders_count: 3,
      messages_per_sender: [
        { from: '+919876543210', count: 3 },
        { from: '+911234567890', count: 2 },
        { from: '+447700900000', count: 1 },
      ],
      first_message_ts: '2025-01-10T09:00:00Z',
      last_message_ts: '2025-01-15T11:00:00Z',
    })
    expect(stats.messages_per_sender.reduce((sum, { count }) => sum + count, 0)).toBe(6)
  })

  test('7. /metrics is there, and its first ten lines have what is asked for', async () => {
    expect(await shell('curl -s -o /dev/null -w "%{http_code}" "http://localhost:8000/metrics"')).toBe('200')
    const head = await shell('curl -s "http://localhost:8000/metrics" | head')
    expect(head).toMatch(/^http_requests_total\{/m)
    expect(head).toMatch(/^webhook_requests_total\{/m)

    const since = (now: Map<string, number>, name: string) => (now.get(name) ?? 0) - (before.get(name) ?? 0)
    await soon(async () => {
      const now = await metrics()
      return WEBHOOK_METRICS.map(([name]) => [name, since(now, name)])
    }).toEqual(WEBHOOK_METRICS)
    const now = await metrics()
    expect(now.get('request_latency_ms_bucket{le="+Inf"}')).toBe(now.get('request_latency_ms_count'))
    expect(since(now, 'request_latency_ms_count')).toBeGreaterThan(20)
  })

  test.skipIf(EVALUATION_URL !== undefined && EVALUATION_LOGS === undefined)(
    '8. the log is a JSON line for each request, and tells of /webhook what became of it',
    async () => {
      const outcomes = (requests: LogLine[]) =>
        requests
          .filter(({ path }) => path === '/webhook')
          .map(({ level, status, message_id, dup, result }) => [level, status, message_id, dup, result])
          .slice(-WEBHOOK_LOG.length)
      await soon(async () => outcomes(requestsOf(await readLog()))).toEqual(WEBHOOK_LOG)
      const requests = requestsOf(await readLog())
      expect(new Set(requests.map((line) => line['request_id'])).size).toBe(requests.length)
    },
  )

  test.skipIf(EVALUATION_URL !== undefined)('9. the gateway shuts down when it is told to', async () => {
    program?.signal('SIGTERM')
    expect(await program?.exited()).toBe(0)
  })
})

/** Every line of the log; throws when one of them is not JSON with a time and a level. */
async function readLog(): Promise<LogLine[]> {
  // Compose writes the service's name before each line.
  const lines =
    program?.stdout ??
    (await shell(EVALUATION_LOGS ?? '')).split('\n').map((line) => line.replace(/^[\w.-]+\s+\| /, ''))
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const entry = JSON.parse(line) as LogLine
      expect(entry).toMatchObject({
        ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        level: expect.any(String),
      })
      return entry
    })
}

/** The lines about requests, each with all that it has to have. */
function requestsOf(log: LogLine[]): LogLine[] {
  const requests = log.filter((line) => 'method' in line || 'path' in line)
  for (const line of requests)
    expect(line).toMatchObject({
      request_id: expect.any(String),
      method: expect.any(String),
      path: expect.stringMatching(/^\//),
      status: expect.any(Number),
      latency_ms: expect.any(Number),
    })
  return requests
}
