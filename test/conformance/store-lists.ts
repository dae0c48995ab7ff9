import type { AttemptOutcome } from '../../src/domain/attempt.ts'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MessageFilter } from '../../src/store/port/messages.ts'
import type { Store } from '../../src/store/store.ts'
import {
  acceptFor,
  APP,
  createEndpoint,
  newId,
  type OpenedStore,
  type OpenStore,
  OTHER_APP,
  SECOND,
  T0,
  text,
} from './builders.ts'
import { CHANNELS, type Data, EVENT_TYPES, fill, type Known, NEXT_AT, STATUS, TAGS, wasTried } from './log-data.ts'
import { allPages, anyOrder, firstPage, inOrder, type Order } from './paging.ts'

const MESSAGES = 80
const RUNS = { numRuns: 400 }

/** Where a window is cut: at a message, between two of them, or not at all. */
const anyCut = fc.option(fc.record({ index: fc.nat({ max: MESSAGES - 1 }), isBetween: fc.boolean() }), { freq: 2 })
const anyFilter = fc.record({
  from: anyCut,
  until: anyCut,
  eventTypes: fc.option(fc.subarray([...EVENT_TYPES, 'unknown']), { freq: 2 }),
  channel: fc.option(fc.constantFrom(...CHANNELS, 'nobody'), { freq: 2 }),
  tag: fc.option(fc.constantFrom(...TAGS, 'nobody'), { freq: 2 }),
})
const anyPaging = fc.record({
  order: anyOrder,
  limit: fc.constantFrom(1, 2, 3, 7, 20, 1_000),
  /** Where the first page begins, which may be outside of the window. */
  start: fc.option(fc.nat({ max: MESSAGES - 1 })),
})
type AnyPaging = typeof anyPaging extends fc.Arbitrary<infer T> ? T : never
type AnyFilter = typeof anyFilter extends fc.Arbitrary<infer T> ? T : never

/** A filter over rows that are ordered by `ids`. */
function filterOf({ from, until, ...rest }: AnyFilter, ids: readonly string[]): MessageFilter {
  const cut = (at: AnyFilter['from']) => (at === null ? null : (ids[at.index % ids.length] ?? null))
  // A text that lies right behind an id is none itself.
  const between = (at: AnyFilter['from'], id: string | null) => (id !== null && at?.isBetween ? `${id}0` : id)
  return { appId: APP, ...rest, from: between(from, cut(from)), until: between(until, cut(until)) }
}

/** The same with the id to begin behind. */
const pagingOf = ({ start, ...paging }: AnyPaging, ids: readonly string[]) => ({
  ...paging,
  start: start === null ? null : ids[start % ids.length]!,
})

/** What is read of some rows when reading begins behind `start`. */
function readOf<T>(
  rows: readonly T[],
  idOf: (row: T) => string,
  { order, start }: { order: Order; start: string | null },
): T[] {
  const isAhead = (id: string) => start === null || (order === 'ascending' ? id > start : id < start)
  return inOrder(
    rows.filter((row) => isAhead(idOf(row))),
    order,
  )
}

const within = ({ from, until }: MessageFilter, id: string): boolean =>
  (from === null || id > from) && (until === null || id < until)

const matches = ({ eventTypes, channel, tag }: MessageFilter, { sent }: Known): boolean =>
  (eventTypes === null || eventTypes.includes(sent.eventType)) &&
  (channel === null || (sent.channels?.includes(channel) ?? false)) &&
  (tag === null || (sent.tags?.includes(tag) ?? false))

