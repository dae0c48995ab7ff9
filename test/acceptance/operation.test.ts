import { connect } from 'node:net'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { type Answer, type Sending, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const UNKNOWN = 'msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG'

/** Sends bytes that no HTTP client would, and returns all that comes back. */
function sendRaw(text: string): Promise<string> {
  const { hostname, port } = new URL(gateway.url)
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(Number(port), hostname, () => socket.write(text))
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })
}

test('/health/live and /health/ready are 200 when all is well', async () => {
  const answers = await Promise.all(['/health/live', '/health/ready/'].map((path) => gateway.send(path)))
  expect(answers.map((answer) => [answer.status, answer.json()])).toEqual([
    [200, { status: 'ok' }],
    [200, { status: 'ready' }],
  ])
})

test('/health/ready says that WEBHOOK_SECRET is missing, while the process is live', async () => {
  await using unset = await startGateway({ WEBHOOK_SECRET: '' })
  const answer = await unset.send('/health/ready')
  expect([answer.status, answer.json()]).toEqual([503, { detail: 'WEBHOOK_SECRET is not set', code: 'not_ready' }])
  expect((await unset.send('/health/live')).status).toBe(200)
})

test('while the store cannot commit, ingest is a 503 with Retry-After, and nothing of it is stored', async () => {
  await using stuck = await startGateway()
  const hook = receiver.hook()
  const subscription = await stuck.subscribe({ target_url: hook.url })
  const before = stuck.rows()
  {
    using other = new DatabaseSync(stuck.databasePath)
    other.exec('BEGIN IMMEDIATE')
    const answers = await Promise.all([
      stuck.send(`/ingest/${subscription.id}`, { json: 'refused' }),
      stuck.send('/ingest?event_type=a', { json: 'refused' }),
      stuck.send('/subscriptions', { json: { target_url: hook.url } }),
    ])
    for (const answer of answers) {
      expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1'])
      expect(answer.json()).toEqual({ detail: expect.any(String), code: 'store_unavailable' })
    }
    expect((await stuck.send(`/subscriptions/${subscription.id}`)).status).toBe(200)
  }
  expect(stuck.rows()).toEqual(before)
  await stuck.messageWhen((await stuck.ingest(subscription, 'accepted')).id, 'delivered')
  expect(hook.received.map((request) => request.body.toString())).toEqual(['"accepted"'])
})

describe('/metrics', () => {
  const scrape = async () => {
    const answer = await gateway.send('/metrics')
    expect(answer.headers['content-type']).toContain('text/plain')
    const lines = answer.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return Object.fromEntries(lines.map((line) => line.split(/ (?=[^ ]*$)/))) as Record<string, string>
  }

  test('counts requests by pattern and status, and never shows a URL', async () => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
    await gateway.send(`/subscriptions/${id}?secret-in-query=1`)
    await gateway.send('/subscriptions/nobody-knows-this')
    await gateway.send('/no/such/path-either')
    await gateway.send('/broken/%zz')
    await gateway.send(`/subscriptions/${id}`, { method: 'POST' })
    const metrics = await scrape()
    const count = (path: string, status: number) =>
      Number(metrics[`http_requests_total{path="${path}",status="${status}"}`])
    expect(count('/subscriptions/:id', 200)).toBe(1)
    expect(count('/subscriptions/:id', 404)).toBe(1)
    expect(count('/subscriptions/:id', 405)).toBe(1)
    expect(count('unmatched', 404)).toBe(1)
    expect(count('unmatched', 400)).toBe(1)
    expect(JSON.stringify(metrics)).not.toMatch(new RegExp(`${id}|nobody|no/such|secret-in-query|broken`))
  })

  test('tell what the engine does', async () => {
    const [fine, failing] = [receiver.hook(), receiver.hook(500)]
    const a = await gateway.ingest(await gateway.subscribe({ target_url: fine.url }))
    const b = await gateway.ingest(await gateway.subscribe({ target_url: failing.url }))
    await gateway.ingest(await gateway.subscribe({ target_url: failing.url, retry_schedule: ['1h'] }))
    await gateway.messageWhen(a.id, 'delivered')
    await gateway.messageWhen(b.id, 'failed')
    await soon(scrape).toMatchObject({
      'hookferry_messages_accepted_total{status="queued"}': '3',
      'hookferry_attempts_total{outcome="success"}': '1',
      'hookferry_attempts_total{outcome="failed_attempt"}': '3',
      'hookferry_attempts_total{outcome="failure"}': '1',
      hookferry_attempt_duration_ms_count: '5',
      hookferry_first_attempt_latency_ms_count: '3',
      hookferry_attempts_in_flight: '0',
      hookferry_deliveries_pending: '1',
      hookferry_oldest_due_age_seconds: '0',
      hookferry_store_writes_waiting: '0',
      hookferry_store_write_bytes_waiting: '0',
    })
    const metrics = await scrape()
    for (const name of ['request_latency_ms_count', 'hookferry_commit_batch_size_count'])
      expect(Number(metrics[name])).toBeGreaterThan(0)
    for (const result of ['created', 'duplicate', 'invalid_signature', 'validation_error'])
      expect(metrics).toHaveProperty([`webhook_requests_total{result="${result}"}`])
  })
})

