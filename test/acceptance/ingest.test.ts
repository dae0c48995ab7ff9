import { createHmac } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { type Accepted, type Issue, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway({ MAX_BODY: '8kb' })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const SECRET = 'the secret of both sides'
const INVALID_SIGNATURE = { detail: 'invalid signature' }
const sign = (body: string | Buffer, key: string | Buffer = SECRET) =>
  `sha256=${createHmac('sha256', key).update(body).digest('hex')}`

/** Sends what has to be refused, and sees to it that nothing is left of it. */
async function refused(path: string, sending: Parameters<typeof gateway.send>[1]) {
  const before = gateway.rows()
  const answer = await gateway.send(path, { method: 'POST', ...sending })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(gateway.rows()).toEqual(before)
  return answer
}

describe('a subscription with a secret', async () => {
  const hook = receiver.hook()
  const { id } = await gateway.subscribe({ target_url: hook.url, secret: SECRET })
  const body = '{"id": 1,  "text": "grüße"}'
  const post = (signature: string | string[] | undefined, sent: string | Buffer = body) => ({
    body: sent,
    headers: { ...(signature !== undefined && { 'x-hub-signature-256': signature }) },
  })

  test('takes a signature over the raw bytes, with its hex in either case', async () => {
    const upper = `sha256=${sign(body).slice(7).toUpperCase()}`
    for (const signature of [sign(body), upper]) {
      const answer = await gateway.send(`/ingest/${id}`, post(signature))
      expect(answer.status).toBe(202)
      expect(answer.json()).toEqual({
        id: expect.stringMatching(/^msg_[0-9A-Za-z]{27}$/),
        status: 'queued',
        deliveries: 1,
      })
    }
    await soon(() => hook.received.map((request) => request.body.toString())).toEqual([body, body])
  })

  test.each([
    ['no signature', undefined, body],
    ['an empty one', '', body],
    ['one by another key', sign(body, 'other'), body],
    ['one without its prefix', sign(body).slice(7), body],
    ['half of one', sign(body).slice(0, 39), body],
    ['one of SHA-1', `sha1=${createHmac('sha1', SECRET).update(body).digest('hex')}`, body],
    ['one that stands in the header twice', [sign(body), sign(body)], body],
    ['a body that differs by a space', sign(body), `${body} `],
    ['a body that says the same in other bytes', sign(body), body.replace('ü', '\\u00fc')],
    ['an empty body', sign(body), ''],
  ])('refuses %s', async (_name, signature, sent) => {
    const answer = await refused(`/ingest/${id}`, post(signature, sent))
    expect([answer.status, answer.json()]).toEqual([401, INVALID_SIGNATURE])
  })

  test('checks the signature before it looks at the body or at what was asked before', async () => {
    expect((await refused(`/ingest/${id}`, post(undefined, 'not JSON'))).json()).toEqual(INVALID_SIGNATURE)
    expect((await refused(`/ingest/${id}`, post(sign('not JSON'), 'not JSON'))).status).toBe(422)
    const headers = { 'idempotency-key': 'signed once' }
    const first = { ...post(sign(body)).headers, ...headers }
    expect((await gateway.send(`/ingest/${id}`, { body, headers: first })).status).toBe(202)
    expect((await refused(`/ingest/${id}`, { body, headers })).json()).toEqual(INVALID_SIGNATURE)
  })

  test('reads a whsec_ secret as the bytes that it encodes, and checks the new secret right after a change', async () => {
    const changed = await gateway.subscribe({ target_url: hook.url, secret: 'old' })
    expect((await gateway.send(`/ingest/${changed.id}`, post(sign(body, 'old')))).status).toBe(202)
    const key = Buffer.from('a key of some bytes')
    const json = { secret: `whsec_${key.toString('base64')}` }
    await gateway.send(`/subscriptions/${changed.id}`, { method: 'PATCH', json })
    expect((await refused(`/ingest/${changed.id}`, post(sign(body, 'old')))).status).toBe(401)
    expect((await gateway.send(`/ingest/${changed.id}`, post(sign(body, key)))).status).toBe(202)
  })
})

describe('the event type', () => {
  const received = async (query: string, headers: Record<string, string>) => {
    const hook = receiver.hook()
    const { id } = await gateway.subscribe({ target_url: hook.url })
    const accepted = await gateway.ask<Accepted>(`/ingest/${id}${query}`, { json: {}, headers })
    await soon(() => hook.received.length).toBe(1)
    expect((await gateway.message(accepted.id)).event_type).toBe(hook.received[0]?.headers['x-event-type'])
    return hook.received[0]?.headers['x-event-type']
  }

  test('comes from X-Event-Type, else from event_type, else it is webhook', async () => {
    expect(await received('?event_type=from.query', { 'x-event-type': 'from.header' })).toBe('from.header')
    expect(await received('/?event_type=from.query', {})).toBe('from.query')
    expect(await received('', {})).toBe('webhook')
  })

  test.each([
    ['header', '', { 'x-event-type': 'no.name.*' }],
    ['header', '', { 'x-event-type': ['a', 'b'] }],
    ['query', '?event_type=', {}],
    ['query', `?event_type=${'x'.repeat(257)}`, {}],
    ['query', '?event_type=a&event_type=b', {}],
  ])('that is no name is refused, and the %s named', async (place, query, headers) => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
    const answer = await refused(`/ingest/${id}${query}`, { json: {}, headers })
    expect([answer.status, answer.json<{ detail: Issue[] }>().detail[0]?.loc[0]]).toEqual([422, place])
  })
})