export function listConformance(open: OpenStore): void {
  let opened: OpenedStore
  let store: Store
  let data: Data
  beforeAll(async () => {
    opened = await open()
    store = opened.store
    data = await fill(store, MESSAGES)
  }, 60_000)
  afterAll(() => opened[Symbol.asyncDispose]())

  const known = (msgId: string): Known => data.messages.find(({ sent }) => sent.id === msgId)!
  const messageIds = () => data.messages.map(({ sent }) => sent.id)
  const shown = ({ sent, info }: Known) => (info.payloadRemoved ? null : text(sent.shownPayload ?? sent.payload))

  test('messages are listed as every filter says, page by page, in both directions', async () => {
    expect.hasAssertions()
    await fc.assert(
      fc.asyncProperty(anyFilter, anyPaging, fc.boolean(), async (given, anyPage, withContent) => {
        const filter = filterOf(given, messageIds())
        const paging = pagingOf(anyPage, messageIds())
        const read = allPages(
          (page) => store.listMessages(filter, page, withContent),
          (one) => one.id,
          paging,
        )
        const rows = (await read).map((row) => ({ ...row, payload: text(row.payload) }))
        const expected = data.messages
          .filter((one) => within(filter, one.sent.id) && matches(filter, one))
          .map((one) => ({ ...one.info, payload: withContent ? shown(one) : null }))
        expect(rows).toEqual(readOf(expected, (one) => one.id, paging))
      }),
      RUNS,
    )
  })

  test('attempts are listed as every filter says, page by page, in both directions', async () => {
    expect.hasAssertions()
    const anyOf = fc.record({
      endpoint: fc.option(fc.constantFrom(0 as const, 1 as const)),
      message: fc.option(fc.nat({ max: MESSAGES - 1 })),
      outcomes: fc.option(fc.subarray<AttemptOutcome>(['success', 'failed_attempt', 'failure'])),
      statusCodes: fc.option(
        fc.constantFrom({ from: 0, below: 100 }, { from: 200, below: 300 }, { from: 400, below: 600 }),
      ),
    })
    await fc.assert(
      fc.asyncProperty(anyFilter, anyOf, anyPaging, async (given, of, anyPage) => {
        const ids = data.attempts.map((one) => one.id)
        const paging = pagingOf(anyPage, ids)
        const endpointId = of.endpoint === null ? null : data.endpoints[of.endpoint]
        const msgId = of.message === null ? null : data.messages[of.message]!.sent.id
        fc.pre(endpointId !== null || msgId !== null)
        const { outcomes, statusCodes } = of
        const filter = { ...filterOf(given, ids), endpointId, msgId, outcomes, statusCodes }
        const rows = await allPages(
          (page) => store.listAttempts(filter, page),
          (one) => one.id,
          paging,
        )
        const expected = data.attempts.filter(
          (one) =>
            within(filter, one.id) &&
            matches(filter, known(one.msgId)) &&
            one.endpointId === (endpointId ?? one.endpointId) &&
            one.msgId === (msgId ?? one.msgId) &&
            (outcomes === null || outcomes.includes(one.outcome)) &&
            (statusCodes === null ||
              ((one.statusCode ?? 0) >= statusCodes.from && (one.statusCode ?? 0) < statusCodes.below)),
        )
        expect(rows).toEqual(readOf(expected, (one) => one.id, paging))
      }),
      RUNS,
    )
  })

  test('messages that were tried at an endpoint are listed as every filter says, in both directions', async () => {
    expect.hasAssertions()
    const statuses = fc.option(fc.subarray(['success', 'pending', 'sending', 'fail', 'canceled'] as const), { freq: 2 })
    await fc.assert(
      fc.asyncProperty(anyFilter, statuses, anyPaging, fc.boolean(), async (given, status, anyPage, withContent) => {
        const endpointId = data.endpoints[0]
        const paging = pagingOf(anyPage, messageIds())
        const filter = { ...filterOf(given, messageIds()), endpointId, status }
        const rows = await allPages(
          (page) => store.listAttemptedMessages(filter, page, withContent),
          (one) => one.message.id,
          paging,
        )
        const expected = data.messages.flatMap((one) => {
          const fate = one.fates.get(endpointId)
          if (fate === undefined || !wasTried(fate) || !(status?.includes(STATUS[fate]) ?? true)) return []
          if (!within(filter, one.sent.id) || !matches(filter, one)) return []
          const nextAttemptAt = fate === 'retrying' ? NEXT_AT : null
          return [{ message: one.info, status: STATUS[fate], nextAttemptAt, payload: withContent ? shown(one) : null }]
        })
        const read = rows.map((row) => ({ ...row, payload: text(row.payload) }))
        expect(read).toEqual(readOf(expected, (one) => one.message.id, paging))
      }),
      RUNS,
    )
  })

  test('an attempt without an answer has the status code 0', async () => {
    const without = data.attempts.filter((one) => one.statusCode === null && one.endpointId === data.endpoints[0])
    expect(without.length).toBeGreaterThan(0)
    const all = { appId: APP, from: null, until: null, eventTypes: null, channel: null, tag: null }
    const of = { ...all, endpointId: data.endpoints[0], msgId: null, outcomes: null }
    const read = (from: number, below: number) => store.listAttempts({ ...of, statusCodes: { from, below } }, firstPage)
    expect(await read(0, 100)).toEqual(without)
    expect((await read(100, 600)).filter((one) => one.statusCode === null)).toEqual([])
  })

  test('deliveries are counted by status, of any window', async () => {
    expect.hasAssertions()
    const anyTime = fc.integer({ min: -1, max: MESSAGES }).map((minute) => T0 + minute * 60 * SECOND)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0 as const, 1 as const), anyTime, anyTime, async (which, since, until) => {
        const endpointId = data.endpoints[which]
        const expected = { success: 0, pending: 0, sending: 0, fail: 0, canceled: 0 }
        for (const { sent, fates } of data.messages) {
          const fate = fates.get(endpointId)
          if (fate !== undefined && sent.receivedAt >= since && sent.receivedAt < until) expected[STATUS[fate]]++
        }
        expect(await store.countDeliveries({ appId: APP, endpointId, since, until })).toEqual(expected)
      }),
      RUNS,
    )
  })

  test('the endpoints at which a message was tried are listed, page by page, in both directions', async () => {
    expect.hasAssertions()
    for (const { sent, fates } of data.messages) {
      const tried = [...fates].filter(([, fate]) => wasTried(fate)).sort(([a], [b]) => (a < b ? -1 : 1))
      for (const order of ['ascending', 'descending'] as const) {
        const rows = await allPages(
          (page) => store.listAttemptedEndpoints(APP, sent.id, page),
          (one) => one.endpoint.id,
          { order, limit: 1 },
        )
        expect(rows.map((row) => [row.endpoint.id, row.status])).toEqual(
          inOrder(tried, order).map(([id, fate]) => [id, STATUS[fate]]),
        )
        const deliveries = await store.deliveriesOf(APP, sent.id)
        for (const row of rows) expect(deliveries).toContainEqual(row.delivery)
      }
    }
  })

  test('a message is found by its id and by its event id', async () => {
    await using fresh = await open()
    const endpointId = await createEndpoint(fresh.store)
    const { msgId } = await acceptFor(fresh.store, endpointId, { eventId: 'evt-1', tags: ['x'] })
    const found = await fresh.store.getMessage(APP, msgId)
    expect(found).toMatchObject({ id: msgId, tags: ['x'] })
    expect(await fresh.store.findMessage(APP, msgId)).toEqual(found)
    expect(await fresh.store.findMessage(APP, 'evt-1')).toEqual(found)
    expect(await fresh.store.findMessage(APP, 'evt-2')).toBeNull()
    expect(await fresh.store.findMessage(OTHER_APP, 'evt-1')).toBeNull()
    expect(await fresh.store.findMessage(OTHER_APP, msgId)).toBeNull()
  })

  test('a deleted endpoint is still among those at which a message was tried', async () => {
    const endpointId = data.endpoints[1]
    const of = data.messages.find(({ fates }) => fates.get(endpointId) === 'delivered')!
    await store.deleteEndpoint({ appId: APP, id: endpointId }, T0)
    const rows = await store.listAttemptedEndpoints(APP, of.sent.id, firstPage)
    expect(rows.map((row) => row.endpoint.id)).toContain(endpointId)
  })

  test('what is another application’s is in no list and no count', async () => {
    const all = { appId: OTHER_APP, from: null, until: null, eventTypes: null, channel: null, tag: null }
    const endpointId = data.endpoints[0]
    const of = { ...all, endpointId, msgId: null, outcomes: null, statusCodes: null }
    expect(await store.listMessages(all, firstPage, true)).toEqual([])
    expect(await store.listMessages({ ...all, channel: 'eu' }, firstPage, true)).toEqual([])
    expect(await store.listMessages({ ...all, eventTypes: [...EVENT_TYPES] }, firstPage, true)).toEqual([])
    expect(await store.listAttempts(of, firstPage)).toEqual([])
    expect(await store.listAttemptedMessages({ ...all, endpointId, status: null }, firstPage, true)).toEqual([])
    expect(await store.listAttemptedEndpoints(OTHER_APP, messageIds()[0]!, firstPage)).toEqual([])
    const none = { success: 0, pending: 0, sending: 0, fail: 0, canceled: 0 }
    const window = { since: 0, until: NEXT_AT }
    expect(await store.countDeliveries({ appId: OTHER_APP, endpointId, ...window })).toEqual(none)
    expect(await store.countDeliveries({ appId: APP, endpointId: newId('ep'), ...window })).toEqual(none)
  })

  test('a manual attempt is counted as what it makes of its delivery', async () => {
    await using fresh = await open()
    const endpointId = await createEndpoint(fresh.store)
    const key = await acceptFor(fresh.store, endpointId, { dueAt: NEXT_AT })
    await fresh.store.resend(key, T0)
    const count = () => fresh.store.countDeliveries({ appId: APP, endpointId, since: T0, until: NEXT_AT })
    expect(await count()).toEqual({ success: 0, pending: 1, sending: 0, fail: 0, canceled: 0 })
  })
}
