import { createHmac, createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { type Accepted, type MessageStatus, soon, startGateway } from './gateway.ts'
import { type Hook, type Received, startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}
const hub = (key: string | Buffer, body: Buffer) => `sha256=${createHmac('sha256', key).update(body).digest('hex')}`

/** What Standard Webhooks 1.0.0 has signed: `{id}.{timestamp}.{body}`. */
const signedContent = ({ headers, body }: Received) =>
  Buffer.concat([Buffer.from(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.`), body])
const standard = (key: string | Buffer, request: Received) =>
  `v1,${createHmac('sha256', key).update(signedContent(request)).digest('base64')}`

async function nth(hook: Hook, n: number): Promise<Received> {
  await soon(() => hook.received.length).toBeGreaterThanOrEqual(n)
  return hook.received[n - 1]!
}

const only = (message: MessageStatus) => {
  expect(message.deliveries).toHaveLength(1)
  return message.deliveries[0]!
}

describe('the request that a receiver gets', () => {
  const body = Buffer.from('\n{ "name":"Zoë \\u0000 \u{1f600}",\t"n": 1.0, "n": 2 }  ')

  test('has the accepted bytes, their type, and the headers of Standard Webhooks and GitHub', async () => {
    const hook = receiver.hook()
    const key = Buffer.from('twenty-four bytes of key')
    const secret = `whsec_${key.toString('base64')}`
    const headers = { 'X-Team': 'a', authorization: 'Bearer of the owner' }
    const subscription = await gateway.subscribe({ target_url: `${hook.url}?team=a&x=%20`, secret, headers })
    const signed = {
      'content-type': 'application/vnd.acme+json; charset="UTF-8"',
      'x-hub-signature-256': hub(key, body),
    }
    const { id } = await gateway.ask<Accepted>(`/ingest/${subscription.id}`, {
      body,
      headers: { ...signed, 'x-event-type': 'order.created', 'x-of-the-sender': 'stays behind' },
    })

    const request = await nth(hook, 1)
    expect([request.method, request.url]).toEqual(['POST', new URL(subscription.target_url).pathname + '?team=a&x=%20'])
    expect(request.body.equals(body)).toBe(true)
    const timestamp = String(request.headers['webhook-timestamp'])
    const signature = standard(key, request)
    expect(request.headers).toEqual({
      'hookferry-hops': '1',
      host: `127.0.0.1:${receiver.port}`,
      connection: 'keep-alive',
      'content-length': String(body.length),
      'content-type': signed['content-type'],
      accept: '*/*',
      'user-agent': `Hookferry/${version}`,
      'x-event-type': 'order.created',
      'x-hub-signature-256': hub(key, body),
      'x-team': 'a',
      authorization: 'Bearer of the owner',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signature,
      'svix-id': id,
      'svix-timestamp': timestamp,
      'svix-signature': signature,
    })
    expect(timestamp).toMatch(/^\d+$/)
    expect(Math.abs(request.at / 1_000 - Number(timestamp))).toBeLessThan(5)
  })

  test('is signed with the UTF-8 bytes of any other secret', async () => {
    const hook = receiver.hook()
    const subscription = await gateway.subscribe({ target_url: hook.url, secret: 'größe' })
    await gateway.send(`/ingest/${subscription.id}`, { body, headers: { 'x-hub-signature-256': hub('größe', body) } })
    const request = await nth(hook, 1)
    expect(request.headers['webhook-signature']).toBe(standard('größe', request))
    expect(request.headers['x-hub-signature-256']).toBe(hub('größe', body))
  })

  test('is signed with Ed25519 for a whsk_ secret, which has no HMAC to offer', async () => {
    const hook = receiver.hook()
    const secret = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
    const { id } = await gateway.subscribe({ target_url: hook.url, secret })
    await gateway.send(`/ingest/${id}`, { body, headers: { 'x-hub-signature-256': hub(secret, body) } })
    const request = await nth(hook, 1)
    expect(request.headers['x-hub-signature-256']).toBeUndefined()
    const [scheme, signature] = String(request.headers['webhook-signature']).split(',')
    expect(scheme).toBe('v1a')
    const bytes = Buffer.from('1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=', 'base64')
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes])
    const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' })
    expect(verify(null, signedContent(request), publicKey, Buffer.from(signature ?? '', 'base64'))).toBe(true)
  })

  test('has an id and a time but no signature without a secret', async () => {
    const hook = receiver.hook()
    const { id } = await gateway.ingest(await gateway.subscribe({ target_url: hook.url }))
    const { headers } = await nth(hook, 1)
    expect(headers['webhook-id']).toBe(id)
    expect(headers['webhook-timestamp']).toMatch(/^\d+$/)
    expect(Object.keys(headers).filter((name) => name.includes('signature'))).toEqual([])
  })

  test('keeps its id on every attempt, while time, signature and settings are those of the attempt', async () => {
    const hook = receiver.hook(500, 200)
    const settings = { target_url: hook.url, retry_schedule: ['1100ms'], headers: { 'x-a': 'old' } }
    const subscription = await gateway.subscribe(settings)
    const { id } = await gateway.ingest(subscription)
    await nth(hook, 1)
    const json = { secret: 'new', headers: { 'x-a': 'new' } }
    await gateway.send(`/subscriptions/${subscription.id}`, { method: 'PATCH', json })
    const [first, second] = [await nth(hook, 1), await nth(hook, 2)]
    expect([first.headers['webhook-id'], second.headers['webhook-id']]).toEqual([id, id])
    expect([first.headers['x-a'], second.headers['x-a']]).toEqual(['old', 'new'])
    expect(Number(second.headers['webhook-timestamp'])).toBeGreaterThan(Number(first.headers['webhook-timestamp']))
    expect(second.headers['webhook-signature']).toBe(standard('new', second))
    expect(second.body.equals(first.body)).toBe(true)
  })
})

test('a failing delivery is retried by the schedule of its subscription and then failed', async () => {
  const hook = receiver.hook(500, 404, 301)
  const subscription = await gateway.subscribe({ target_url: hook.url, retry_schedule: ['150ms', '300ms'] })
  const { id } = await gateway.ingest(subscription)
  const message = await gateway.messageWhen(id, 'failed')
  expect(message.attempts.map((attempt) => [attempt.attempt, attempt.outcome, attempt.status_code])).toEqual([
    [3, 'failure', 301],
    [2, 'failed_attempt', 404],
    [1, 'failed_attempt', 500],
  ])
  expect(only(message)).toMatchObject({ status: 'failed', attempts: 3, next_attempt_at: null })
  const [third = 0, second = 0, first = 0] = message.attempts.map((attempt) => Date.parse(attempt.timestamp))
  // Up to a tenth earlier or later, and later still on a busy machine.
  expect(second - first).toBeGreaterThanOrEqual(135)
  expect(third - second).toBeGreaterThanOrEqual(270)
  expect(third - first).toBeLessThan(5_000)
})

test('without a schedule of its own a subscription has the one of RETRY_SCHEDULE; an empty one means a single attempt', async () => {
  const [three, one] = [receiver.hook(500), receiver.hook(500)]
  const messages = await Promise.all([
    gateway.ingest(await gateway.subscribe({ target_url: three.url })),
    gateway.ingest(await gateway.subscribe({ target_url: one.url, retry_schedule: [] })),
  ])
  for (const { id } of messages) await gateway.messageWhen(id, 'failed')
  expect([three.received.length, one.received.length]).toEqual([3, 1])
})

test('GET /deliveries/{id} tells everything about a message', async () => {
  const hook = receiver.hook({ status: 201, body: 'thank you' })
  const subscription = await gateway.subscribe({ target_url: hook.url })
  const { id } = await gateway.ingest(subscription, { n: 1 }, { 'x-event-type': 'order.created' })
  const message = await gateway.messageWhen(id, 'delivered')
  const attempt = {
    id: expect.stringMatching(/^atmpt_[0-9A-Za-z]{27}$/),
    webhook_id: id,
    subscription_id: subscription.id,
    target_url: hook.url,
    timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    attempt: 1,
    trigger: 'scheduled',
    outcome: 'success',
    status_code: 201,
    error: null,
    duration_ms: expect.any(Number),
    response_body: 'thank you',
  }
  const delivery = {
    subscription_id: subscription.id,
    target_url: hook.url,
    status: 'delivered',
    attempts: 1,
    next_attempt_at: null,
  }
  expect(message).toEqual({
    id,
    event_type: 'order.created',
    received_at: expect.stringMatching(/^\d{4}-.*Z$/),
    status: 'delivered',
    deliveries: [{ ...delivery, last_attempt_at: message.attempts[0]?.timestamp }],
    attempts: [attempt],
  })
  expect(await gateway.attempts(subscription)).toEqual(message.attempts)
})

test('the status is the worst of the open deliveries, else the worst of the final ones', async () => {
  await gateway.unsubscribeAll()
  const hooks = { held: receiver.hook(), failing: receiver.hook(500), fine: receiver.hook(200) }
  let release = () => {}
  hooks.held.replies = [(response) => void (release = () => response.writeHead(500).end())]
  const settings = { event_types: ['status'], retry_schedule: ['1h'] }
  const held = await gateway.subscribe({ ...settings, target_url: hooks.held.url })
  await gateway.subscribe({ ...settings, target_url: hooks.failing.url, retry_schedule: [] })
  await gateway.subscribe({ ...settings, target_url: hooks.fine.url })
  const { id } = await gateway.ask<Accepted>('/ingest?event_type=status', { json: {} })

  const statuses = async () => (await gateway.message(id)).deliveries.map((delivery) => delivery.status)
  await soon(statuses).toEqual(['queued', 'failed', 'delivered'])
  expect((await gateway.message(id)).status).toBe('queued')
  await nth(hooks.held, 1)
  release()
  await soon(statuses).toEqual(['delivering', 'failed', 'delivered'])
  const { status, deliveries } = await gateway.message(id)
  expect(status).toBe('delivering')
  const waitMs = Date.parse(deliveries[0]?.next_attempt_at ?? '') - Date.parse(deliveries[0]?.last_attempt_at ?? '')
  expect(waitMs / 3_600_000).toBeCloseTo(1, 0)

  await gateway.send(`/subscriptions/${held.id}`, { method: 'PATCH', json: { enabled: false } })
  await soon(statuses).toEqual(['cancelled', 'failed', 'delivered'])
  expect((await gateway.message(id)).status).toBe('failed')
})
