import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, test } from 'vitest'
import { type Client, Program, soon, startGateway, temporaryDirectory } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

test('standard output is JSON lines without a secret, a signature or a payload', async () => {
  using directory = temporaryDirectory()
  const secrets = { API_KEY: 'hidden-management-key', WEBHOOK_SECRET: 'hidden-inbox-secret' }
  await using program = new Program(directory.path, { ...secrets, HOST: '127.0.0.1', LOG_LEVEL: 'debug' })
  const client = await program.client()
  client.headers = { authorization: 'Bearer hidden-management-key' }
  const [fine, failing] = [receiver.hook(), receiver.hook({ status: 500, body: 'hidden-response' })]
  const own = { secret: 'hidden-secret', headers: { 'X-Token': 'hidden-token' }, event_types: ['webhook'] }
  const body = '{"text":"hidden-payload"}'
  const signature = `sha256=${createHmac('sha256', own.secret).update(body).digest('hex')}`
  for (const hook of [fine, failing]) {
    const { id } = await client.subscribe({ target_url: hook.url, ...own })
    for (const given of [signature, 'sha256=hidden-signature'])
      await client.send(`/ingest/${id}?token=hidden-query`, { body, headers: { 'x-hub-signature-256': given } })
  }
  const inbox = '{"message_id":"m1","from":"+1","to":"+2","ts":"2025-01-15T10:00:00Z","text":"hidden-text"}'
  const inboxSignature = createHmac('sha256', secrets.WEBHOOK_SECRET).update(inbox).digest('hex')
  for (const given of [inboxSignature, 'hidden-signature'])
    await client.send('/webhook', { body: inbox, headers: { 'x-signature': given } })
  await client.send('/subscriptions', { json: { target_url: 'http://hidden-user:hidden-password@10.0.0.1/' } })
  await client.send('/subscriptions', { json: { target_url: fine.url, secret: 'whsec_hidden=secret' } })
  await soon(() => failing.received.length).toBe(3)
  await soon(() => program.log.filter((line) => line['outcome'] === 'failure').length).toBe(1)
  program.signal('SIGINT')
  expect(await program.exited()).toBe(0)

  expect(program.stderr).toBe('')
  const output = program.stdout.join('\n')
  const sent = [...fine.received, ...failing.received].flatMap(({ headers }) => [
    headers['webhook-signature'],
    headers['x-hub-signature-256'],
  ])
  for (const hidden of ['hidden-', signature, signature.slice(7), inboxSignature, ...sent])
    expect(output).not.toContain(hidden)
  for (const line of program.log) {
    expect(line).toMatchObject({
      ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: expect.stringMatching(/^[A-Z]+$/),
    })
    expect(Math.abs(Date.parse(String(line['ts'])) - Date.now())).toBeLessThan(60_000)
  }
  const requests = program.log.filter((line) => line['msg'] === 'request')
  expect(requests).toHaveLength(10)
  for (const line of requests)
    expect(line).toMatchObject({
      request_id: expect.any(String),
      method: 'POST',
      path: expect.stringMatching(/^\/[\w/]+$/),
      status: expect.any(Number),
      latency_ms: expect.any(Number),
    })
  const attempts = program.log.filter((line) => line['msg'] === 'attempt')
  expect(attempts.map((line) => String(line['outcome'])).sort()).toEqual([
    'failed_attempt',
    'failed_attempt',
    'failure',
    'success',
  ])
  for (const line of attempts)
    expect(line).toMatchObject({
      webhook_id: expect.any(String),
      subscription_id: expect.any(String),
      attempt: expect.any(Number),
    })
})

test('SIGTERM lets a delivery in flight finish, keeps what waits, and exits with 0', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path)
  const client = await program.client()
  const held: ServerResponse[] = []
  const hook = receiver.hook((response) => void held.push(response))
  const later = receiver.hook(500)
  const { id } = await client.ingest(await client.subscribe({ target_url: hook.url }))
  const waiting = await client.ingest(await client.subscribe({ target_url: later.url, retry_schedule: ['1s', '1h'] }))
  await client.messageWhen(waiting.id, 'delivering')
  await soon(() => held.length).toBe(1)

  program.signal('SIGTERM')
  await soon(() => program.log.some((line) => line['msg'] === 'stopping')).toBe(true)
  const state = () =>
    client.send('/health/live').then(
      () => 'open',
      () => 'closed',
    )
  await soon(state).toBe('closed')
  held[0]?.writeHead(200).end()
  expect(await program.exited()).toBe(0)
  expect(program.log.at(-1)).toMatchObject({ msg: 'stopped' })

  await using again = await startGateway({}, directory.path)
  expect(await again.message(id)).toMatchObject({ status: 'delivered', attempts: [{ outcome: 'success' }] })
  await soon(() => later.received.length).toBe(2)
  expect(hook.received).toHaveLength(1)
})

test('kill -9 in a storm loses nothing that was answered 202, and invents nothing', async () => {
  using directory = temporaryDirectory()
  const hook = receiver.hook()
  const accepted = new Set<string>()
  let subscription: { id: string } | null = null
  for (let round = 0; round < 2; round++) {
    await using program = new Program(directory.path)
    const client = await program.client()
    subscription ??= await client.subscribe({ target_url: hook.url })
    const before = accepted.size
    const storm = Array.from({ length: 16 }, () => post(client, subscription!, accepted))
    await soon(() => accepted.size - before).toBeGreaterThan(300)
    program.signal('SIGKILL')
    expect(await program.exited()).toBeNull()
    await Promise.all(storm)
  }

  await using gateway = await startGateway({}, directory.path)
  const received = () => new Set(hook.received.map((request) => String(request.headers['webhook-id'])))
  await soon(() => [...accepted].filter((id) => !received().has(id))).toEqual([])
  using database = new DatabaseSync(gateway.databasePath, { readOnly: true })
  const states = () =>
    database.prepare('SELECT msg_id, state FROM delivery').all() as { msg_id: string; state: string }[]
  await soon(() => states().filter(({ state }) => state !== 'delivered')).toEqual([])
  const stored = new Set(states().map(({ msg_id }) => msg_id))
  expect([...received()].filter((id) => !stored.has(id))).toEqual([])
  expect([...accepted].filter((id) => !stored.has(id))).toEqual([])
  for (const { headers, body } of hook.received)
    expect(body.toString()).toBe(`{"n":${String(headers['x-event-type']).slice(1)}}`)
})

let posted = 0

/** Posts events, one after the other, until the gateway is gone. */
async function post(client: Client, subscription: { id: string }, accepted: Set<string>): Promise<void> {
  for (;;) {
    const n = posted++
    try {
      accepted.add((await client.ingest(subscription, { n }, { 'x-event-type': `n${n}` })).id)
    } catch {
      return
    }
  }
}

test('it starts under node --watch, where its threads tell of their imports too', async () => {
  using directory = temporaryDirectory()
  await using program = new Program(directory.path, { WATCH_REPORT_DEPENDENCIES: '1' })
  expect(await program.address()).toMatch(/^http:/)
})
