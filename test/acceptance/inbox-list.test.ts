import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { type Issue, startGateway } from './gateway.ts'
import { find, inboxMessage, list, listAll, post, SECRET, take } from './inbox-gateway.ts'
import { inOrder, matching } from './inbox-model.ts'

/** A gateway with nothing in its inbox, for the tests of one `describe`. */
async function open() {
  const gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
  afterAll(() => gateway[Symbol.asyncDispose]())
  return gateway
}

describe('parameters', async () => {
  const gateway = await open()
  const messages = Array.from({ length: 120 }, (_, i) =>
    inboxMessage({ message_id: `p${String(i).padStart(3, '0')}`, from: `+${i % 2}` }),
  )
  await take(gateway, ...messages)
  const idsOf = (from: number, to: number) => messages.slice(from, to).map((message) => message.message_id)

  test.each([
    ['', 50, 0],
    ['?limit=1', 1, 0],
    ['?limit=100', 100, 0],
    ['?limit=007', 7, 0],
    ['?limit=100&offset=100', 100, 100],
    ['?offset=1', 50, 1],
    ['?offset=119', 50, 119],
    ['?offset=120', 50, 120],
    ['?offset=121', 50, 121],
    ['?offset=999999999999999', 50, 999_999_999_999_999],
    ['?limit=2&offset=3&unknown=4&Limit=5', 2, 3],
    ['/?limit=2', 2, 0],
  ])('GET /messages%s is the page of %d from %d, and the total of all', async (query, limit, offset) => {
    const page = await gateway.ask<Awaited<ReturnType<typeof list>>>(`/messages${query}`)
    expect({ ...page, data: page.data.map((message) => message.message_id) }).toEqual({
      data: idsOf(offset, offset + limit),
      total: 120,
      limit,
      offset,
    })
  })

  test('every page once makes the whole list', async () => {
    expect(await listAll(gateway)).toEqual(messages)
    for (const limit of [1, 7, 100]) {
      const pages = []
      for (let offset = 0; offset < 120; offset += limit) pages.push((await list(gateway, { limit, offset })).data)
      expect(pages.flat()).toEqual(messages)
    }
  })

  const BAD = {
    limit: ['0', '101', '-1', '1.5', '1e1', '0x10', 'ten', '', '%20', '+1', '9'.repeat(20), 'NaN', 'null', '1;'],
    offset: ['-1', '1.5', '1e1', 'x', '', '%201', '9'.repeat(20), 'Infinity'],
    from: ['', '+', '919876543210', '%2B', '%2B%2B1', '++1', '%2B1x', '+1+', '%2B1%00', '%2B1%0A', '%D9%A1'],
    since: ['', 'now', '2025-01-15', '2025-02-30T00:00:00Z', '2025-01-15T10:00:00', '2025-01-15T10:00:00+00:00'],
  }
  const cases = Object.entries(BAD).flatMap(([name, values]) => values.map((value) => [name, value] as const))

  test.each(cases)('%s=%s is a 422 that names it', async (name, value) => {
    const answer = await gateway.send(`/messages?${name}=${value}`)
    expect(answer.status).toBe(422)
    expect(answer.json()).toEqual({
      detail: [{ loc: ['query', name], msg: expect.any(String), type: expect.any(String) }],
      code: 'validation',
    })
  })

  test.each(['limit=1&limit=1', 'offset=0&offset=0', 'from=%2B1&from=%2B1', 'q=a&q=a'])(
    '%s is a 422',
    async (query) => {
      const answer = await gateway.send(`/messages?${query}`)
      const [name] = query.split('=')
      expect(answer.json<{ detail: Issue[] }>().detail.map((issue) => issue.loc)).toEqual([['query', name]])
    },
  )

  test('all that are wrong are named at once', async () => {
    const answer = await gateway.send('/messages?limit=0&offset=-1&from=me&since=then&q=a&q=b')
    const places = answer.json<{ detail: Issue[] }>().detail.map((issue) => issue.loc.join('.'))
    expect([answer.status, places]).toEqual([
      422,
      ['query.limit', 'query.offset', 'query.from', 'query.since', 'query.q'],
    ])
  })

  test('from is exact, and its plus may be written as it is', async () => {
    await take(gateway, inboxMessage({ from: '+919876543210', text: 'x' }), inboxMessage({ from: '+9198765432100' }))
    for (const query of [
      'from=+919876543210',
      'from=%2B919876543210',
      'from=%20919876543210',
      'limit=5&from=+919876543210',
    ])
      expect(await gateway.ask(`/messages?${query}`)).toMatchObject({ total: 1, data: [{ from: '+919876543210' }] })
    for (const from of ['+91987654321', '+91', '+0919876543210', '+5'])
      expect(await find(gateway, { from })).toEqual([])
  })
})

