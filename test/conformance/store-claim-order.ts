import { expect, test } from 'vitest'
import type { EndpointId } from '../../src/domain/ids.ts'
import type { ClaimRequest, LeasedDelivery } from '../../src/store/port/queue.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptMany,
  claim,
  createEndpoint,
  createEndpoints,
  HOUR,
  leaseOf,
  type OpenStore,
  retrying,
  SECOND,
  T0,
} from './builders.ts'

/** `count` deliveries of the endpoint that failed once and are due again at T0. */
async function makeRetries(store: Store, endpointId: EndpointId, count: number): Promise<void> {
  const acceptances = Array.from({ length: count }, () => acceptance([endpointId], { lease: leaseOf(A, T0 + HOUR) }))
  await store.accept(acceptances)
  await Promise.all(
    acceptances.map(({ message: { appId, id: msgId } }) =>
      store.settle(retrying({ appId, msgId, endpointId, run: 0, tries: 0 }, T0 - SECOND, T0)),
    ),
  )
}

const isFirst = (delivery: LeasedDelivery) => delivery.tries === 0

/** Claims until a retry is among what was taken; returns how many claims it took, at most `max`. */
async function claimsUntilRetry(store: Store, max: number, request: Partial<ClaimRequest>): Promise<number> {
  for (let i = 1; i <= max; i++) {
    const { deliveries } = await claim(store, A, { now: T0 + i, ...request })
    if (!deliveries.every(isFirst)) return i
  }
  return Infinity
}

export function claimOrderConformance(open: OpenStore): void {
  test('an endpoint with a thousand due deliveries leaves room for ten with one each', async () => {
    await using opened = await open()
    const { store } = opened
    const busy = await createEndpoint(store)
    await acceptMany(store, busy, 1_000)
    const quiet = await createEndpoints(store, 10)
    for (const endpointId of quiet) await acceptFor(store, endpointId)

    const { deliveries } = await claim(store, A, { max: 100, perEndpointMax: 64 })
    expect(new Set(deliveries.map((one) => one.endpointId))).toEqual(new Set([busy, ...quiet]))
  })

  test('when a claim has no room for all endpoints, the others come next', async () => {
    await using opened = await open()
    const { store } = opened
    await acceptMany(store, await createEndpoint(store), 1_000)
    const quiet = await createEndpoints(store, 10)
    for (const endpointId of quiet) await acceptFor(store, endpointId)

    const served = new Set<EndpointId>()
    for (let i = 1; i <= 5; i++)
      for (const one of (await claim(store, A, { max: 4, now: T0 + i })).deliveries) served.add(one.endpointId)
    expect(quiet.filter((endpointId) => !served.has(endpointId))).toEqual([])
  })

  test('endpoints with much to do take turns', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 6)
    for (const endpointId of endpoints) await acceptMany(store, endpointId, 100)
    const turns = new Map<EndpointId, number>(endpoints.map((endpointId) => [endpointId, 0]))
    for (let i = 1; i <= 12; i++) {
      const { deliveries } = await claim(store, A, { max: 8, perEndpointMax: 4, now: T0 + i })
      expect(deliveries).toHaveLength(8)
      for (const id of new Set(deliveries.map((one) => one.endpointId))) turns.set(id, turns.get(id)! + 1)
    }
    // Two or three of the six are served by each of the twelve claims.
    expect(Math.min(...turns.values())).toBeGreaterThanOrEqual(4)
  })

  test('of one endpoint, what is due for longest is claimed first', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const inOrder: string[] = []
    for (const dueAt of [3, 1, 4, 0, 2])
      inOrder[dueAt] = (await acceptFor(store, endpointId, { dueAt: T0 - SECOND + dueAt })).msgId
    const taken: string[] = []
    for (let i = 0; i < 5; i++) taken.push(...(await claim(store, A, { max: 1 })).deliveries.map((one) => one.msgId))
    expect(taken).toEqual(inOrder)
  })

  test('first attempts go before retries, which get a share all the same', async () => {
    await using opened = await open()
    const { store } = opened
    const [fresh, failing] = await createEndpoints(store, 2)
    await makeRetries(store, failing!, 60)
    await acceptMany(store, fresh!, 200)
    const { deliveries } = await claim(store, A, { max: 64, perEndpointMax: 64 })
    const firsts = deliveries.filter(isFirst).length
    expect(deliveries).toHaveLength(64)
    expect(firsts).toBeGreaterThan(64 / 2)
    expect(firsts).toBeLessThan(64)
  })

  test('room that first attempts do not need is the retries’, and the other way round', async () => {
    await using opened = await open()
    const { store } = opened
    const [fresh, failing] = await createEndpoints(store, 2)
    await makeRetries(store, failing!, 50)
    await acceptMany(store, fresh!, 3)
    expect((await claim(store, A, { max: 40 })).deliveries.filter(isFirst)).toHaveLength(3)
    await acceptMany(store, fresh!, 50)
    const { deliveries } = await claim(store, A, { max: 60 })
    expect(deliveries.filter(isFirst)).toHaveLength(50)
    expect(deliveries).toHaveLength(60)
  })

  test('a flood of first attempts does not postpone retries for ever, however small the claims are', async () => {
    await using opened = await open()
    const { store } = opened
    const [fresh, failing] = await createEndpoints(store, 2)
    await makeRetries(store, failing!, 1)
    await acceptMany(store, fresh!, 100)
    expect(await claimsUntilRetry(store, 20, { max: 1 })).toBeLessThanOrEqual(20)
  })

  test('an endpoint’s own first attempts do not postpone its retries for ever, however few it may take', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    await makeRetries(store, endpointId, 1)
    await acceptMany(store, endpointId, 100)
    expect(await claimsUntilRetry(store, 20, { max: 64, perEndpointMax: 1 })).toBeLessThanOrEqual(20)
  })
}
