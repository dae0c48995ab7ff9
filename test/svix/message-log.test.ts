/** What the log says of messages and attempts: a status always with its word, ids in the order of time, and stretches of time. */
import { afterAll, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { eventually } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { type List, refusal, startSvixGateway, type Thing } from './svix-gateway.ts'

const receiver = await startReceiver()
let aheadMs = 0
const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
const { org, ...gate } = await startSvixGateway({ RETRY_SCHEDULE: '1h' }, { clock })
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const hooks = {
  good: receiver.hook({ status: 200, body: '' }),
  bad: receiver.hook({ status: 500, body: 'no' }),
}
await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
for (const [uid, { url }] of Object.entries(hooks)) await org.ask('POST /app/acme/endpoint', { url, uid })

interface Told extends Thing {
  status: number
  statusText: string
}
const list = async (path: string) => (await org.ask<List<Told>>(`GET /app/acme/${path}`)).data
const send = (eventId: string, more: object = {}) =>
  org.ask('POST /app/acme/msg', { eventType: 'a', eventId, payload: {}, ...more })
const attempted = (eventId: string, count: number) =>
  eventually(async () => (await list(`attempt/msg/${eventId}`)).length >= count)

describe('a status is told together with its word', () => {
  const WORDS = ['success', 'pending', 'fail', 'sending', 'canceled']
  const told = (ones: Told[]) => new Set(ones.map(({ status, statusText }) => `${status} ${statusText}`))

  test('by every list and every read, whatever it is', async () => {
    for (const eventId of ['one', 'two', 'three']) await send(eventId)
    for (const eventId of ['one', 'two', 'three']) await attempted(eventId, 2)
    await org.ask('DELETE /app/acme/msg/two/content')
    const attempts = await list('attempt/msg/one')
    const single = await org.ask<Told>(`GET /app/acme/msg/one/attempt/${attempts[0]!.id}`)
    const ofEndpoints = [...(await list('attempt/endpoint/good')), ...(await list('attempt/endpoint/bad'))]
    const destinations = [...(await list('msg/one/endpoint')), ...(await list('msg/three/endpoint'))]
    const messages = [...(await list('endpoint/good/msg')), ...(await list('endpoint/bad/msg'))]
    const expanded = [
      ...(await list('endpoint/bad/msg?expanded_statuses=true')),
      ...(await list('msg/two/endpoint?expanded_statuses=true')),
    ]
    const all = [...attempts, single, ...ofEndpoints, ...destinations, ...messages, ...expanded]
    for (const { status, statusText } of all) expect(statusText).toBe(WORDS[status])
    expect(told(ofEndpoints)).toEqual(new Set(['0 success', '2 fail']))
    expect(told(messages)).toEqual(new Set(['0 success', '2 fail', '3 sending']))
    expect(told(destinations)).toEqual(new Set(['0 success', '3 sending']))
    // What waits for its first attempt is in no list of what was tried.
    expect(await list('endpoint/good/msg?status=1')).toEqual([])
    expect(told(expanded)).toContain('4 canceled')
  })
})

describe('ids', () => {
  test('sort by the time at which things were made, whatever they are', async () => {
    const made: string[] = []
    for (let n = 0; n < 20; n++) made.push((await send(`sorted-${n}`)).id)
    expect(made.toSorted()).toEqual(made)
    expect(made[0]).toMatch(/^msg_[0-9A-Za-z]{27}$/)
    const read = await list('msg?limit=20')
    expect(read.map(({ id }) => id)).toEqual(made.toReversed())
    const things = ['POST /app', 'PUT /app/nothing'].map((what) => () => org.ask(what, { name: 'x' }))
    const ids: string[] = []
    for (let n = 0; n < 10; n++) ids.push((await things[n % 2]!()).id)
    expect(ids.toSorted()).toEqual(ids)
    expect((await org.ask<List>('GET /app?limit=250')).data.map(({ id }) => id).slice(-10)).toEqual(ids)
  })

  test('are iterators, in both directions, of every list that grows', async () => {
    await attempted('sorted-19', 2)
    for (const path of ['msg', 'attempt/endpoint/good', 'endpoint/good/msg', 'endpoint']) {
      const all = await list(`${path}?limit=250`)
      const forwards: Told[] = []
      let page = await org.ask<List<Told>>(`GET /app/acme/${path}?limit=2`)
      for (; ; page = await org.ask(`GET /app/acme/${path}?limit=2&iterator=${page.iterator}`)) {
        forwards.push(...page.data)
        if (page.done) break
      }
      expect(forwards.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
      expect(page.iterator).toBe(all.at(-1)!.id)
      expect(page.prevIterator).toBe(`-${page.data[0]!.id}`)
      const backwards: Told[] = [...page.data]
      for (let at = page.prevIterator; at !== undefined;) {
        const before: List<Told> = await org.ask(`GET /app/acme/${path}?limit=2&iterator=${at}`)
        backwards.unshift(...before.data)
        at = before.prevIterator
      }
      expect(backwards.map(({ id }) => id)).toEqual(all.map(({ id }) => id))
    }
  })

  test.each([
    'msg_1srOrx2ZWZBpBUvZwXKQmoEYg',
    'msg_zzzzzzzzzzzzzzzzzzzzzzzzzzz',
    'msg_',
    '-msg_-',
    'app_1srOrx2ZWZBpBUvZwXKQmoEYga2',
  ])('that are malformed are no iterators: %s', async (iterator) => {
    expect(refusal(await org.call(`GET /app/acme/msg?iterator=${iterator}`))).toEqual([422, ['query.iterator']])
  })
})

describe('before and after', () => {
  const DAY_MS = 86_400_000
  const at = (instant: string) => instant.replace('T', ' ').replace('Z', '456 UTC')
  const FORMS: [string, (instant: string) => string][] = [
    ['RFC 3339', (instant) => instant],
    ['RFC 3339 with microseconds', (instant) => instant.replace('Z', '999Z')],
    ['RFC 3339 with nanoseconds and a zone', (instant) => instant.replace('Z', '123456+00:00')],
    ['RFC 3339 in another zone', (instant) => inZone(instant)],
    ['RFC 3339 with a plus sign that came as a space', (instant) => inZone(instant).replace('+', ' ')],
    ['RFC 3339 in small letters', (instant) => instant.toLowerCase()],
    ['with a space and UTC', at],
  ]
  const inZone = (instant: string) => new Date(Date.parse(instant) + 19_800_000).toISOString().replace('Z', '+05:30')

  test.each(FORMS)('are understood as %s', async (_, form) => {
    const ids: string[] = []
    const times: string[] = []
    for (const name of ['first', 'middle', 'last']) {
      aheadMs += 10_000
      const { id, timestamp } = await send(`${name}-${aheadMs}`, { channels: [`c${aheadMs}`] })
      ids.push(id)
      times.push(timestamp as string)
    }
    const asked = async (query: Record<string, string>) => {
      const read = await list(`msg?${new URLSearchParams({ ...query, limit: '250' }).toString()}`)
      return read.map(({ id }) => id).filter((id) => ids.includes(id))
    }
    const between = (ms: number, time: string) => form(new Date(Date.parse(time) + ms).toISOString())
    const [first, middle, last] = ids as [string, string, string]
    expect(await asked({ after: between(5_000, times[0]!) })).toEqual([last, middle])
    expect(await asked({ before: between(5_000, times[0]!) })).toEqual([first])
    expect(await asked({ after: between(5_000, times[0]!), before: between(5_000, times[1]!) })).toEqual([middle])
    // The window goes with the pages.
    expect(await asked({ after: between(5_000, times[0]!), iterator: last })).toEqual([middle])
  })

  test('mean the moments of attempts, too', async () => {
    aheadMs += 10_000
    await send('late')
    await attempted('late', 2)
    const [late] = await list('attempt/endpoint/good?limit=1')
    const edge = at(new Date(Date.parse(String(late!['timestamp'])) - 5_000).toISOString())
    const after = new URLSearchParams({ after: edge }).toString()
    const before = new URLSearchParams({ before: edge, limit: '250' }).toString()
    expect((await list(`attempt/endpoint/good?${after}`)).map(({ id }) => id)).toEqual([late!.id])
    expect((await list(`attempt/endpoint/good?${before}`)).map(({ id }) => id)).not.toContain(late!.id)
    expect((await list(`endpoint/good/msg?${after}`)).map(({ eventId }) => eventId)).toEqual(['late'])
  })

  test('with only `after`, the oldest page is meant, shown newest first', async () => {
    const after = new Date(Date.now() - DAY_MS).toISOString()
    const all = await list('msg?limit=250')
    const { data, done } = await org.ask<List>(`GET /app/acme/msg?limit=2&after=${after}`)
    expect([data.map(({ id }) => id), done]).toEqual([all.slice(-2).map(({ id }) => id), false])
  })

  test.each([
    '2026-01-01',
    '2026-01-01T00:00:00',
    '1767225600',
    'Thu, 01 Jan 2026 00:00:00 GMT',
    '2026-02-30T25:00:00Z',
  ])('are not understood as %s', async (text) => {
    for (const name of ['before', 'after']) {
      const answer = await org.call(`GET /app/acme/msg?${new URLSearchParams({ [name]: text }).toString()}`)
      expect(refusal(answer)).toEqual([400, 'generic_error'])
    }
  })
})
