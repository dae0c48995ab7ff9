import { attemptsWith } from '../../src/store/port/history.ts'
import { newest } from '../../src/store/port/page.ts'
import { expect, test } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  APP,
  attemptsOf,
  B,
  claim,
  claimManual,
  createEndpoint,
  createEndpoints,
  deliveryOf,
  failed,
  givingUp,
  HOUR,
  leaseOf,
  manualFailure,
  MINUTE,
  type OpenStore,
  OTHER_APP,
  retrying,
  SECOND,
  settlement,
  T0,
} from './builders.ts'

/** Removes step by step until there is nothing left to remove; returns how many each step removed. */
async function steps(step: () => Promise<number>): Promise<number[]> {
  const removed: number[] = []
  for (let i = 0; i < 1_000; i++) {
    const count = await step()
    if (count === 0) return removed
    removed.push(count)
  }
  throw new Error('there is no end to it')
}

/** Beyond every time that a store may put off looking at a message again. */
const MUCH_LATER = T0 + 1_000 * HOUR
const prunePayloads = (store: Store, now: number) => steps(async () => (await store.prunePayloads(now, 3)).dealt)

export function retentionConformance(open: OpenStore): void {
  test('attempts are removed by their time, of all endpoints and applications, in steps', async () => {
    await using opened = await open()
    const { store } = opened
    const other = await createEndpoint(store, { appId: OTHER_APP })
    const held = [
      ...(await Promise.all(
        (await createEndpoints(store, 3)).map((id) => acceptFor(store, id, { lease: leaseOf(A) })),
      )),
      await acceptFor(store, other, { appId: OTHER_APP, lease: leaseOf(A) }),
    ]
    // Ten attempts each, one a minute.
    for (const one of held)
      for (let i = 0; i < 10; i++) await store.settle(settlement(one, { owner: B, attempt: failed(T0 + i * MINUTE) }))

    expect(await steps(() => store.pruneAttempts(T0 - MINUTE, 7))).toEqual([])
    const removed = await steps(() => store.pruneAttempts(T0 + 5 * MINUTE + 30 * SECOND, 7))
    expect(Math.max(...removed)).toBeLessThanOrEqual(7)
    expect(removed.reduce((sum, n) => sum + n, 0)).toBe(4 * 6)
    for (const one of held) {
      expect((await attemptsOf(store, one)).map((attempt) => (attempt.at - T0) / MINUTE)).toEqual([9, 8, 7, 6])
      expect(await deliveryOf(store, one)).toMatchObject({ state: 'leased', attempts: 10 })
    }
    const atEndpoint = attemptsWith({ appId: APP, endpointId: held[0]!.endpointId })
    expect(await store.listAttempts(atEndpoint, newest(100))).toHaveLength(4)
  })

  test('an attempt that is settled during the removal is removed in its turn, and counting goes on', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptFor(store, await createEndpoint(store), { lease: leaseOf(A) })
    for (let i = 0; i < 4; i++) await store.settle(settlement(held, { owner: B, attempt: failed(T0 + i * MINUTE) }))
    expect(await store.pruneAttempts(T0 + HOUR, 3)).toBe(3)
    await store.settle(settlement(held, { owner: B, attempt: failed(T0) }))
    expect(await steps(() => store.pruneAttempts(T0 + HOUR, 3))).toEqual([2])
    expect(await store.settle(settlement(held))).toMatchObject({ number: 6 })
  })

  test('with many endpoints, steps come round to every one of them', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = (await createEndpoints(store, 1_200)).sort()
    const accepted = endpoints.map((id) => acceptance([id], { lease: leaseOf(A) }))
    await store.accept(accepted)
    const keys = accepted.map(({ message, deliveries }) => ({
      appId: APP,
      msgId: message.id,
      endpointId: deliveries[0]!.endpointId,
      run: 0,
      tries: 0,
    }))
    await Promise.all(keys.map((key, i) => store.settle(givingUp(key, i === keys.length - 1 ? T0 : T0 + HOUR))))
    // A step may be too small to look at all of them, so that one of them may find nothing.
    let removed = 0
    for (let i = 0; i < 4; i++) removed += await store.pruneAttempts(T0 + MINUTE, 10)
    expect(removed).toBe(1)
    expect(await attemptsOf(store, keys.at(-1)!)).toEqual([])
    expect(await attemptsOf(store, keys[0]!)).toHaveLength(1)
  })

  test('an expired payload is removed once all deliveries are final, and all else can still be read', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 2)
    const accepted = acceptance(endpoints, { lease: leaseOf(A), expiresAt: T0 + HOUR })
    await store.accept([accepted])
    const msgId = accepted.message.id
    const [one, two] = endpoints.map((endpointId) => ({ appId: APP, msgId, endpointId, run: 0, tries: 0 }))
    await store.settle(settlement(one!))

    await prunePayloads(store, T0 + 2 * HOUR)
    expect(await store.getPayload(APP, msgId)).not.toBeNull()
    await store.settle(retrying(two!, T0, T0 + MINUTE))
    await prunePayloads(store, T0 + 10 * HOUR)
    expect(await store.getPayload(APP, msgId)).not.toBeNull()
    const [last] = (await claim(store, A, { now: T0 + HOUR })).deliveries
    expect(last!.payload.byteLength).toBeGreaterThan(0)
    await store.settle(givingUp(last!))

    await prunePayloads(store, MUCH_LATER)
    expect(await store.getPayload(APP, msgId)).toBeNull()
    expect(await store.getMessage(APP, msgId)).toMatchObject({ id: msgId, payloadRemoved: true })
    expect(await deliveryOf(store, one!)).toMatchObject({ state: 'delivered', attempts: 1 })
    expect(await deliveryOf(store, two!)).toMatchObject({ state: 'failed', attempts: 2 })
    expect(await attemptsOf(store, one!)).toHaveLength(3)
  })

  test('a payload that has not expired stays', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptFor(store, await createEndpoint(store), { lease: leaseOf(A), expiresAt: T0 + HOUR })
    await store.settle(settlement(held))
    expect(await prunePayloads(store, T0 + HOUR - MINUTE)).toEqual([])
    expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
  })

  test('a message without deliveries loses its payload when it expires', async () => {
    await using opened = await open()
    const { store } = opened
    const accepted = acceptance([], { expiresAt: T0 + HOUR })
    await store.accept([accepted])
    await prunePayloads(store, T0 + 2 * HOUR)
    expect(await store.getMessage(APP, accepted.message.id)).toMatchObject({ payloadRemoved: true })
  })

  test('a manual attempt that waits or is under way keeps the payload', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptFor(store, await createEndpoint(store), { lease: leaseOf(A), expiresAt: T0 + MINUTE })
    await store.settle(givingUp(held))
    await store.resend(held, T0)
    await prunePayloads(store, T0 + HOUR)
    expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
    const manual = await claimManual(store, held, A, T0 + HOUR)
    await prunePayloads(store, T0 + 10 * HOUR)
    expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
    await store.settle(manualFailure(manual))
    await prunePayloads(store, MUCH_LATER)
    expect(await store.getPayload(APP, held.msgId)).toBeNull()
  })

  test('payloads are removed in steps, and messages that are kept do not stand in the way of others', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const kept = Array.from({ length: 10 }, () => acceptance([endpointId], { expiresAt: T0 }))
    const free = Array.from({ length: 10 }, () => acceptance([], { expiresAt: T0 + MINUTE }))
    await store.accept([...kept, ...free])
    let removed = 0
    const dealt = await steps(async () => {
      const step = await store.prunePayloads(T0 + HOUR, 3)
      removed += step.removed
      return step.dealt
    })
    expect(Math.max(...dealt)).toBeLessThanOrEqual(3)
    expect(removed).toBe(free.length)
    for (const { message } of kept) expect(await store.getPayload(APP, message.id)).not.toBeNull()
    for (const { message } of free) expect(await store.getPayload(APP, message.id)).toBeNull()
  })

  test('idempotency records are removed in steps', async () => {
    await using opened = await open()
    const { store } = opened
    const record = (i: number) => ({ scope: 'ingest', key: `k${i}`, expiresAt: T0 + i * MINUTE })
    await store.accept(Array.from({ length: 10 }, (_, i) => acceptance([], { idempotency: record(i) })))
    const removed = await steps(() => store.pruneIdempotency(T0 + 6 * MINUTE + SECOND, 3))
    expect(removed).toEqual([3, 3, 1])
    const again = await store.accept(Array.from({ length: 10 }, (_, i) => acceptance([], { idempotency: record(i) })))
    expect(again.map((answer) => answer.duplicate)).toEqual([...Array(7).fill(false), ...Array(3).fill(true)])
  })
}