test('only wanted event types are delivered, the others are kept as filtered', async () => {
  const hook = receiver.hook()
  const subscription = await gateway.subscribe({ target_url: hook.url, event_types: ['order.created', 'user.*'] })
  const wanted = ['order.created', 'user.created', 'user.address.changed']
  const unwanted = ['order.created.late', 'order', 'user', 'users.created', 'User.created', 'webhook']
  for (const type of unwanted) {
    const answer = await gateway.ingest(subscription, { type }, { 'x-event-type': type })
    expect(answer).toMatchObject({ status: 'filtered', deliveries: 0 })
    expect(await gateway.message(answer.id)).toMatchObject({ status: 'filtered', event_type: type, deliveries: [] })
  }
  for (const type of wanted) {
    const answer = await gateway.ingest(subscription, { type }, { 'x-event-type': type })
    expect(answer).toMatchObject({ status: 'queued', deliveries: 1 })
  }
  await soon(() => hook.received.length).toBe(wanted.length)
  expect(hook.received.map((request) => request.headers['x-event-type'])).toEqual(wanted)
})

test('a disabled subscription says that it is, keeps the event, and delivers the next ones once it is enabled', async () => {
  const hook = receiver.hook()
  const subscription = await gateway.subscribe({ target_url: hook.url, enabled: false })
  expect(await gateway.ingest(subscription, 1)).toMatchObject({ status: 'disabled', deliveries: 0 })
  await gateway.send(`/subscriptions/${subscription.id}`, { method: 'PATCH', json: { enabled: true } })
  expect(await gateway.ingest(subscription, 2)).toMatchObject({ status: 'queued', deliveries: 1 })
  await soon(() => hook.received.map((request) => request.body.toString())).toEqual(['2'])
})

test('an unknown or deleted subscription is a 404', async () => {
  const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
  await gateway.ingest({ id })
  await gateway.send(`/subscriptions/${id}`, { method: 'DELETE' })
  for (const unknown of [id, 'ep_2p1dTq0vAc3m5n7R9sXyZbCdEfG', 'nonsense']) {
    const answer = await refused(`/ingest/${unknown}`, { json: {} })
    expect([answer.status, answer.json()]).toEqual([404, expect.objectContaining({ code: 'subscription_not_found' })])
  }
})

describe('the body', async () => {
  const hook = receiver.hook()
  const { id } = await gateway.subscribe({ target_url: hook.url })

  test.each([
    ['empty', ''],
    ['missing', undefined],
    ['only space', ' '],
    ['text', 'hello'],
    ['JSON and something behind it', '{} {}'],
    ['JSON with a comment', '{} // x'],
    ['no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22])],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
  ])('that is %s is a 422', async (_name, body) => {
    const answer = await refused(`/ingest/${id}`, body === undefined ? {} : { body })
    expect(answer.status).toBe(422)
    expect(answer.json()).toEqual({
      detail: [{ loc: ['body'], msg: expect.any(String), type: 'json_invalid' }],
      code: 'validation',
    })
  })

  test.each(['null', '0', '"text"', '[1, 2]', ' {"a":1e2}\n', '{"__proto__":{"a":1}}', '{"a":1,"a":2}'])(
    'may be %s, and is delivered as it came, as JSON, whatever its media type',
    async (body) => {
      for (const headers of [
        {},
        { 'content-type': 'text/plain' },
        { 'content-type': 'application/x-www-form-urlencoded' },
      ]) {
        const seen = hook.received.length
        expect((await gateway.send(`/ingest/${id}`, { body, headers })).status).toBe(202)
        await soon(() => hook.received.length).toBe(seen + 1)
        expect(hook.received.at(-1)?.body.toString()).toBe(body)
        expect(hook.received.at(-1)?.headers['content-type']).toBe('application/json')
      }
    },
  )

  test('beyond MAX_BODY is a 413, whether its length is told or not', async () => {
    const largest = JSON.stringify('x'.repeat(8_190))
    for (const chunked of [false, true]) {
      expect((await gateway.send(`/ingest/${id}`, { body: largest, chunked })).status).toBe(202)
      const answer = await refused(`/ingest/${id}`, { body: `${largest} `, chunked })
      expect([answer.status, answer.json<{ code: string }>().code]).toEqual([413, 'body_too_large'])
    }
  })

  test('and the rest of the request are told all of their problems at once', async () => {
    const headers = { 'x-event-type': '*', 'idempotency-key': 'k'.repeat(257) }
    const answer = await refused(`/ingest/${id}`, { body: 'no JSON', headers })
    const places = answer.json<{ detail: Issue[] }>().detail.map((issue) => issue.loc.join('.'))
    expect(places).toEqual(['header.X-Event-Type', 'header.Idempotency-Key', 'body'])
  })
})
