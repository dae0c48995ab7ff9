import { afterAll, expect, test } from 'vitest'
import { type Accepted, type Issue, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

/** A hook, and the subscription that brings it events of type `a`. Subscriptions of earlier tests are gone. */
async function setUp() {
  await gateway.unsubscribeAll()
  const hook = receiver.hook()
  return { hook, subscription: await gateway.subscribe({ target_url: hook.url, event_types: ['a'] }) }
}

/** What `act` adds to the tables. */
async function added(act: () => Promise<unknown>) {
  const before = gateway.rows()
  await act()
  const after = gateway.rows()
  const of = (table: keyof typeof after) => after[table] - before[table]
  return { msg: of('msg'), delivery: of('delivery'), idempotency: of('idempotency') }
}

test.each(['Idempotency-Key', 'X-GitHub-Delivery'])('a repeat of an %s gets the first answer', async (header) => {
  const { hook, subscription } = await setUp()
  const rows = await added(async () => {
    const key = { [header]: 'one and the same' }
    const first = await gateway.ingest(subscription, { n: 1 }, { ...key, 'x-event-type': 'a' })
    expect(await gateway.ingest(subscription, { n: 1 }, { ...key, 'x-event-type': 'a' })).toEqual(first)
    expect(await gateway.ingest(subscription, { n: 2 }, { ...key, 'x-event-type': 'b' })).toEqual(first)

    const filtered = await gateway.ingest(subscription, 1, { [header]: 'filtered', 'x-event-type': 'b' })
    expect(filtered).toMatchObject({ status: 'filtered' })
    expect(await gateway.ingest(subscription, 1, { [header]: 'filtered', 'x-event-type': 'a' })).toEqual(filtered)
    await gateway.messageWhen(first.id, 'delivered')
  })
  expect(hook.received.map((request) => request.body.toString())).toEqual(['{"n":1}'])
  expect(rows).toEqual({ msg: 2, delivery: 1, idempotency: 2 })
})

test('an Idempotency-Key counts for more than an X-GitHub-Delivery, and for one subscription only', async () => {
  const { subscription } = await setUp()
  const other = await gateway.subscribe({ target_url: receiver.hook().url })
  const one = await gateway.ingest(subscription, 1, { 'idempotency-key': 'k', 'x-github-delivery': 'd1' })
  const two = await gateway.ingest(subscription, 1, { 'idempotency-key': 'k', 'x-github-delivery': 'd2' })
  const three = await gateway.ingest(subscription, 1, { 'x-github-delivery': 'd1' })
  const four = await gateway.ingest(other, 1, { 'idempotency-key': 'k' })
  expect(two).toEqual(one)
  expect(new Set([one.id, three.id, four.id]).size).toBe(3)
})

test('a refused request does not use its key up', async () => {
  const { subscription } = await setUp()
  const headers = { 'idempotency-key': 'refused', 'x-event-type': 'a' }
  expect((await gateway.send(`/ingest/${subscription.id}`, { body: 'no JSON', headers })).status).toBe(422)
  expect(await gateway.ingest(subscription, {}, headers)).toMatchObject({ status: 'queued', deliveries: 1 })
})

test('a key has 1 to 256 characters', async () => {
  const { subscription } = await setUp()
  const before = gateway.rows()
  const tooLong = 'k'.repeat(257)
  for (const [name, key] of [
    ['Idempotency-Key', ''],
    ['Idempotency-Key', tooLong],
    ['X-GitHub-Delivery', tooLong],
  ] as const) {
    const answer = await gateway.send(`/ingest/${subscription.id}`, { json: {}, headers: { [name]: key } })
    expect([answer.status, answer.json<{ detail: Issue[] }>().detail[0]?.loc]).toEqual([422, ['header', name]])
  }
  expect(gateway.rows()).toEqual(before)
  const withoutKey = { 'x-github-delivery': '' }
  const ids = [await gateway.ingest(subscription, {}, withoutKey), await gateway.ingest(subscription, {}, withoutKey)]
  expect(ids[0]?.id).not.toBe(ids[1]?.id)
  await gateway.ingest(subscription, {}, { 'idempotency-key': 'k'.repeat(256) })
})

test('a thousand concurrent posts of one key are one message and one delivery', async () => {
  const { hook, subscription } = await setUp()
  const headers = { 'idempotency-key': 'storm', 'x-event-type': 'a' }
  const rows = await added(async () => {
    const posts = Array.from({ length: 1_000 }, (_, n) => gateway.ingest(subscription, { n }, headers))
    const answers = await Promise.all(posts)
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
    expect(answers[0]).toMatchObject({ status: 'queued', deliveries: 1 })
    await gateway.messageWhen(answers[0]?.id ?? '', 'delivered')
  })
  expect(hook.received).toHaveLength(1)
  expect(await gateway.attempts(subscription)).toHaveLength(1)
  expect(rows).toEqual({ msg: 1, delivery: 1, idempotency: 1 })
})

test('POST /ingest delivers to every subscription that wants the type', async () => {
  const { hook } = await setUp()
  const [all, prefix, other, off] = [receiver.hook(), receiver.hook(), receiver.hook(), receiver.hook()]
  await gateway.subscribe({ target_url: all.url, secret: 'guards POST /ingest/{id} only' })
  await gateway.subscribe({ target_url: prefix.url, event_types: ['a.*'] })
  await gateway.subscribe({ target_url: other.url, event_types: ['b'] })
  await gateway.subscribe({ target_url: off.url, enabled: false })

  const byHeader = await gateway.ask<Accepted>('/ingest', { json: 1, headers: { 'x-event-type': 'a' } })
  const byQuery = await gateway.ask<Accepted>('/ingest/?event_type=a.b', { json: 2 })
  expect([byHeader, byQuery]).toMatchObject([
    { status: 'queued', deliveries: 2 },
    { status: 'queued', deliveries: 2 },
  ])
  const { deliveries } = await gateway.messageWhen(byHeader.id, 'delivered')
  expect(deliveries.map((delivery) => delivery.target_url).sort()).toEqual([hook.url, all.url].sort())
  await gateway.messageWhen(byQuery.id, 'delivered')
  const bodies = [hook, all, prefix, other, off].map(({ received }) =>
    received.map(({ body }) => body.toString()).sort(),
  )
  expect(bodies).toEqual([['1'], ['1', '2'], ['2'], [], []])
})

test('POST /ingest needs an event type and JSON, and says both at once', async () => {
  const before = gateway.rows()
  const answer = await gateway.send('/ingest', { body: 'no JSON' })
  expect(answer.status).toBe(422)
  expect(answer.json<{ detail: Issue[] }>().detail.map((issue) => [issue.loc, issue.type])).toEqual([
    [['query', 'event_type'], 'missing'],
    [['body'], 'json_invalid'],
  ])
  expect(gateway.rows()).toEqual(before)
})

test('POST /ingest that nobody wants is filtered, and its repeat gets the first answer', async () => {
  const { hook } = await setUp()
  const headers = { 'x-event-type': 'c', 'idempotency-key': 'k' }
  const first = await gateway.ask<Accepted>('/ingest', { json: 1, headers })
  expect(first).toMatchObject({ status: 'filtered', deliveries: 0 })
  expect(await gateway.ask('/ingest', { json: 1, headers: { ...headers, 'x-event-type': 'a' } })).toEqual(first)
  const wanted = await gateway.ask<Accepted>('/ingest?event_type=a', { json: 2 })
  await soon(() => hook.received.map((request) => request.headers['webhook-id'])).toEqual([wanted.id])
})