describe('every answer', () => {
  test.each<{ to: string; path: string; sending?: Sending; status: number; code?: string }>([
    { to: 'an unknown route', path: '/nowhere', status: 404, code: 'not_found' },
    { to: 'an unknown route with a body', path: '/nowhere', sending: { json: {} }, status: 404, code: 'not_found' },
    {
      to: 'a wrong method',
      path: '/subscriptions',
      sending: { method: 'DELETE' },
      status: 405,
      code: 'method_not_allowed',
    },
    {
      to: 'a method that nothing has',
      path: '/ingest',
      sending: { method: 'TRACE' },
      status: 405,
      code: 'method_not_allowed',
    },
    { to: 'a URL that cannot be read', path: '/subscriptions/%zz', status: 400, code: 'bad_request' },
    { to: 'an invalid request', path: '/subscriptions', sending: { json: {} }, status: 422, code: 'validation' },
    { to: 'an unknown message', path: `/deliveries/${UNKNOWN}`, status: 404, code: 'message_not_found' },
    { to: 'success', path: '/health/live', status: 200 },
  ])('to $to is JSON with an X-Request-Id, and is logged', async ({ path, sending = {}, status, code }) => {
    const answer = await gateway.send(path, sending)
    expect([answer.status, answer.json<{ code?: string }>().code]).toEqual([status, code])
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    const id = answer.headers['x-request-id']
    expect(id).toMatch(/^[\w-]+$/)
    const method = sending.method ?? (sending.json === undefined ? 'GET' : 'POST')
    await soon(() => gateway.log.find((line) => line['request_id'] === id)).toMatchObject({ method, path, status })
  })

  test('to a wrong method names the right ones', async () => {
    const allowed = async (path: string, method: string) =>
      String((await gateway.send(path, { method })).headers.allow)
        .split(', ')
        .sort()
    expect(await allowed('/subscriptions', 'PATCH')).toEqual(['GET', 'HEAD', 'POST'])
    expect(await allowed('/subscriptions/ep_1/', 'POST')).toEqual(['DELETE', 'GET', 'HEAD', 'PATCH', 'PUT'])
    expect(await allowed('/ingest/ep_1', 'GET')).toEqual(['OPTIONS', 'POST'])
    expect(await allowed('/health/live', 'POST')).toEqual(['GET', 'HEAD'])
  })

  const echoed = async (given: string | string[]): Promise<Answer['headers'][string]> =>
    (await gateway.send('/health/live', { headers: { 'x-request-id': given } })).headers['x-request-id']

  test('carries the request id of the client if it is a sane one', async () => {
    for (const sane of ['a', 'req-1.2:3_4', 'x'.repeat(128)]) expect(await echoed(sane)).toBe(sane)
    const made = new Set<unknown>()
    const strange = ['', 'a b', 'x'.repeat(129), '"quoted"', 'größe', '../../x', ['a', 'b']]
    for (const one of strange) made.add(await echoed(one))
    expect(made.size).toBe(strange.length)
    for (const id of made) expect(strange).not.toContain(id)
  })

  test.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'bad_request'],
    [
      'two lengths',
      'POST /ingest HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}',
      400,
      'bad_request',
    ],
    [
      'headers that are too large',
      `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
  ])('to %s is JSON, too', async (_name, text, status, code) => {
    const [head = '', body = ''] = (await sendRaw(text)).split('\r\n\r\n')
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*x-request-id: \\S+\r\n`, 'i'))
    expect(JSON.parse(body)).toEqual({ detail: expect.any(String), code })
  })
})
