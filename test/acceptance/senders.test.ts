/** Requests as other people's senders write them: what they mean is what is taken in and delivered. */
import { createHmac } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { parseSecret } from '../../src/domain/secret.ts'
import { signStandard } from '../../src/domain/signature.ts'
import { type Accepted, type Issue, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const hub = (body: string | Buffer, secret: string) =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

/** Sends `body` to a subscription of its own, and returns what its receiver got. */
async function through(
  body: string | Buffer,
  headers: OutgoingHttpHeaders,
  settings: Record<string, unknown> = {},
  query = '',
) {
  const hook = receiver.hook()
  const { id } = await gateway.subscribe({ target_url: hook.url, ...settings })
  const answer = await gateway.send(`/ingest/${id}${query}`, { method: 'POST', body, headers })
  expect([answer.status, answer.text]).toEqual([202, expect.stringContaining('"queued"')])
  await soon(() => hook.received.length).toBe(1)
  const [received] = hook.received
  return {
    type: received?.headers['x-event-type'],
    contentType: received?.headers['content-type'],
    body: received?.body.toString(),
  }
}

/** Sends what has to be refused, and returns the problems. */
async function problems(path: string, body: string, headers: OutgoingHttpHeaders) {
  const before = gateway.rows()
  const answer = await gateway.send(path, { method: 'POST', body, headers })
  expect([answer.status, gateway.rows()]).toEqual([422, before])
  return answer.json<{ detail: Issue[] }>().detail
}

describe("a provider's words", () => {
  test('GitHub names the event in a header of its own', async () => {
    const body = '{"ref":"refs/heads/main"}'
    const headers = {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': '72d3162e',
      'x-hub-signature-256': hub(body, 's'),
    }
    const settings = { secret: 's', event_types: ['push'] }
    expect(await through(body, headers, settings)).toEqual({ type: 'push', contentType: 'application/json', body })
  })

  test.each([
    [{ 'x-gitlab-event': 'Merge Request Hook' }, 'Merge.Request.Hook'],
    [{ 'x-shopify-topic': 'orders/create' }, 'orders.create'],
    [{ 'x-event-key': 'repo:push' }, 'repo.push'],
    [{ 'ce-type': 'com.example/invoice.paid' }, 'com.example.invoice.paid'],
    [{ 'x-event-type': 'orders/create' }, 'orders.create'],
    [{ 'x-event-type': 'own', 'x-github-event': 'push' }, 'own'],
  ])('%j are the event type %s', async (headers, type) => {
    expect((await through('{}', headers)).type).toBe(type)
  })

  test('what the URL says of the type goes before what providers say, and after X-Event-Type', async () => {
    expect((await through('{}', { 'x-github-event': 'push' }, {}, '?event_type=a/b')).type).toBe('a.b')
  })

  test('is enough to reach every subscription that wants the type', async () => {
    await gateway.unsubscribeAll()
    await gateway.subscribe({ target_url: receiver.hook().url, event_types: ['Push.Hook'] })
    const headers = { 'x-gitlab-event': 'Push Hook' }
    expect(await gateway.ask('/ingest', { json: {}, headers })).toMatchObject({ deliveries: 1 })
    const [problem] = await problems('/ingest', '{}', { 'x-gitlab-event': '' })
    expect(problem).toMatchObject({ type: 'missing', loc: ['query', 'event_type'] })
  })

  test('that cannot be a type are refused, and the header named', async () => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
    const [problem] = await problems(`/ingest/${id}`, '{}', { 'x-shopify-topic': '///' })
    expect(problem?.loc).toEqual(['header', 'X-Shopify-Topic'])
  })

  test('a CloudEvent in structured mode names its type and itself in the body', async () => {
    const hook = receiver.hook()
    const { id } = await gateway.subscribe({ target_url: hook.url, event_types: ['a.b'] })
    const headers = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
    const event = { specversion: '1.0', id: '1', source: '/s', type: 'a/b' }
    const post = (json: unknown) => gateway.ask<Accepted>(`/ingest/${id}`, { json, headers })
    const first = await post(event)
    expect(first.status).toBe('queued')
    expect(await post(event)).toEqual(first)
    expect((await post({ ...event, source: '/t' })).id).not.toBe(first.id)
    await soon(() => hook.received.length).toBe(2)
    expect(hook.received[0]?.headers['content-type']).toBe(headers['content-type'])
    for (const other of [null, 1, { type: 5 }]) expect(await post(other)).toMatchObject({ status: 'filtered' })
  })
})

test.each([
  { 'webhook-id': 'msg_1' },
  { 'svix-id': 'msg_2' },
  { 'x-shopify-webhook-id': 'b54557e4' },
  { 'ce-id': '1', 'ce-source': '/s' },
])('a repeat of %j gets the first answer', async (headers) => {
  const hook = receiver.hook()
  const subscription = await gateway.subscribe({ target_url: hook.url })
  const first = await gateway.ingest(subscription, { n: 1 }, headers)
  expect(await gateway.ingest(subscription, { n: 1 }, headers)).toEqual(first)
  await gateway.messageWhen(first.id, 'delivered')
  expect(hook.received).toHaveLength(1)
})

test('a delivery that is repeated between two gateways is one event at the second', async () => {
  const hook = receiver.hook()
  const second = await gateway.subscribe({ target_url: hook.url, secret: 'between the two' })
  const target = `${gateway.url}/ingest/${second.id}`
  const first = await gateway.subscribe({ target_url: target, secret: 'between the two' })
  const { id } = await gateway.ingest(first, {}, { 'x-hub-signature-256': hub('{}', 'between the two') })
  await gateway.messageWhen(id, 'delivered')
  await gateway.send(`/deliveries/${id}/retry`, { method: 'POST' })
  await soon(async () => (await gateway.attempts(first)).length).toBe(2)
  expect((await gateway.attempts(first)).map(({ status_code }) => status_code)).toEqual([202, 202])
  expect(hook.received).toHaveLength(1)
})

