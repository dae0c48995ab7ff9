import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldCase, type InboxMessage, type InboxQuery, timestampKey } from '../../src/domain/inbox.ts'
import type { Store } from '../../src/store/store.ts'
import { A, acceptance, claim, createEndpoints, HOUR, type OpenStore, T0 } from './builders.ts'

let made = 0
const inboxMessage = (given: Partial<InboxMessage> = {}): InboxMessage => ({
  messageId: `m-${++made}`,
  from: '+4917000001',
  to: '+4930000000',
  ts: '2025-01-15T10:00:00Z',
  text: 'hello',
  createdAt: T0 + 123,
  ...given,
})

const take = (store: Store, messages: readonly InboxMessage[]) =>
  store.accept(messages.map((inbox) => acceptance([], { inbox })))

const everything: InboxQuery = { limit: 1_000, offset: 0, from: null, since: null, q: null }
const list = (store: Store, query: Partial<InboxQuery> = {}) => store.listInbox({ ...everything, ...query })
const idsOf = async (store: Store, query: Partial<InboxQuery>) =>
  (await list(store, query)).data.map((one) => one.messageId)

/** What a list has to be, the slow way. */
function expectedList(messages: readonly InboxMessage[], query: InboxQuery) {
  const order = (one: InboxMessage) => `${timestampKey(one.ts)} ${one.messageId}`
  const matching = messages
    .filter((one) => query.from === null || one.from === query.from)
    .filter((one) => query.since === null || timestampKey(one.ts) >= timestampKey(query.since))
    .filter((one) => query.q === null || (one.text !== null && foldCase(one.text).includes(foldCase(query.q))))
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
  return { data: matching.slice(query.offset, query.offset + query.limit), total: matching.length }
}

