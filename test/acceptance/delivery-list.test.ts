import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Attempt, eventually, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

interface Row {
  message_id: string
  subscription_id: string | null
  event_type: string
  status: string
  attempts: number
  received_at: string
  next_attempt_at: string | null
}
interface Page<T> {
  data: T[]
  next_cursor: string | null
}

const get = (path: string) => gateway.send(path)
const page = async <T>(path: string) => (await get(path)).json<Page<T>>()

/** All pages of a list, from the first to the one without a cursor. */
async function all<T>(path: string): Promise<T[]> {
  const rows: T[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { data, next_cursor }: Page<T> = await page(`${path}${cursor === '' ? '' : `&cursor=${cursor}`}`)
    rows.push(...data)
    cursor = next_cursor
  }
  return rows
}

describe('the list of deliveries', () => {
  let good: string
  let bad: string
  let ids: string[]
  beforeAll(async () => {
    good = (await gateway.subscribe({ target_url: receiver.hook(200).url, event_types: ['list.a', 'list.b'] })).id
    bad = (await gateway.subscribe({ target_url: receiver.hook(500).url, event_types: ['list.b'], retry_schedule: [] }))
      .id
    ids = []
    for (const type of ['list.a', 'list.b', 'list.none']) {
      const answer = await gateway.send('/ingest', { json: { type }, headers: { 'x-event-type': type } })
      ids.push(answer.json<{ id: string }>().id)
    }
    await eventually(async () => (await gateway.message(ids[0]!)).status === 'delivered')
    await eventually(async () => (await gateway.message(ids[1]!)).status === 'failed')
  })

  test('has a row for each delivery, and one for a message without any, newest first', async () => {
    const { data, next_cursor } = await page<Row>('/deliveries')
    expect(next_cursor).toBeNull()
    expect(data.map((row) => [row.message_id, row.subscription_id, row.event_type, row.status, row.attempts])).toEqual([
      [ids[2], null, 'list.none', 'filtered', 0],
      ...[
        [ids[1], good, 'list.b', 'delivered', 1],
        [ids[1], bad, 'list.b', 'failed', 1],
      ].sort(([, a], [, b]) => (a! > b! ? -1 : 1)),
      [ids[0], good, 'list.a', 'delivered', 1],
    ])
  })

  test('is narrowed by status, subscription, event type and time', async () => {
    const count = async (query: string) => (await all<Row>(`/deliveries?limit=1&${query}`)).length
    expect(await count('status=failed')).toBe(1)
    expect(await count('status=filtered')).toBe(1)
    expect(await count(`subscription_id=${good}`)).toBe(2)
    expect(await count(`subscription_id=${good}&status=failed`)).toBe(0)
    expect(await count('event_type=list.b')).toBe(2)
    const newest = (await page<Row>('/deliveries')).data[0]!
    expect(await count(`since=${newest.received_at}`)).toBeGreaterThan(0)
    expect(await count('since=2100-01-01T00:00:00Z')).toBe(0)
    expect(await count('subscription_id=svix')).toBe(0)
    expect(await all('/deliveries?limit=1')).toEqual((await page('/deliveries')).data)
  })

  test.each([
    'status=lost',
    'status=',
    'subscription_id=nobody',
    'event_type=a,b',
    'since=yesterday',
    'since=2025-02-30T00:00:00Z',
    'limit=0',
    'limit=251',
    'cursor=x',
    `cursor=${Buffer.from('msg_1 ep_2').toString('base64url')}`,
  ])('refuses %s, and names the parameter', async (query) => {
    const answer = await get(`/deliveries?${query}`)
    expect(answer.status).toBe(422)
    expect(answer.json()).toMatchObject({ detail: [{ loc: ['query', query.split('=')[0]] }], code: 'validation' })
  })
})

describe('the attempts of a subscription', () => {
  test('are read page by page, and still after it was deleted', async () => {
    const subscription = await gateway.subscribe({
      target_url: receiver.hook(500, 500, 500, 200).url,
      retry_schedule: ['20ms', '20ms', '20ms'],
    })
    const { id } = await gateway.ingest(subscription)
    await gateway.messageWhen(id, 'delivered')
    const path = `/subscriptions/${subscription.id}/attempts?limit=1`
    await soon(async () => (await all<Attempt>(path)).map((one) => one.attempt)).toEqual([4, 3, 2, 1])
    expect((await all<Attempt>(`${path}&outcome=failed_attempt`)).map((one) => one.attempt)).toEqual([3, 2, 1])
    await gateway.send(`/subscriptions/${subscription.id}`, { method: 'DELETE' })
    expect(await all<Attempt>(path)).toHaveLength(4)
    expect((await get('/subscriptions/ep_000000000000000000000000000/attempts')).status).toBe(404)
    const refused = await get(`${path}&cursor=nonsense`)
    expect([refused.status, refused.json<{ detail: unknown[] }>().detail]).toMatchObject([
      422,
      [{ loc: ['query', 'cursor'], msg: 'is not a next_cursor of this list' }],
    ])
  })
})
