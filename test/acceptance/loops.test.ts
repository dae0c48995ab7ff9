/** Events that come back: a subscription may point at the gateway itself, or at one that sends everything back. */
import { createHmac } from 'node:crypto'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type Issue, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const JWT_SECRET = 'signs the tokens of these tests'
const gateway = await startGateway({ MAX_HOPS: '3', JWT_SECRET })
const receiver = await startReceiver()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})
afterEach(() => gateway.unsubscribeAll())

/** Nothing of the gateway's waits or is under way any more. */
const quiet = async (): Promise<boolean> =>
  /^hookferry_deliveries_pending 0$/m.test((await gateway.send('/metrics')).text)

const token = await createTokens(hs256(JWT_SECRET), systemClock).sign(
  { sub: 'org_00000000000000000000default' },
  Date.now() + 3_600_000,
)

describe('a door for events', async () => {
  const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
  const inboxMessage = (n: string) =>
    JSON.stringify({ message_id: `m${n}`, from: '+911', to: '+141', ts: '2025-01-15T10:00:00Z' })
  const signed = (body: string) => createHmac('sha256', 'the inbox secret').update(body).digest('hex')
  const app = { authorization: `Bearer ${token}` }
  await gateway.ask('/api/v1/app', { json: { name: 'App', uid: 'app' }, headers: app })

  const doors: [string, (n: string) => { body: string; headers?: Record<string, string> }][] = [
    [`/ingest/${id}`, () => ({ body: '{}' })],
    ['/ingest?event_type=a', () => ({ body: '{}' })],
    ['/notifications', (n) => ({ body: JSON.stringify({ id: n, type: 'a' }) })],
    ['/webhook', (n) => ({ body: inboxMessage(n), headers: { 'x-signature': signed(inboxMessage(n)) } })],
    ['/api/v1/app/app/msg', () => ({ body: '{"eventType":"a","payload":{}}', headers: app })],
  ]

  describe.each(doors)('%s', (path, request) => {
    const sendWith = (hops: string) => {
      const { body, headers } = request(hops)
      return gateway.send(path, { body, headers: { ...headers, 'hookferry-hops': hops } })
    }

    test('takes an event that came through MAX_HOPS gateways', async () => {
      expect((await sendWith('3')).status).toBeLessThan(300)
    })

    test.each(['4', '100000000000000000000000'])(
      'refuses one that came through %s, and stores nothing',
      async (hops) => {
        const before = gateway.rows()
        const answer = await sendWith(hops)
        expect([answer.status, answer.json<{ code: string }>().code]).toEqual([508, 'loop_detected'])
        expect(answer.headers['hookferry-hops']).toBe(hops)
        expect(gateway.rows()).toEqual(before)
      },
    )

    test.each(['', '-1', '1.5', 'one', '1, 1'])('refuses the number "%s"', async (hops) => {
      const answer = await sendWith(hops)
      expect(answer.status).toBe(422)
      expect(answer.json<{ detail: Issue[] }>().detail[0]?.loc).toEqual(['header', 'Hookferry-Hops'])
    })
  })

  test('remembers the number, and its deliveries carry one more, at every attempt', async () => {
    const hook = receiver.hook(500, 200)
    const subscription = await gateway.subscribe({ target_url: hook.url })
    await gateway.ingest(subscription, {}, { 'hookferry-hops': '2' })
    await soon(() => hook.received.map(({ headers }) => headers['hookferry-hops'])).toEqual(['3', '3'])
    await gateway.ingest(subscription)
    await soon(() => hook.received.length).toBe(3)
    expect(hook.received[2]?.headers['hookferry-hops']).toBe('1')
  })

  test('answers a repeat as the first time', async () => {
    const send = (hops: string) =>
      gateway.send(`/ingest/${id}`, { body: '{}', headers: { 'idempotency-key': 'once', 'hookferry-hops': hops } })
    expect((await send('2')).text).toBe((await send('1')).text)
  })
})

test('a delivery to a route that takes no events is refused: it could set itself going again', async () => {
  const hook = receiver.hook(200)
  const subscription = await gateway.subscribe({ target_url: hook.url })
  const { id } = await gateway.ingest(subscription)
  await gateway.messageWhen(id, 'delivered')
  for (const [path, headers] of [
    [`/deliveries/${id}/retry`, {}],
    ['/subscriptions', {}],
    [`/api/v1/app/default/msg/${id}/endpoint/${subscription.id}/resend`, { authorization: `Bearer ${token}` }],
    [`/api/v1/app/default/endpoint/${subscription.id}/send-example`, { authorization: `Bearer ${token}` }],
  ] as const) {
    const answer = await gateway.send(path, { json: {}, headers: { ...headers, 'hookferry-hops': '1' } })
    expect([path, answer.status, answer.json<{ code: string }>().code]).toEqual([path, 508, 'loop_detected'])
  }
  expect(hook.received).toHaveLength(1)
})

describe('an event that comes back', () => {
  test('to its own subscription is stored once for each gateway on its way, and then ends for good', async () => {
    const before = gateway.rows()
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url, secret: 'the secret of both sides' })
    await gateway.ask(`/subscriptions/${id}`, { method: 'PATCH', json: { target_url: `${gateway.url}/ingest/${id}` } })
    const signature = createHmac('sha256', 'the secret of both sides').update('{}').digest('hex')
    await gateway.ask(`/ingest/${id}`, { body: '{}', headers: { 'x-hub-signature-256': `sha256=${signature}` } })
    await soon(async () => (await gateway.attempts({ id })).length).toBe(4)
    await soon(quiet).toBe(true)
    const attempts = await gateway.attempts({ id })
    expect(attempts.map(({ outcome, status_code }) => [outcome, status_code])).toEqual([
      ['failure', 508],
      ['success', 202],
      ['success', 202],
      ['success', 202],
    ])
    expect(attempts[0]?.error).toMatch(/it is in a loop|in a loop \(MAX_HOPS\)/)
    expect(gateway.rows().msg - before.msg).toBe(4)
    expect((await gateway.ask<{ enabled: boolean }>(`/subscriptions/${id}`)).enabled).toBe(true)
  })

  test('from two subscriptions at once is a repeat the second time, and ends as well', async () => {
    const before = gateway.rows()
    for (let i = 0; i < 2; i++) await gateway.subscribe({ target_url: `${gateway.url}/ingest` })
    await gateway.ask('/ingest?event_type=a', { json: {} })
    // Both deliveries of a message have its id, which is the key by which a repeat is known.
    const messages = 4
    await soon(() => gateway.rows().delivery - before.delivery).toBe(2 * messages)
    await soon(quiet).toBe(true)
    expect(gateway.rows().msg - before.msg).toBe(messages)
  })
})

test('with MAX_HOPS=0 no delivery of a Hookferry is taken at all', async () => {
  await using strict = await startGateway({ MAX_HOPS: '0' })
  const send = (headers: Record<string, string>) => strict.send('/ingest?event_type=a', { body: '{}', headers })
  expect((await send({ 'hookferry-hops': '1' })).status).toBe(508)
  expect((await send({ 'hookferry-hops': '0' })).status).toBe(202)
  expect((await send({})).status).toBe(202)
})
