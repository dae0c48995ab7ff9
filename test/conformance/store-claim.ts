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
  effect,
  HOUR,
  keyText,
  leaseOf,
  MINUTE,
  type OpenStore,
  OTHER_APP,
  SECOND,
  retrying,
  settlement,
  T0,
} from './builders.ts'

export function claimConformance(open: OpenStore): void {
  test('a claimed delivery comes with all that its attempt needs', async () => {
    await using opened = await open()
    const { store } = opened
    const { msgId, endpointId } = await acceptFor(store, await createEndpoint(store), {
      eventId: 'evt-1',
      eventType: 'invoice.paid',
      contentType: 'application/cloudevents+json',
      receivedAt: T0 - HOUR,
      payload: Buffer.from('{"n":1}'),
      hops: 3,
    })
    const { deliveries } = await claim(store, A, { lease: leaseOf(A, T0 + 5 * MINUTE) })
    expect(deliveries).toEqual([
      {
        appId: APP,
        msgId,
        endpointId,
        run: 0,
        tries: 0,
        spared: 0,
        lastAttemptAt: null,
        leaseUntil: T0 + 5 * MINUTE,
        eventId: 'evt-1',
        eventType: 'invoice.paid',
        contentType: 'application/cloudevents+json',
        receivedAt: T0 - HOUR,
        payload: new Uint8Array(Buffer.from('{"n":1}')),
        hops: 3,
      },
    ])
    expect(await store.deliveriesOf(APP, msgId)).toMatchObject([{ state: 'leased', nextAttemptAt: null }])
  })

  test('a claimed delivery is nobody else’s', async () => {
    await using opened = await open()
    const { store } = opened
    await acceptFor(store, await createEndpoint(store))
    expect((await claim(store, A)).deliveries).toHaveLength(1)
    expect(await claim(store, B)).toEqual({ deliveries: [], nextDueAt: null })
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: null })
  })

  test('two nodes that claim at the same time never get the same of 2,000 deliveries, and get all of them', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 20)
    const due = Array.from({ length: 100 }, () => acceptance(endpoints))
    await store.accept(due)

    const drain = async (owner: string) => {
      const keys: string[] = []
      for (;;) {
        const { deliveries } = await claim(store, owner, { max: 64, perEndpointMax: 16 })
        if (deliveries.length === 0) return keys
        keys.push(...deliveries.map(keyText))
      }
    }
    const nodes = await Promise.all([drain(A), drain(B), drain(A), drain(B)])
    const keys = nodes.flat()
    expect(keys).toHaveLength(2_000)
    expect(new Set(keys).size).toBe(2_000)
  })

  test('what is not due yet is not claimed, and the claim says when it will be', async () => {
    await using opened = await open()
    const { store } = opened
    const [soon, later] = await createEndpoints(store, 2)
    await acceptFor(store, later!, { dueAt: T0 + HOUR })
    await acceptFor(store, soon!, { dueAt: T0 + MINUTE })
    expect(await claim(store, A, { now: T0 + MINUTE - 1 })).toEqual({ deliveries: [], nextDueAt: T0 + MINUTE })

    const atItsTime = await claim(store, A, { now: T0 + MINUTE })
    expect(atItsTime.deliveries.map((one) => one.endpointId)).toEqual([soon])
    expect(atItsTime.nextDueAt).toBe(T0 + HOUR)
    expect((await claim(store, A, { now: T0 + HOUR })).nextDueAt).toBeNull()
  })

  test('of one endpoint, what is due is claimed and what is not due yet waits', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const due = await acceptFor(store, endpointId)
    await acceptFor(store, endpointId, { dueAt: T0 + 1 })
    const { deliveries, nextDueAt } = await claim(store, A)
    expect(deliveries.map((one) => one.msgId)).toEqual([due.msgId])
    expect(nextDueAt).toBe(T0 + 1)
  })

  test('a retry is claimed at its time with the number of tries so far', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(retrying(held, T0, T0 + 10 * SECOND))
    expect(await claim(store, B, { now: T0 + 9 * SECOND })).toEqual({ deliveries: [], nextDueAt: T0 + 10 * SECOND })
    const { deliveries } = await claim(store, B, { now: T0 + 10 * SECOND })
    expect(deliveries).toMatchObject([{ msgId: held.msgId, run: 0, tries: 1 }])
  })

  test('while more is due than was taken, the next due time is not in the future', async () => {
    await using opened = await open()
    const { store } = opened
    await acceptMany(store, await createEndpoint(store), 10)
    const { deliveries, nextDueAt } = await claim(store, A, { max: 4 })
    expect(deliveries).toHaveLength(4)
    expect(nextDueAt).not.toBeNull()
    expect(nextDueAt).toBeLessThanOrEqual(T0)
  })

  test('a claim takes no more than it asks for', async () => {
    await using opened = await open()
    const { store } = opened
    for (const endpointId of await createEndpoints(store, 5)) await acceptMany(store, endpointId, 10)
    for (const max of [0, 1, 2, 7, 8, 9]) expect((await claim(store, A, { max })).deliveries).toHaveLength(max)
    expect((await claim(store, A, { max: 50 })).deliveries).toHaveLength(50 - 27)
  })

  test('a claim takes no more of one endpoint than it asks for, first attempts and retries together', async () => {
    await using opened = await open()
    const { store } = opened
    const [busy, other] = await createEndpoints(store, 2)
    const failing = await Promise.all(
      Array.from({ length: 30 }, () => acceptFor(store, busy!, { lease: leaseOf(A, T0 + HOUR) })),
    )
    for (const held of failing) await store.settle(retrying(held, T0 - MINUTE, T0 - SECOND))
    await acceptMany(store, busy!, 100)
    await acceptMany(store, other!, 3)

    const { deliveries, nextDueAt } = await claim(store, A, { max: 100, perEndpointMax: 16 })
    expect(deliveries.filter((one) => one.endpointId === busy)).toHaveLength(16)
    expect(deliveries.filter((one) => one.endpointId === other)).toHaveLength(3)
    expect(nextDueAt).toBeLessThanOrEqual(T0)
  })

  test('an endpoint that is skipped is left alone, and does not count in the next due time', async () => {
    await using opened = await open()
    const { store } = opened
    const [full, free] = await createEndpoints(store, 2)
    await acceptMany(store, full!, 10)
    await acceptFor(store, free!)
    await acceptFor(store, free!, { dueAt: T0 + MINUTE })
    const skipping = await claim(store, A, { skip: [full!] })
    expect(skipping.deliveries.map((one) => one.endpointId)).toEqual([free])
    expect(skipping.nextDueAt).toBe(T0 + MINUTE)
    expect(await claim(store, A, { skip: [full!, free!] })).toEqual({ deliveries: [], nextDueAt: null })
    expect((await claim(store, A)).deliveries).toHaveLength(10)
  })

  test('skipping many endpoints does not hide the one that may be served', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 40)
    for (const [i, endpointId] of endpoints.entries()) await acceptFor(store, endpointId, { dueAt: T0 - SECOND + i })
    const last = endpoints.at(-1)!
    const { deliveries } = await claim(store, A, { max: 2, skip: endpoints.slice(0, -1) })
    expect(deliveries.map((one) => one.endpointId)).toEqual([last])
  })

  test('a claim takes of an application with many endpoints what it may, and goes on to others', async () => {
    await using opened = await open()
    const { store } = opened
    const many = await createEndpoints(store, 30)
    for (const endpointId of many) await acceptFor(store, endpointId, { dueAt: T0 - HOUR })
    const other = await createEndpoint(store, { appId: OTHER_APP })
    await acceptFor(store, other, { appId: OTHER_APP, dueAt: T0 - SECOND })
    const takenOf = { [APP]: 0, [OTHER_APP]: 0 } as Record<string, number>
    // Whoever claims passes over an application that has had its share.
    for (let i = 0; i < 3; i++) {
      const { deliveries } = await claim(store, A, {
        max: 20,
        perApplicationMax: 6,
        skipApplications: takenOf[APP]! >= 6 ? [APP] : [],
      })
      for (const { appId } of deliveries) takenOf[appId]!++
    }
    expect(takenOf).toEqual({ [APP]: 6, [OTHER_APP]: 1 })
    // The rest is still there.
    const { deliveries } = await claim(store, A)
    expect(deliveries).toHaveLength(24)
  })

  test('an application that is skipped is not what is due next', async () => {
    await using opened = await open()
    const { store } = opened
    for (const endpointId of await createEndpoints(store, 5)) await acceptFor(store, endpointId, { dueAt: T0 })
    expect(await claim(store, A, { skipApplications: [APP] })).toEqual({ deliveries: [], nextDueAt: null })
    const other = await createEndpoint(store, { appId: OTHER_APP })
    await acceptFor(store, other, { appId: OTHER_APP, dueAt: T0 + MINUTE })
    expect(await claim(store, A, { skipApplications: [APP] })).toEqual({ deliveries: [], nextDueAt: T0 + MINUTE })
    const none = await claim(store, A, { skipApplications: [APP, OTHER_APP] })
    expect(none).toEqual({ deliveries: [], nextDueAt: null })
    expect((await claim(store, A, { skipApplications: [OTHER_APP] })).deliveries).toHaveLength(5)
  })

  test('a claim stops once it has loaded enough bytes', async () => {
    await using opened = await open()
    const { store } = opened
    const [first, second] = await createEndpoints(store, 2)
    const payload = new Uint8Array(100_000)
    await store.accept(Array.from({ length: 10 }, () => acceptance([first!, second!], { payload })))
    const { deliveries, nextDueAt } = await claim(store, A, { payloadBytesMax: 250_000 })
    // The one that crosses the line may be in it; otherwise a payload larger than the line could never be claimed.
    expect(deliveries.length).toBeGreaterThanOrEqual(1)
    expect(deliveries.length).toBeLessThanOrEqual(3)
    expect(nextDueAt).toBeLessThanOrEqual(T0)

    let taken = deliveries.length
    for (let i = 0; i < 20; i++) taken += (await claim(store, A, { payloadBytesMax: 250_000 })).deliveries.length
    expect(taken).toBe(20)
  })

  test('a payload larger than a claim may load is claimed alone', async () => {
    await using opened = await open()
    const { store } = opened
    await acceptFor(store, await createEndpoint(store), { payload: new Uint8Array(500_000) })
    expect((await claim(store, A, { payloadBytesMax: 1_000 })).deliveries).toHaveLength(1)
  })

  test('a paused endpoint is not claimed before the pause is over, whatever came before it or comes during it', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const until = T0 + 10 * MINUTE
    const held = await acceptFor(store, endpointId, { lease: leaseOf(A, T0 + HOUR) })
    await acceptFor(store, endpointId)
    await store.settle(retrying(held, T0, T0 + SECOND, { endpoint: effect({ pausedUntil: until }) }))
    await acceptFor(store, endpointId, { dueAt: T0 + SECOND })
    const manual = await store.resend(held, T0 + SECOND)
    expect(manual).not.toBeNull()

    expect(await claim(store, A, { now: until - 1 })).toEqual({ deliveries: [], nextDueAt: until })
    expect((await claim(store, A, { now: until })).deliveries).toHaveLength(4)
  })

  test('an endpoint that is paused does not keep others waiting', async () => {
    await using opened = await open()
    const { store } = opened
    const [paused, other] = await createEndpoints(store, 2)
    const held = await acceptFor(store, paused!, { lease: leaseOf(A) })
    await acceptMany(store, paused!, 50)
    await store.settle(settlement(held, { endpoint: effect({ pausedUntil: T0 + MINUTE }) }))
    await acceptFor(store, other!)
    expect((await claim(store, A, { max: 1 })).deliveries.map((one) => one.endpointId)).toEqual([other])
  })

  test('deliveries of all applications are claimed', async () => {
    await using opened = await open()
    const { store } = opened
    const here = await createEndpoint(store)
    const there = await createEndpoint(store, { appId: OTHER_APP })
    await acceptFor(store, here)
    await acceptFor(store, there, { appId: OTHER_APP })
    const { deliveries } = await claim(store, A)
    expect(new Set(deliveries.map((one) => one.appId))).toEqual(new Set([APP, OTHER_APP]))
  })

  test('a manual attempt whose payload is gone is neither handed out nor left waiting', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store, { expiresAt: T0 + MINUTE })
    await store.settle(settlement(held))
    await store.prunePayloads(T0 + HOUR, 10)
    await store.resend(held, T0 + HOUR)
    await claim(store, A, { now: T0 + HOUR })
    expect(await claim(store, A, { now: T0 + HOUR })).toEqual({ deliveries: [], nextDueAt: null })
    expect(await store.backlog(T0 + HOUR)).toEqual({ pending: 0, oldestDueAt: null })
    expect(await store.deliveriesOf(APP, held.msgId)).toMatchObject([{ state: 'delivered', attempts: 1 }])
  })
}