export function inboxConformance(open: OpenStore): void {
  test('an inbox message is listed as it came, and announced by the message that was accepted with it', async () => {
    await using opened = await open()
    const { store } = opened
    const [full, bare] = [
      inboxMessage({ text: 'ünï "quoted"\n\t🔑', ts: '2025-01-15T10:00:00.120Z' }),
      inboxMessage({ text: null, ts: '2025-01-15T11:00:00Z' }),
    ]
    const accepted = acceptance(await createEndpoints(store, 2), { inbox: full })
    expect(await store.accept([accepted, acceptance([], { inbox: bare })])).toMatchObject([
      { duplicate: false, replayed: false, messageId: accepted.message.id, deliveries: 2 },
      { duplicate: false },
    ])
    expect(await list(store)).toEqual({ data: [full, bare], total: 2 })
    expect((await claim(store, A)).deliveries).toHaveLength(2)
  })

  test('once an inbox message is known, all that comes with it again is a duplicate', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 2)
    const first = acceptance(endpoints, { inbox: inboxMessage({ messageId: 'same' }) })
    const idempotency = { scope: 'webhook', key: 'k', expiresAt: T0 + HOUR }
    const other = inboxMessage({ messageId: 'same', text: 'another text', from: '+4917000002' })
    const again = acceptance([endpoints[0]!], { inbox: other, eventId: 'evt-1', idempotency })
    await store.accept([first])
    expect(await store.accept([again])).toEqual([
      { duplicate: true, replayed: false, messageId: first.message.id, deliveries: 2 },
    ])

    expect(await store.getMessage(again.message.appId, again.message.id)).toBeNull()
    expect(await list(store)).toEqual({ data: [first.projected!.row], total: 1 })
    expect(await store.inboxStats()).toMatchObject({ totalMessages: 1, sendersCount: 1 })
    expect((await claim(store, A)).deliveries).toHaveLength(2)
    // Neither its event id nor its key was used.
    expect(await store.accept([acceptance([], { eventId: 'evt-1', idempotency })])).toMatchObject([
      { duplicate: false },
    ])
  })

  test('a hundred concurrent copies of one inbox message make one, counted once', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 1)
    const inbox = inboxMessage()
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => store.accept([acceptance(endpoints, { inbox })])),
    )
    expect(answers.flat().filter((answer) => !answer.duplicate)).toHaveLength(1)
    expect(new Set(answers.flat().map((answer) => answer.messageId)).size).toBe(1)
    expect(await list(store)).toEqual({ data: [inbox], total: 1 })
    expect(await store.inboxStats()).toMatchObject({ totalMessages: 1 })
    expect((await claim(store, A)).deliveries).toHaveLength(1)
  })

  test('an inbox message whose acceptance fails is neither listed nor counted', async () => {
    await using opened = await open()
    const { store } = opened
    const stored = acceptance([])
    await store.accept([stored])
    const inbox = inboxMessage()
    await expect(store.accept([acceptance([], { id: stored.message.id, inbox })])).rejects.toBeInstanceOf(Error)
    expect(await list(store)).toEqual({ data: [], total: 0 })
    expect(await store.inboxStats()).toMatchObject({ totalMessages: 0, sendersCount: 0, messagesPerSender: [] })
    expect(await take(store, [inbox])).toMatchObject([{ duplicate: false }])
  })

  test('messages are in the order of their instants, however they are written, and then of their ids', async () => {
    await using opened = await open()
    const { store } = opened
    const inOrder = [
      ['z', '2025-01-15T09:59:59.999Z'],
      ['b', '2025-01-15T10:00:00Z'],
      ['c', '2025-01-15T10:00:00.000Z'],
      ['d', '2025-01-15T10:00:00.0Z'],
      ['a', '2025-01-15T10:00:00.05Z'],
      ['y', '2025-01-15T10:00:00.5Z'],
      ['x', '2025-01-15T10:00:01Z'],
    ].map(([messageId, ts]) => inboxMessage({ messageId: messageId!, ts: ts! }))
    await take(store, inOrder.toReversed())
    expect((await list(store)).data).toEqual(inOrder)
    expect(await list(store, { limit: 2, offset: 3 })).toEqual({ data: inOrder.slice(3, 5), total: 7 })
    expect(await list(store, { offset: 7 })).toEqual({ data: [], total: 7 })

    expect(await idsOf(store, { since: '2025-01-15T10:00:00.00Z' })).toEqual(['b', 'c', 'd', 'a', 'y', 'x'])
    expect(await idsOf(store, { since: '2025-01-15T10:00:00.06Z' })).toEqual(['y', 'x'])
    expect((await list(store, { since: '2025-01-15T10:00:00.06Z', limit: 1 })).total).toBe(2)
    const stats = await store.inboxStats()
    expect(stats).toMatchObject({ firstMessageTs: inOrder[0]!.ts, lastMessageTs: inOrder[6]!.ts })
  })

  test.each([
    ['STRASSE', ['ss', 'sz']],
    ['straße', ['ss', 'sz']],
    ['ΟΔΟΣ', ['greek']],
    ['100%', ['percent']],
    ['a_b', ['underscore']],
    ['\\', ['backslash']],
    ['caf\u0065\u0301', ['accent']],
    ['', ['accent', 'backslash', 'greek', 'percent', 'ss', 'sz', 'underscore']],
    ['nowhere', []],
  ])('a search for "%s" finds texts that contain exactly that, in whatever case', async (q, expected) => {
    await using opened = await open()
    const { store } = opened
    await take(store, [
      inboxMessage({ messageId: 'sz', text: 'Lange Straße 1' }),
      inboxMessage({ messageId: 'ss', text: 'lange strasse 1' }),
      inboxMessage({ messageId: 'greek', text: 'οδος' }),
      inboxMessage({ messageId: 'percent', text: '100% sure' }),
      inboxMessage({ messageId: 'underscore', text: 'xA_By, not axb' }),
      inboxMessage({ messageId: 'backslash', text: 'C:\\100' }),
      inboxMessage({ messageId: 'accent', text: 'CAFÉ' }),
      inboxMessage({ messageId: 'without text', text: null }),
    ])
    expect((await idsOf(store, { q })).sort()).toEqual(expected)
    expect((await list(store, { q, limit: 1 })).total).toBe(expected.length)
  })

  test('a sender is matched exactly', async () => {
    await using opened = await open()
    const { store } = opened
    for (const from of ['+491', '+4912', '491']) await take(store, [inboxMessage({ from, messageId: from })])
    expect(await idsOf(store, { from: '+491' })).toEqual(['+491'])
    expect(await list(store, { from: '+49' })).toEqual({ data: [], total: 0 })
  })

  test('the counts are exact, and name the ten senders with the most messages', async () => {
    await using opened = await open()
    const { store } = opened
    expect(await store.inboxStats()).toEqual({
      totalMessages: 0,
      sendersCount: 0,
      messagesPerSender: [],
      firstMessageTs: null,
      lastMessageTs: null,
    })
    const sender = (i: number) => `+49${String(i).padStart(3, '0')}`
    for (let i = 1; i <= 12; i++)
      await take(
        store,
        Array.from({ length: i === 5 ? 6 : i }, () => inboxMessage({ from: sender(i) })),
      )
    const stats = await store.inboxStats()
    expect(stats).toMatchObject({ totalMessages: 79, sendersCount: 12 })
    expect(stats.messagesPerSender.map(({ from, count }) => [from, count])).toEqual([
      [sender(12), 12],
      [sender(11), 11],
      [sender(10), 10],
      [sender(9), 9],
      [sender(8), 8],
      [sender(7), 7],
      [sender(5), 6],
      [sender(6), 6],
      [sender(4), 4],
      [sender(3), 3],
    ])
  })

  test('whatever is asked for, a list is what filtering and sorting all messages would give', async () => {
    await using opened = await open()
    const { store } = opened
    const digits = (max: number) => fc.nat({ max }).map((n) => String(n).padStart(2, '0'))
    const ts = fc
      .tuple(digits(23), digits(59), digits(59), fc.constantFrom('', '.5', '.50', '.000', '.001'))
      .map(([hour, minute, second, fraction]) => `2025-01-15T${hour}:${minute}:${second}${fraction}Z`)
    const from = fc.constantFrom('+491', '+492', '+493')
    const text = fc.option(fc.constantFrom('alpha', 'Beta', 'ALPHABET', '', 'Straße', 'gamma delta'))
    const messages = fc
      .sample(fc.record({ ts, from, text }), 200)
      .map((given, i) => inboxMessage({ ...given, messageId: `p-${(i * 77) % 200}` }))
    await take(store, messages)

    const query = fc.record({
      limit: fc.nat({ max: 60 }),
      offset: fc.constantFrom(0, 0, 5, 150, 500),
      from: fc.option(from),
      since: fc.option(ts),
      q: fc.option(fc.constantFrom('alpha', 'BETA', 'a', 'ss', 'zzz')),
    })
    await fc.assert(
      fc.asyncProperty(query, async (asked) => {
        expect(await store.listInbox(asked)).toEqual(expectedList(messages, asked))
      }),
      { numRuns: 200 },
    )
  })
}
