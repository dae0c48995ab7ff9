import { expect, test } from 'vitest'
import { HELD_UNTIL } from '../../src/domain/endpoint.ts'
import type { EndpointId } from '../../src/domain/ids.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptFor,
  acceptMany,
  APP,
  claim,
  createEndpoint,
  createEndpoints,
  deliveryOf,
  HOUR,
  MINUTE,
  type OpenStore,
  runOfManual,
  SECOND,
  T0,
} from './builders.ts'

const hold = (store: Store, id: EndpointId, held: boolean, now = T0): Promise<boolean> =>
  store.holdEndpoint({ appId: APP, id, held }, now)

/** Endpoints that wait until somebody configures them. */
export function holdConformance(open: OpenStore): void {
  test('what waits for an endpoint that is held is not claimed, counted or due, before and after a restart', async () => {
    await using opened = await open()
    let { store } = opened
    const [held, other] = await createEndpoints(store, 2)
    await acceptMany(store, held!, 2)
    expect(await hold(store, held!, true)).toBe(true)
    expect(await hold(store, held!, true)).toBe(false)
    expect((await store.getEndpoint(APP, held!))?.pausedUntil).toBe(HELD_UNTIL)
    await acceptMany(store, held!, 3)
    const due = await acceptFor(store, other!)
    for (let round = 0; round < 2; round++) {
      expect(await store.heldDeliveries()).toBe(5)
      expect(await store.backlog(T0 + HOUR)).toEqual({ pending: 1, oldestDueAt: T0 })
      await store.sweep(T0 + HOUR, 100)
      store = await opened.reopen()
    }
    const { deliveries, nextDueAt } = await claim(store, A, { now: T0 + HOUR })
    expect(deliveries.map(({ msgId }) => msgId)).toEqual([due.msgId])
    expect(nextDueAt === null || nextDueAt >= HELD_UNTIL).toBe(true)
  })

  test('once it is let go, everything goes out', async () => {
    await using opened = await open()
    const { store } = opened
    const id = await createEndpoint(store)
    await hold(store, id, true)
    await acceptMany(store, id, 3)
    expect(await hold(store, id, false, T0 + HOUR)).toBe(true)
    expect((await store.getEndpoint(APP, id))?.pausedUntil).toBeNull()
    expect(await store.heldDeliveries()).toBe(0)
    expect(await store.backlog(T0 + HOUR)).toMatchObject({ pending: 3 })
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries).toHaveLength(3)
  })

  test('a clock that is put back does not end it, nor does an endpoint that is unknown begin it', async () => {
    await using opened = await open()
    const { store } = opened
    const id = await createEndpoint(store)
    await hold(store, id, true)
    await acceptFor(store, id)
    await store.putClockBack({ now: T0 - MINUTE, backMs: HOUR }, null, 100)
    expect((await store.getEndpoint(APP, id))?.pausedUntil).toBe(HELD_UNTIL)
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries).toEqual([])
    expect(await hold(store, 'ep_000000000000000000000nobody', true)).toBe(false)
  })

  test('a delivery that waits longer than its payload is kept ends as failed, and its manual attempt goes away', async () => {
    await using opened = await open()
    const { store } = opened
    const [held, other] = await createEndpoints(store, 2)
    await hold(store, held!, true)
    const gone = await acceptFor(store, held!, { expiresAt: T0 + SECOND })
    await runOfManual(store, gone)
    const kept = await acceptFor(store, held!, { expiresAt: T0 + 10_000 * HOUR })
    const unheld = await acceptFor(store, other!, { expiresAt: T0 + SECOND })
    const later = T0 + 1_000 * HOUR
    for (let i = 0; i < 10; i++) await store.prunePayloads(later, 10)
    expect(await deliveryOf(store, gone)).toMatchObject({ state: 'failed', attempts: 0, nextAttemptAt: null })
    expect(await store.getPayload(APP, gone.msgId)).toBeNull()
    for (const one of [kept, unheld]) {
      expect(await deliveryOf(store, one)).toMatchObject({ state: 'pending' })
      expect(await store.getPayload(APP, one.msgId)).not.toBeNull()
    }
    expect(await store.heldDeliveries()).toBe(1)
  })
}
