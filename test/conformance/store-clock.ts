import { expect, test } from 'vitest'
import type { QueuePlace } from '../../src/store/port/queue.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptFor,
  acceptHeld,
  acceptMany,
  APP,
  claim,
  createEndpoint,
  createEndpoints,
  deliveryOf,
  effect,
  type Held,
  HOUR,
  leaseOf,
  MINUTE,
  type OpenStore,
  retrying,
  runOfManual,
  SECOND,
  settlement,
  T0,
} from './builders.ts'

/** What the clock showed while it was an hour ahead. */
const AHEAD = T0 + HOUR

/** Puts everything right, and returns how many deliveries that moved. */
async function putBack(store: Store, max = 100): Promise<number> {
  let moved = 0
  let from: QueuePlace | null = null
  do {
    const done = await store.putClockBack({ now: T0, backMs: HOUR }, from, max)
    moved += done.moved
    from = done.next
  } while (from !== null)
  return moved
}

const dueAt = async (store: Store, held: Held) => (await deliveryOf(store, held))?.nextAttemptAt

export function clockConformance(open: OpenStore): void {
  test('a retry and a first attempt of a clock that was ahead are due as if it never had been', async () => {
    await using opened = await open()
    const { store } = opened
    const retried = await acceptHeld(store, { receivedAt: AHEAD, lease: leaseOf(A, AHEAD + MINUTE) })
    await store.settle(retrying(retried, AHEAD, AHEAD + 10 * SECOND))
    const first = await acceptFor(store, await createEndpoint(store), { receivedAt: AHEAD, dueAt: AHEAD })
    expect(await claim(store, A)).toMatchObject({ deliveries: [] })

    expect(await putBack(store)).toBe(2)
    expect(await dueAt(store, retried)).toBe(T0 + 10 * SECOND)
    expect(await claim(store, A)).toMatchObject({
      deliveries: [{ msgId: first.msgId }],
      nextDueAt: T0 + 10 * SECOND,
    })
    expect((await claim(store, A, { now: T0 + 10 * SECOND })).deliveries).toMatchObject([{ msgId: retried.msgId }])
    expect(await store.sweep(T0 + MINUTE, 10)).toMatchObject({ repaired: 0 })
  })

  test('a pause that was taken while the clock was ahead ends in time, and what it held back with it', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const held = await acceptFor(store, endpointId, { lease: leaseOf(A, AHEAD + MINUTE) })
    const until = AHEAD + SECOND
    await store.settle(
      settlement(held, {
        attempt: null,
        to: { state: 'pending', dueAt: until },
        endpoint: effect({ pausedUntil: until }),
      }),
    )
    await acceptFor(store, endpointId, { dueAt: until })
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toEqual([])

    expect(await putBack(store)).toBe(2)
    expect((await store.getEndpoint(APP, endpointId))?.pausedUntil).toBe(T0 + SECOND)
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: T0 + SECOND })
    expect((await claim(store, A, { now: T0 + SECOND })).deliveries).toHaveLength(2)
  })

  test('a manual attempt is due now, and its paused endpoint keeps its pause', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store, { lease: leaseOf(A, AHEAD + MINUTE) })
    await store.settle(settlement(held, { endpoint: effect({ pausedUntil: AHEAD + MINUTE }) }))
    await runOfManual(store, held, AHEAD)
    expect(await putBack(store)).toBe(1)
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: T0 + MINUTE })
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toMatchObject([{ run: 1 }])
  })

  test('what was written before the clock was ahead stays, and so does what was meant for later', async () => {
    await using opened = await open()
    const { store } = opened
    const retried = await acceptHeld(store)
    await store.settle(retrying(retried, T0 - SECOND, T0 + 2 * HOUR))
    const later = await acceptFor(store, await createEndpoint(store), { dueAt: T0 + 3 * HOUR })
    expect(await putBack(store)).toBe(0)
    expect([await dueAt(store, retried), await dueAt(store, later)]).toEqual([T0 + 2 * HOUR, T0 + 3 * HOUR])
  })

  test('a lane that took its turn while the clock was ahead is served again', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    await acceptMany(store, endpointId, 10)
    expect((await claim(store, A, { now: AHEAD, max: 4 })).deliveries).toHaveLength(4)
    expect((await claim(store, A)).deliveries).toEqual([])
    await putBack(store)
    expect((await claim(store, A)).deliveries).toHaveLength(6)
  })

  test('many deliveries are put right in small steps, each of them once', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 3)
    for (const endpointId of endpoints)
      for (let i = 0; i < 7; i++) await acceptFor(store, endpointId, { receivedAt: AHEAD, dueAt: AHEAD })
    expect(await putBack(store, 2)).toBe(21)
    expect(await putBack(store, 2)).toBe(0)
    expect((await claim(store, A)).deliveries).toHaveLength(21)
  })
}
