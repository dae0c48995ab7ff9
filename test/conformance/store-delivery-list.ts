/** The list of deliveries: each row once, in order, whatever is asked for and however small the pages and walks are. */
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deliveryStatus } from '../../src/domain/delivery.ts'
import { startId } from '../../src/domain/ids.ts'
import type { DeliveryFilter, DeliveryPlace, ListedDelivery } from '../../src/store/port/history.ts'
import type { Store } from '../../src/store/store.ts'
import {
  acceptance,
  acceptHeld,
  APP,
  createEndpoints,
  MINUTE,
  newId,
  type OpenedStore,
  type OpenStore,
  OTHER_APP,
  runOfManual,
  settlement,
  T0,
} from './builders.ts'
import { type Data, EVENT_TYPES, fill } from './log-data.ts'

const MESSAGES = 60
const STATUSES = ['filtered', 'queued', 'delivering', 'delivered', 'failed', 'cancelled'] as const
const ALL: DeliveryFilter = { appId: APP, status: null, endpointId: null, eventType: null, from: '' }

const wordOf = ({ delivery }: ListedDelivery) => (delivery === null ? 'filtered' : deliveryStatus(delivery))
const placeOf = (row: ListedDelivery): string => `${row.msgId} ${row.delivery?.endpointId ?? ''}`

/** Reads to the end; `between` is done after each page. */
async function readAll(
  store: Store,
  filter: DeliveryFilter,
  { limit, walkMax, between }: { limit: number; walkMax: number; between?: (page: number) => Promise<void> },
): Promise<ListedDelivery[]> {
  const rows: ListedDelivery[] = []
  let after: DeliveryPlace | null = null
  for (let pages = 1; pages < 1_000; pages++) {
    const page = await store.listDeliveries(filter, { limit, walkMax, after })
    if (page.rows.length > limit) throw new Error(`a page of ${limit} has ${page.rows.length} rows`)
    rows.push(...page.rows)
    if (page.next === null) return rows
    after = page.next
    await between?.(pages)
  }
  throw new Error('the list does not end')
}

export function deliveryListConformance(open: OpenStore): void {
  let opened: OpenedStore
  let store: Store
  let data: Data
  let everything: ListedDelivery[]
  beforeAll(async () => {
    opened = await open()
    store = opened.store
    data = await fill(store, MESSAGES)
    const all = await Promise.all(
      data.messages.map(async ({ sent }) => {
        const { id: msgId, eventType, receivedAt } = sent
        const deliveries = await store.deliveriesOf(APP, msgId)
        return (deliveries.length === 0 ? [null] : deliveries).map((delivery) => ({
          msgId,
          eventType,
          receivedAt,
          delivery,
        }))
      }),
    )
    everything = all.flat().sort((a, b) => (placeOf(a) > placeOf(b) ? -1 : 1))
  }, 60_000)
  afterAll(() => opened[Symbol.asyncDispose]())

  test('there are deliveries of every status to list', () => {
    expect([...new Set(everything.map(wordOf))].sort()).toEqual([...STATUSES].sort())
  })

  test('deliveries are listed as every filter says, each row once, newest first', async () => {
    expect.hasAssertions()
    const anyFilter = fc.record({
      status: fc.option(fc.constantFrom(...STATUSES), { freq: 4 }),
      endpoint: fc.option(fc.constantFrom(0 as const, 1 as const)),
      eventType: fc.option(fc.constantFrom(...EVENT_TYPES, 'unknown')),
      since: fc.option(fc.nat({ max: MESSAGES })),
    })
    const anyPaging = fc.record({ limit: fc.constantFrom(1, 2, 3, 7, 100), walkMax: fc.constantFrom(1, 2, 5, 1_000) })
    await fc.assert(
      fc.asyncProperty(anyFilter, anyPaging, async ({ status, endpoint, eventType, since }, paging) => {
        const endpointId = endpoint === null ? null : data.endpoints[endpoint]
        const from = since === null ? '' : startId('msg', T0 + since * MINUTE)
        const rows = await readAll(store, { appId: APP, status, endpointId, eventType, from }, paging)
        const expected = everything.filter(
          (row) =>
            (status === null || wordOf(row) === status) &&
            (endpointId === null || row.delivery?.endpointId === endpointId) &&
            (eventType === null || row.eventType === eventType) &&
            row.msgId >= from,
        )
        expect(rows).toEqual(expected)
      }),
      { numRuns: 300 },
    )
  })

  test('a page looks at so many entries, and then says where the next one goes on', async () => {
    const filter = { ...ALL, status: 'delivered' as const, eventType: 'unknown' }
    expect(await store.listDeliveries(filter, { limit: 5, walkMax: 1_000, after: null })).toEqual({
      rows: [],
      next: null,
    })
    const failed = { ...ALL, status: 'failed' as const, eventType: 'unknown' }
    const { rows, next } = await store.listDeliveries(failed, { limit: 5, walkMax: 2, after: null })
    const newestFailed = everything.filter((row) => wordOf(row) === 'failed').map((row) => row.msgId)
    expect(rows).toEqual([])
    expect(next).toEqual({ msgId: newestFailed[1], endpointId: '' })
  })

  test('what is another application’s is not listed', async () => {
    const page = { limit: 100, walkMax: 100, after: null }
    for (const status of [null, ...STATUSES])
      expect(await store.listDeliveries({ ...ALL, appId: OTHER_APP, status }, page)).toEqual({ rows: [], next: null })
  })

  test('pages stay in step while messages come in', async () => {
    await using fresh = await open()
    const [one, other] = await createEndpoints(fresh.store, 2)
    const accept = (i: number) =>
      fresh.store.accept([
        acceptance(i % 3 === 0 ? [] : i % 3 === 1 ? [one!] : [one!, other!], {
          id: newId('msg', T0 + i * MINUTE),
          receivedAt: T0 + i * MINUTE,
        }),
      ])
    for (let i = 0; i < 12; i++) await accept(i)
    const before = await readAll(fresh.store, ALL, { limit: 100, walkMax: 100 })
    const during = await readAll(fresh.store, ALL, {
      limit: 2,
      walkMax: 100,
      between: async (page) => {
        await accept(100 + page)
      },
    })
    expect(before).toHaveLength(16)
    expect(during).toEqual(before)
  })

  test('a delivery that ended before its first attempt is listed with its subscription, and so is a retried run once', async () => {
    await using fresh = await open()
    const held = await acceptHeld(fresh.store)
    await fresh.store.settle(settlement(held, { attempt: null, to: { state: 'failed', at: T0 } }))
    await runOfManual(fresh.store, held)
    for (const endpointId of [null, held.endpointId])
      for (const status of [null, 'failed'] as const) {
        const rows = await readAll(fresh.store, { ...ALL, endpointId, status }, { limit: 10, walkMax: 10 })
        expect(rows.map((row) => [row.msgId, row.delivery?.state])).toEqual([[held.msgId, 'failed']])
      }
  })

  test('a message with more deliveries than a page looks at does not stop the list', async () => {
    await using fresh = await open()
    const endpoints = await createEndpoints(fresh.store, 7)
    for (let i = 0; i < 3; i++) await fresh.store.accept([acceptance(endpoints)])
    for (const status of [null, 'queued', 'failed'] as const) {
      const rows = await readAll(fresh.store, { ...ALL, status }, { limit: 2, walkMax: 1 })
      expect(new Set(rows.map(placeOf)).size).toBe(rows.length)
      expect(rows).toHaveLength(status === 'failed' ? 0 : 21)
    }
  })
}
