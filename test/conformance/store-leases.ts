import { expect, test } from 'vitest'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  acceptMany,
  APP,
  B,
  claim,
  createEndpoint,
  createEndpoints,
  deliveryOf,
  effect,
  type Held,
  HOUR,
  keyOf,
  leaseOf,
  MINUTE,
  type OpenStore,
  OTHER_APP,
  retrying,
  runOfManual,
  SECOND,
  settlement,
  T0,
} from './builders.ts'

const NOTHING_DUE = { deliveries: [], nextDueAt: null }

export function leaseConformance(open: OpenStore): void {
  test('a lease that ended is claimed by another node after the sweep', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store, { lease: leaseOf(A, T0 + MINUTE) })
    expect(await store.sweep(T0 + MINUTE - 1, 10)).toEqual({ expired: 0, repaired: 0 })
    expect(await claim(store, B, { now: T0 + MINUTE - 1 })).toEqual(NOTHING_DUE)

    expect(await store.sweep(T0 + MINUTE + 1, 10)).toEqual({ expired: 1, repaired: 0 })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'pending', attempts: 0 })
    expect((await deliveryOf(store, held))!.nextAttemptAt).toBeLessThanOrEqual(T0 + MINUTE + 1)
    expect((await claim(store, B, { now: T0 + MINUTE + 1 })).deliveries).toMatchObject([
      { msgId: held.msgId, tries: 0 },
    ])
    expect(await store.sweep(T0 + MINUTE + 1, 10)).toEqual({ expired: 0, repaired: 0 })
  })

  test('a retry whose node died keeps its tries', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(retrying(held, T0, T0 + SECOND))
    await claim(store, A, { now: T0 + SECOND })
    await store.sweep(T0 + HOUR, 10)
    expect((await claim(store, B, { now: T0 + HOUR })).deliveries).toMatchObject([{ tries: 1 }])
  })

  test('a sweep frees no more than it is asked to, those first whose lease ended first', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const messages: string[] = []
    for (let i = 0; i < 5; i++)
      messages.push((await acceptFor(store, endpointId, { lease: leaseOf(A, T0 + i * SECOND) })).msgId)
    expect(await store.sweep(T0 + HOUR, 2)).toMatchObject({ expired: 2 })
    const { deliveries } = await claim(store, B, { now: T0 + HOUR })
    expect(deliveries.map((one) => one.msgId).sort()).toEqual(messages.slice(0, 2).sort())
    expect(await store.sweep(T0 + HOUR, 2)).toMatchObject({ expired: 2 })
    expect(await store.sweep(T0 + HOUR, 2)).toMatchObject({ expired: 1 })
    expect(await store.sweep(T0 + HOUR, 2)).toMatchObject({ expired: 0 })
  })

  test('a sweep finds nothing to do among what is waiting, held or final', async () => {
    await using opened = await open()
    const { store } = opened
    const [one, two] = await createEndpoints(store, 2)
    await acceptMany(store, one!, 20)
    await acceptFor(store, two!, { dueAt: T0 - HOUR })
    const done = await acceptFor(store, two!, { lease: leaseOf(A) })
    await acceptFor(store, two!, { lease: leaseOf(B) })
    await store.settle(settlement(done))
    await claim(store, A, { max: 7 })
    expect(await store.sweep(T0 + SECOND, 100)).toEqual({ expired: 0, repaired: 0 })
    expect((await claim(store, A)).deliveries).toHaveLength(14)
  })

  test('a renewed lease lasts until its new end', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store, { lease: leaseOf(A, T0 + MINUTE) })
    expect(await store.renew([held], leaseOf(A, T0 + HOUR))).toEqual([])
    expect(await store.sweep(T0 + HOUR - 1, 10)).toMatchObject({ expired: 0 })
    expect(await store.settle(settlement(held))).toMatchObject({ held: true })
  })

  test('renewing reports the leases that were lost, and takes none of them back', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const accept = (owner: string, until = T0 + HOUR) => acceptFor(store, endpointId, { lease: leaseOf(owner, until) })
    const kept = await accept(A)
    const others = await accept(B)
    const settled = await accept(A)
    const swept = await accept(A, T0 + SECOND)
    const retried = await accept(A)
    await store.settle(settlement(settled))
    await store.settle(retrying(retried, T0, T0 + HOUR))
    await store.sweep(T0 + MINUTE, 10)

    const all = [kept, others, settled, swept, retried]
    const lost = await store.renew(all, leaseOf(A, T0 + 2 * HOUR))
    expect(lost.map(keyOf)).toEqual([others, settled, swept, retried].map(keyOf))
    expect(await deliveryOf(store, settled)).toMatchObject({ state: 'delivered' })
    expect(await deliveryOf(store, swept)).toMatchObject({ state: 'pending' })
    expect(await deliveryOf(store, retried)).toMatchObject({ state: 'pending', nextAttemptAt: T0 + HOUR })
    expect(await store.settle(settlement(others, { owner: B }))).toMatchObject({ held: true })
  })

  test('a lease that another node has meanwhile is not renewed', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store, { lease: leaseOf(A, T0 + SECOND) })
    await store.sweep(T0 + MINUTE, 10)
    const [byB] = (await claim(store, B, { now: T0 + MINUTE })).deliveries
    expect(await store.renew([held], leaseOf(A, T0 + HOUR))).toHaveLength(1)
    expect(await store.renew([byB!], leaseOf(B, T0 + HOUR))).toEqual([])
    expect(await store.renew([], leaseOf(B, T0 + HOUR))).toEqual([])
  })

  test('a released delivery is due untried at the time that was asked for', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.release([held], A, T0 + MINUTE)
    expect(await deliveryOf(store, held)).toMatchObject({
      state: 'pending',
      attempts: 0,
      nextAttemptAt: T0 + MINUTE,
    })
    expect(await claim(store, B)).toEqual({ deliveries: [], nextDueAt: T0 + MINUTE })
    const [again] = (await claim(store, B, { now: T0 + MINUTE })).deliveries
    expect(again).toMatchObject({ msgId: held.msgId, tries: 0 })
    expect(await store.settle(settlement(again!, { owner: B }))).toMatchObject({ held: true, number: 1 })
  })

  test('releasing what is not held any more changes nothing', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const mine = await acceptFor(store, endpointId, { lease: leaseOf(A) })
    const others = await acceptFor(store, endpointId, { lease: leaseOf(B) })
    const done = await acceptFor(store, endpointId, { lease: leaseOf(A) })
    await store.settle(settlement(done))
    await store.release([others, done, { ...mine, tries: 1 }], A, T0)
    await store.release([], A, T0)
    expect(await claim(store, A)).toEqual(NOTHING_DUE)
    expect(await store.settle(settlement(mine))).toMatchObject({ held: true })
    expect(await deliveryOf(store, others)).toMatchObject({ state: 'leased' })
    expect(await deliveryOf(store, done)).toMatchObject({ state: 'delivered' })
  })

  test('released retries and manual attempts stay what they are', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(retrying(held, T0, T0))
    const manual = await runOfManual(store, held)
    const { deliveries } = await claim(store, A)
    expect(deliveries).toHaveLength(2)
    await store.release(deliveries, A, T0 + SECOND)
    const again = (await claim(store, B, { now: T0 + SECOND })).deliveries
    expect(new Map(again.map(({ run, tries }) => [run, tries]))).toEqual(
      new Map([
        [0, 1],
        [manual, 0],
      ]),
    )
  })

  test('a delivery released to a paused endpoint waits for the end of the pause', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const [first, second] = [
      await acceptFor(store, endpointId, { lease: leaseOf(A) }),
      await acceptFor(store, endpointId, { lease: leaseOf(A) }),
    ]
    await store.settle(settlement(first, { endpoint: effect({ pausedUntil: T0 + HOUR }) }))
    await store.release([second], A, T0)
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: T0 + HOUR })
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries).toHaveLength(1)
  })

  test('what waits for an endpoint is cancelled in steps; what is held or final is left alone', async () => {
    await using opened = await open()
    const { store } = opened
    const [gone, other] = await createEndpoints(store, 2)
    const held = await acceptFor(store, gone!, { lease: leaseOf(A) })
    const retried = await acceptFor(store, gone!, { lease: leaseOf(A) })
    const done = await acceptFor(store, gone!, { lease: leaseOf(A) })
    await store.settle(retrying(retried, T0, T0 + HOUR))
    await store.settle(settlement(done))
    const waiting: Held[] = []
    for (let i = 0; i < 5; i++) waiting.push(await acceptFor(store, gone!))
    const elsewhere = await acceptFor(store, other!)

    expect(await store.cancelWaiting(APP, gone!, { max: 4, what: 'all' })).toBe(4)
    expect(await store.backlog(T0)).toMatchObject({ pending: 3 })
    expect(await store.cancelWaiting(APP, gone!, { max: 4, what: 'all' })).toBe(2)
    expect(await store.cancelWaiting(APP, gone!, { max: 4, what: 'all' })).toBe(0)
    for (const delivery of [retried, ...waiting])
      expect(await deliveryOf(store, delivery)).toMatchObject({ state: 'cancelled', nextAttemptAt: null })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'leased' })
    expect(await deliveryOf(store, done)).toMatchObject({ state: 'delivered' })
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries.map((one) => one.msgId)).toEqual([elsewhere.msgId])
  })

  test('a manual attempt that waits for the endpoint is cancelled too, and its delivery stays as it was', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held))
    await store.resend(held, T0)
    expect(await store.cancelWaiting(APP, held.endpointId, { max: 10, what: 'all' })).toBe(1)
    expect(await claim(store, A)).toEqual(NOTHING_DUE)
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'delivered', attempts: 1 })
    expect(await store.resend(held, T0)).toMatchObject({ run: expect.any(Number) })
    expect((await claim(store, A)).deliveries).toHaveLength(1)
  })

  test('one that is asked for after the endpoint was disabled can be left alone', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held))
    await store.resend(held, T0)
    const waiting = [await acceptFor(store, held.endpointId), await acceptFor(store, held.endpointId)]
    expect(await store.cancelWaiting(APP, held.endpointId, { max: 10, what: 'scheduled' })).toBe(2)
    for (const delivery of waiting) expect(await deliveryOf(store, delivery)).toMatchObject({ state: 'cancelled' })
    expect((await claim(store, A)).deliveries).toMatchObject([{ msgId: held.msgId }])
  })

  test('the backlog counts what waits, in the whole store, and knows since when the oldest is due', async () => {
    await using opened = await open()
    const { store } = opened
    const here = await createEndpoint(store)
    const there = await createEndpoint(store, { appId: OTHER_APP })
    expect(await store.backlog(T0)).toEqual({ pending: 0, oldestDueAt: null })
    await acceptFor(store, here, { dueAt: T0 + HOUR })
    expect(await store.backlog(T0)).toEqual({ pending: 1, oldestDueAt: null })
    expect(await store.backlog(T0 + 2 * HOUR)).toEqual({ pending: 1, oldestDueAt: T0 + HOUR })

    const held = await acceptFor(store, here, { lease: leaseOf(A) })
    await acceptFor(store, there, { appId: OTHER_APP, dueAt: T0 - MINUTE })
    expect(await store.backlog(T0)).toEqual({ pending: 2, oldestDueAt: T0 - MINUTE })
    await store.settle(retrying(held, T0, T0 + MINUTE))
    await store.resend(held, T0)
    expect(await store.backlog(T0)).toEqual({ pending: 4, oldestDueAt: T0 - MINUTE })

    await claim(store, A, { now: T0 })
    expect(await store.backlog(T0)).toEqual({ pending: 2, oldestDueAt: null })
    await claim(store, A, { now: T0 + MINUTE })
    expect(await store.backlog(T0 + MINUTE)).toEqual({ pending: 1, oldestDueAt: null })
    await store.sweep(T0 + HOUR - 1, 100)
    expect(await store.backlog(T0 + HOUR - 1)).toMatchObject({ pending: 4 })
  })

  test('the backlog stays right while a large one is worked off in small steps', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 3)
    await store.accept(Array.from({ length: 50 }, () => acceptance(endpoints)))
    for (let left = 150; left > 0;) {
      expect(await store.backlog(T0)).toEqual({ pending: left, oldestDueAt: T0 })
      left -= (await claim(store, A, { max: 17, perEndpointMax: 8 })).deliveries.length
    }
    expect(await store.backlog(T0)).toEqual({ pending: 0, oldestDueAt: null })
  })
}