describe('the order', () => {
  test('is that of the instants, whatever the length of their fractions, then that of the ids by code points', async () => {
    await using gateway = await startGateway({ WEBHOOK_SECRET: SECRET })
    const inTheirOrder = [
      ...['0001-01-01T00:00:00Z', '0999-12-31T23:59:59.999Z', '2025-01-15T09:59:59.999999999Z'].map((ts) => ({ ts })),
      { ts: '2025-01-15T10:00:00.000Z', message_id: 'A' },
      { ts: '2025-01-15T10:00:00Z', message_id: 'B' },
      { ts: '2025-01-15T10:00:00.0Z', message_id: 'a' },
      { ts: '2025-01-15T10:00:00Z', message_id: 'a\0' },
      { ts: '2025-01-15T10:00:00Z', message_id: 'a0' },
      { ts: '2025-01-15T10:00:00Z', message_id: 'é' },
      { ts: '2025-01-15T10:00:00Z', message_id: '\uffee' },
      { ts: '2025-01-15T10:00:00Z', message_id: '😀' },
      ...['.000000001', '.05', '.10', '.11', '.2', '.20000000000000000000000000000001'].map((fraction) => ({
        ts: `2025-01-15T10:00:00${fraction}Z`,
      })),
      { ts: '2025-01-15T10:00:00.5Z', message_id: 'h1' },
      { ts: '2025-01-15T10:00:00.50Z', message_id: 'h10' },
      { ts: '2025-01-15T10:00:00.500Z', message_id: 'h2' },
      ...['2025-01-15T10:00:01Z', '2025-01-15T10:01:00Z', '2025-01-15T11:00:00Z', '9999-12-31T23:59:59.9Z'].map(
        (ts) => ({ ts }),
      ),
    ].map(inboxMessage)
    expect(inOrder(inTheirOrder)).toEqual(inTheirOrder)
    await take(gateway, ...inTheirOrder.toSorted((a, b) => (a.ts < b.ts ? 1 : -1)))
    expect((await list(gateway)).data).toEqual(inTheirOrder)
    expect((await list(gateway, { q: 'hello' })).data).toEqual(inTheirOrder)
    expect((await list(gateway, { from: '+919876543210' })).data).toEqual(inTheirOrder)
  })
})

describe('since', async () => {
  const gateway = await open()
  const at = (time: string) => `2025-01-15T${time}Z`
  await take(
    gateway,
    ...[
      ['a', '08:59:59.999'],
      ['b', '09:59:59'],
      ['c', '10:00:00'],
      ['d', '10:00:00.49'],
      ['e', '10:00:00.50'],
      ['f', '10:00:00.5000'],
      ['g', '10:00:00.500000001'],
      ['h', '10:59:59.9'],
      ['i', '11:00:00'],
    ].map(([id, time]) => inboxMessage({ message_id: id!, ts: at(time!) })),
  )
  await take(gateway, inboxMessage({ message_id: 'j', ts: '2026-01-01T00:00:00Z', text: 'later' }))

  test.each([
    ['0001-01-01T00:00:00Z', 'abcdefghij'],
    [at('09:00:00'), 'bcdefghij'],
    [at('09:59:59.000'), 'bcdefghij'],
    [at('09:59:59.0001'), 'cdefghij'],
    [at('10:00:00'), 'cdefghij'],
    [at('10:00:00.00'), 'cdefghij'],
    [at('10:00:00.4'), 'defghij'],
    [at('10:00:00.5'), 'efghij'],
    [at('10:00:00.50'), 'efghij'],
    [at('10:00:00.500000000000'), 'efghij'],
    [at('10:00:00.5000000001'), 'ghij'],
    [at('10:00:00.500000001'), 'ghij'],
    [at('10:59:59.90'), 'hij'],
    [at('10:59:59.91'), 'ij'],
    [at('11:00:00'), 'ij'],
    [at('11:00:00.1'), 'j'],
    ['2026-01-01T00:00:00.0Z', 'j'],
    ['2026-01-01T00:00:01Z', ''],
    ['9999-12-31T23:59:59.9999Z', ''],
  ])('%s finds %j, instants and not spellings being compared', async (since, ids) => {
    expect((await find(gateway, { since })).join('')).toBe(ids)
    expect((await find(gateway, { since, from: '+919876543210' })).join('')).toBe(ids)
    expect((await find(gateway, { since, q: 'hello' })).join('')).toBe(ids.replace('j', ''))
  })
})