describe("a subscription's secret", () => {
  const ED25519 = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
  const body = '{"n": 1}'
  const seconds = () => Math.floor(Date.now() / 1_000)

  function signed(secret: string, { family = 'webhook', at = seconds(), id = 'msg_a' } = {}) {
    return {
      [`${family}-id`]: id,
      [`${family}-timestamp`]: String(at),
      [`${family}-signature`]: `v1,bm9uZQ== ${signStandard(parseSecret(secret), id, at, Buffer.from(body))}`,
    }
  }

  test.each(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'a text of its own', ED25519])(
    '%s takes signatures of Standard Webhooks, in both families of headers',
    async (secret) => {
      for (const family of ['webhook', 'svix'])
        expect((await through(body, signed(secret, { family }), { secret })).body).toBe(body)
    },
  )

  const secret = 'the right one'
  test.each([
    ['by another secret', () => signed('another')],
    ['by another kind of secret', () => signed(ED25519)],
    ['that is too old', () => signed(secret, { at: seconds() - 301 })],
    ['of the future', () => signed(secret, { at: seconds() + 302 })],
    ['without its id', () => ({ ...signed(secret), 'webhook-id': undefined })],
    ['with its id in the other family', () => ({ ...signed(secret), 'webhook-id': undefined, 'svix-id': 'msg_a' })],
    ['of another id', () => ({ ...signed(secret), 'webhook-id': 'msg_b' })],
    [
      'that stands there twice',
      () => {
        const one = signed(secret)
        return { ...one, 'webhook-signature': [one['webhook-signature']!, one['webhook-signature']!] }
      },
    ],
  ])('refuses a signature %s', async (_name, headers) => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url, secret })
    const before = gateway.rows()
    const given = Object.fromEntries(Object.entries(headers()).filter(([, value]) => value !== undefined))
    const answer = await gateway.send(`/ingest/${id}`, { body, headers: given })
    expect([answer.status, answer.json()]).toEqual([401, { detail: 'invalid signature' }])
    expect(gateway.rows()).toEqual(before)
  })

  test('needs one valid signature, whatever else there is', async () => {
    const headers = { ...signed('another'), 'x-hub-signature-256': hub(body, secret) }
    expect((await through(body, headers, { secret })).body).toBe(body)
    const wrongHub = { ...signed(secret), 'x-hub-signature-256': hub(body, 'another') }
    expect((await through(body, wrongHub, { secret })).body).toBe(body)
    const wrongFamily = { ...signed('another'), ...signed(secret, { family: 'svix' }) }
    expect((await through(body, wrongFamily, { secret })).body).toBe(body)
  })
})

describe('the content type', () => {
  test.each([
    'application/x-www-form-urlencoded',
    'text/plain',
    'application/octet-stream',
    '*/*',
    'application/json,application/json',
    '',
    'json',
    '"application/json"',
    'application/json charset=utf-8',
    'undefined',
  ])('%j of JSON is delivered as application/json', async (contentType) => {
    expect(await through('{"n":1}', { 'content-type': contentType })).toMatchObject({
      contentType: 'application/json',
      body: '{"n":1}',
    })
  })

  test.each(['application/json; charset=utf-8', 'application/vnd.api+json'])('%s is kept', async (contentType) => {
    expect((await through('{}', { 'content-type': contentType })).contentType).toBe(contentType)
  })

  const ODD = ['application/json,application/json', '', 'json', 'application/json charset=utf-8']
  test.each(ODD)('%j is taken on every route', async (type) => {
    const headers = { 'content-type': type }
    const subscription = JSON.stringify({ target_url: receiver.hook().url })
    const post = async (path: string, body: string, more = {}) =>
      (await gateway.send(path, { body, headers: { ...headers, ...more } })).status
    expect(await post('/subscriptions', subscription)).toBe(201)
    expect(await post('/notifications', `{"id":"content type ${type}","type":"a"}`)).toBe(202)
    expect(await post('/ingest', '{}', { 'x-event-type': 'a' })).toBe(202)
    // Refused for what is missing, and not for the type.
    expect(await post('/api/v1/app', '{}')).toBe(401)
    expect(await post('/webhook', '{}')).toBe(401)
  })
})

describe('a form', () => {
  const JSON_TEXT = '{"zen": "Half & half = 100 % grün"}'
  const form = new URLSearchParams({ payload: JSON_TEXT }).toString()
  const type = { 'content-type': 'application/x-www-form-urlencoded' }

  test("is GitHub's way to send JSON, signed as it comes", async () => {
    const headers = { ...type, 'x-github-event': 'ping', 'x-hub-signature-256': hub(form, 's') }
    expect(await through(form, headers, { secret: 's' })).toEqual({
      type: 'ping',
      contentType: 'application/json',
      body: JSON_TEXT,
    })
  })

  test.each([
    ['of somebody else', form, {}],
    ['without a payload', 'a=b', { 'x-github-event': 'ping' }],
    ['whose payload is no JSON', 'payload=%7B', { 'x-github-event': 'ping' }],
  ])('%s is refused, and what to set is said', async (_name, body, headers) => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
    const [problem] = await problems(`/ingest/${id}`, body, { ...type, ...headers })
    expect(problem).toMatchObject({ loc: ['body'], type: 'json_invalid' })
    expect(problem?.msg).toContain('content type application/json')
  })
})