describe('every combination of filters', async () => {
  const gateway = await open()
  const sender = () => fc.constantFrom('+1', '+2', '+3', '+4911', '+49112')
  const time = () =>
    fc
      .tuple(
        fc.constantFrom('2025-01-15T09:59:59', '2025-01-15T10:00:00', '2025-01-15T10:59:59', '2025-01-16T10:00:00'),
        fc.constantFrom('', '.0', '.5', '.50', '.500', '.51', '.499999', '.9'),
      )
      .map(([second, fraction]) => `${second}${fraction}Z`)
  const word = () =>
    fc.constantFrom('a', 'B', 'ab', '%', '_', '\\', "'", '"', ' ', 'Я', 'я', 'É', 'é', '10%', 'a_b', '😀', '*')
  const text = () => fc.array(word(), { maxLength: 5 }).map((words) => words.join(''))
  const id = () => fc.string({ unit: fc.constantFrom('a', 'B', '0', 'é', '😀', '_'), minLength: 1, maxLength: 6 })
  const message = fc.record({ message_id: id(), from: sender(), to: sender(), ts: time(), text: fc.option(text()) })
  const messages = fc.sample(
    fc.uniqueArray(message, { selector: (one) => one.message_id, minLength: 260, maxLength: 300, size: 'max' }),
    {
      numRuns: 1,
      seed: 42,
    },
  )[0]!
  await take(gateway, ...messages)

  const query = fc.record(
    {
      limit: fc.integer({ min: 1, max: 100 }),
      offset: fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 400 })),
      from: fc.oneof(sender(), fc.constant('+5')),
      since: time(),
      q: text(),
    },
    { requiredKeys: [] },
  )

  test('lists what a plain list of the messages has, and the total is independent of limit and offset', async () => {
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        const found = matching(messages, asked)
        const { limit = 50, offset = 0 } = asked
        const page = await list(gateway, asked)
        expect(page).toEqual({ data: found.slice(offset, offset + limit), total: found.length, limit, offset })
      }),
      { numRuns: 600 },
    )
  })

  test('is each of the eight, with something to find and something to leave out', async () => {
    for (const from of [undefined, '+1'])
      for (const since of [undefined, '2025-01-15T10:00:00.50Z'])
        for (const q of [undefined, 'я']) {
          const filters = { ...(from && { from }), ...(since && { since }), ...(q && { q }) }
          const found = matching(messages, filters)
          expect(found.length).toBeGreaterThan(3)
          for (const page of [
            {},
            { limit: 1 },
            { offset: 2 },
            { limit: 3, offset: 1 },
            { offset: found.length },
            { offset: 1_000 },
          ]) {
            const answer = await list(gateway, { ...filters, ...page })
            const { limit, offset } = { limit: 50, offset: 0, ...page }
            expect(answer).toEqual({ data: found.slice(offset, offset + limit), total: found.length, limit, offset })
          }
        }
  })

  test('leaves out what was refused or sent again', async () => {
    await post(gateway, { ...messages[0]!, from: '+3', text: 'a' })
    await post(gateway, inboxMessage({ from: '+3' }), { 'x-signature': '' })
    await post(gateway, inboxMessage({ from: '3' }))
    expect(await list(gateway, { from: '+3', limit: 1 })).toMatchObject({
      total: matching(messages, { from: '+3' }).length,
    })
    expect(await listAll(gateway)).toEqual(inOrder(messages))
  })
})
