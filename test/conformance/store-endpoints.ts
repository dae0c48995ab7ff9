import { expect, test } from 'vitest'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import {
  A,
  acceptFor,
  APP,
  attemptsOf,
  candidate,
  claim,
  createEndpoint,
  deliveryOf,
  effect,
  endpoint,
  haveApplication,
  HOUR,
  leaseOf,
  MINUTE,
  newId,
  type OpenStore,
  OTHER_APP,
  retrying,
  SECOND,
  T0,
} from './builders.ts'

/** Every field has a value that no default has. */
const full = (given: Partial<Endpoint> = {}): Endpoint =>
  endpoint({
    uid: 'customer/42 ü',
    kind: 'svix',
    managed: true,
    url: 'https://user.example/hook?a=1&b=%20#x',
    description: 'line one\nline "two" 🔧',
    disabled: true,
    disabledReason: 'owner',
    eventTypes: ['user.*', 'invoice.paid'],
    channels: ['project-1', 'ünïcode'],
    headers: { 'x-api-key': 'abc "quoted"', 'X-Other': '' },
    metadata: { team: 'billing', '': 'empty key' },
    secrets: [
      { secret: 'whsec_bmV3', expiresAt: null },
      { secret: 'whsec_b2xk', expiresAt: T0 + HOUR },
    ],
    rateLimit: 7,
    timeoutMs: 12_345,
    retryScheduleMs: [1_000, 60_000, 0],
    version: 3,
    createdAt: T0 - HOUR,
    updatedAt: T0 - MINUTE,
    ...given,
  })

/** The endpoint as its owner changed it at `at`. */
const changed = (before: Endpoint, at: number, change: Partial<Endpoint>): Endpoint => ({
  ...before,
  ...change,
  updatedAt: at,
})

export function endpointConformance(open: OpenStore): void {
  test.each([
    ['with every setting', full],
    ['without any', endpoint],
    [
      'with empty lists',
      () => endpoint({ eventTypes: [], channels: [], secrets: [], retryScheduleMs: [], headers: {}, metadata: {} }),
    ],
  ])('an endpoint %s reads back as it was', async (_, build) => {
    await using opened = await open()
    const { store } = opened
    const created = build()
    await store.createEndpoint(created)
    expect(await store.getEndpoint(APP, created.id)).toEqual(created)
    expect(await store.endpointsOf(APP)).toEqual([candidate(created)])
  })

  test('every setting can be changed', async () => {
    await using opened = await open()
    const { store } = opened
    const before = endpoint({ createdAt: T0 - HOUR })
    await store.createEndpoint(before)
    const after = full({ id: before.id, createdAt: before.createdAt, updatedAt: T0 })
    expect(await store.updateEndpoint(after, before.updatedAt)).toBe('updated')
    expect(await store.getEndpoint(APP, before.id)).toEqual(after)
    const cleared = endpoint({ id: before.id, createdAt: before.createdAt, updatedAt: T0 + 1 })
    expect(await store.updateEndpoint(cleared, after.updatedAt)).toBe('updated')
    expect(await store.getEndpoint(APP, before.id)).toEqual(cleared)
  })

  test('of two changes made at once the second is refused and changes nothing', async () => {
    await using opened = await open()
    const { store } = opened
    const before = endpoint()
    await store.createEndpoint(before)
    const one = changed(before, T0 + 1, { description: 'one' })
    const two = changed(before, T0 + 2, { rateLimit: 5 })
    const results = await Promise.all([store.updateEndpoint(one, T0), store.updateEndpoint(two, T0)])
    expect(results.sort()).toEqual(['changed', 'updated'])
    const after = await store.getEndpoint(APP, before.id)
    expect([one, two]).toContainEqual(after)
    expect(await store.updateEndpoint(changed(after!, T0 + 3, { description: 'three' }), after!.updatedAt)).toBe(
      'updated',
    )
  })

  test('an endpoint that is unknown, deleted or another application’s cannot be changed', async () => {
    await using opened = await open()
    const { store } = opened
    const known = endpoint()
    await store.createEndpoint(known)
    expect(await store.updateEndpoint(endpoint(), T0)).toBe('unknown')
    expect(await store.updateEndpoint({ ...known, appId: OTHER_APP, updatedAt: T0 + 1 }, T0)).toBe('unknown')
    await store.deleteEndpoint({ appId: APP, id: known.id }, T0 + 1)
    expect(await store.updateEndpoint(changed(known, T0 + 2, {}), T0 + 1)).toBe('unknown')
  })

  test('an application’s endpoints are its own', async () => {
    await using opened = await open()
    const { store } = opened
    const mine = endpoint({ uid: 'same' })
    const theirs = endpoint({ uid: 'same', appId: OTHER_APP })
    await haveApplication(store, OTHER_APP)
    await store.createEndpoint(mine)
    await store.createEndpoint(theirs)
    expect(await store.getEndpoint(APP, theirs.id)).toBeNull()
    expect(await store.endpointsOf(APP)).toEqual([candidate(mine)])
    expect(await store.endpointsOf(OTHER_APP)).toEqual([candidate(theirs)])
    expect(await store.deleteEndpoint({ appId: APP, id: theirs.id }, T0)).toBe(false)
    expect(await store.getEndpoint(OTHER_APP, theirs.id)).toEqual(theirs)
  })

  test('endpoints are listed oldest first, page by page, with the number of all', async () => {
    await using opened = await open()
    const { store } = opened
    const created = Array.from({ length: 7 }, (_, i) => endpoint({ createdAt: T0 + i * MINUTE, disabled: i % 3 === 0 }))
    for (const one of created.toReversed()) await store.createEndpoint(one)
    const list = (offset: number, disabled: boolean | null, limit = 3) =>
      store.listEndpoints({ appId: APP, limit, offset, disabled })

    expect(await store.endpointsOf(APP)).toEqual(created.map(candidate))
    expect(await list(0, null)).toEqual({ data: created.slice(0, 3), total: 7 })
    expect(await list(3, null)).toEqual({ data: created.slice(3, 6), total: 7 })
    expect(await list(6, null)).toEqual({ data: created.slice(6), total: 7 })
    expect(await list(9, null)).toEqual({ data: [], total: 7 })
    expect(await list(0, true, 10)).toEqual({ data: [created[0], created[3], created[6]], total: 3 })
    expect(await list(2, false, 10)).toEqual({ data: [created[4], created[5]], total: 4 })
    expect(await store.listEndpoints({ appId: OTHER_APP, limit: 5, offset: 0, disabled: null })).toEqual({
      data: [],
      total: 0,
    })
  })

  test('the list has the endpoints that deliver over HTTP; the gateway’s own are not in it', async () => {
    await using opened = await open()
    const { store } = opened
    const [http, svix] = [
      full({ kind: 'http', managed: false }),
      endpoint({ kind: 'svix', managed: true, createdAt: T0 + MINUTE }),
    ]
    await store.createEndpoint(http)
    await store.createEndpoint(svix)
    expect(await store.listEndpoints({ appId: APP, limit: 10, offset: 0, disabled: null })).toEqual({
      data: [http],
      total: 1,
    })
    expect(await store.endpointsOf(APP)).toEqual([candidate(http), candidate(svix)])
    expect(await store.getEndpoint(APP, svix.id)).toEqual(svix)
  })

  test('a deleted endpoint is gone, its uid is free, and its deliveries and attempts stay on record', async () => {
    await using opened = await open()
    const { store } = opened
    const first = endpoint({ uid: 'customer-42' })
    await store.createEndpoint(first)
    const held = await acceptFor(store, first.id, { lease: leaseOf(A) })
    await store.settle(retrying(held, T0, T0 + HOUR))

    expect(await store.deleteEndpoint({ appId: APP, id: first.id }, T0 + MINUTE)).toBe(true)
    expect(await store.deleteEndpoint({ appId: APP, id: first.id }, T0 + 2 * MINUTE)).toBe(false)
    expect(await store.deleteEndpoint({ appId: APP, id: newId('ep') }, T0)).toBe(false)
    expect(await store.getEndpoint(APP, first.id)).toBeNull()
    expect(await store.endpointsOf(APP)).toEqual([])
    expect(await store.listEndpoints({ appId: APP, limit: 5, offset: 0, disabled: null })).toEqual({
      data: [],
      total: 0,
    })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'pending', attempts: 1 })
    expect(await attemptsOf(store, held)).toHaveLength(1)

    const second = endpoint({ uid: 'customer-42' })
    await store.createEndpoint(second)
    expect(await store.endpointsOf(APP)).toEqual([candidate(second)])
  })

  test('two live endpoints of an application cannot have the same uid or id', async () => {
    await using opened = await open()
    const { store } = opened
    const first = endpoint({ uid: 'customer-42' })
    const second = endpoint()
    expect(await store.createEndpoint(first)).toBe('created')
    expect(await store.createEndpoint(second)).toBe('created')
    expect(await store.createEndpoint(endpoint({ uid: 'customer-42' }))).toBe('uid_taken')
    await expect(store.createEndpoint(endpoint({ id: first.id }))).rejects.toBeInstanceOf(Error)
    expect(await store.updateEndpoint(changed(second, T0 + 1, { uid: 'customer-42' }), T0)).toBe('uid_taken')
    expect(await store.updateEndpoint(changed(second, T0 + 1, { uid: 'customer-42' }), T0 - 1)).toBe('changed')
    expect(await store.updateEndpoint(changed(first, T0 + 1, { description: 'keeps its uid' }), T0)).toBe('updated')
    await store.updateEndpoint(changed(first, T0, {}), T0 + 1)
    expect(await store.getEndpoint(APP, first.id)).toEqual(first)
    expect(await store.getEndpoint(APP, second.id)).toEqual(second)
  })

  test.each([
    ['a new URL', { url: 'https://new.example/' }, true],
    ['another setting', { description: 'new', rateLimit: 3 }, false],
  ])('%s decides whether what was learnt about the receiver still holds', async (_, change, isForgotten) => {
    await using opened = await open()
    const { store } = opened
    const id = await createEndpoint(store)
    const held = await acceptFor(store, id, { lease: leaseOf(A) })
    await acceptFor(store, id)
    const learnt = effect({ failure: { gaveUp: true, disableAfterMs: HOUR }, pausedUntil: T0 + HOUR })
    await store.settle(retrying(held, T0, T0 + 2 * HOUR, { endpoint: learnt }))
    const before = (await store.getEndpoint(APP, id))!
    expect(before).toMatchObject({ failingSince: T0, givenUpSince: T0, pausedUntil: T0 + HOUR })
    expect(await claim(store, A, { now: T0 + MINUTE })).toEqual({ deliveries: [], nextDueAt: T0 + HOUR })

    await store.updateEndpoint(changed(before, T0 + MINUTE, change), before.updatedAt)
    expect(await store.getEndpoint(APP, id)).toMatchObject(
      isForgotten
        ? { failingSince: null, givenUpSince: null, pausedUntil: null }
        : { failingSince: T0, givenUpSince: T0, pausedUntil: T0 + HOUR },
    )
    const { deliveries } = await claim(store, A, { now: T0 + MINUTE })
    expect(deliveries).toHaveLength(isForgotten ? 1 : 0)
  })

  test('enabling an endpoint again forgets its failures and its pause', async () => {
    await using opened = await open()
    const { store } = opened
    const id = await createEndpoint(store)
    const held = await acceptFor(store, id, { lease: leaseOf(A) })
    const learnt = effect({ failure: { gaveUp: true, disableAfterMs: HOUR }, pausedUntil: T0 + HOUR, disable: 'gone' })
    await store.settle(retrying(held, T0, T0 + SECOND, { endpoint: learnt }))
    const disabled = (await store.getEndpoint(APP, id))!
    const enabled = changed(disabled, T0 + MINUTE, { disabled: false, disabledReason: null })
    expect(await store.updateEndpoint(enabled, disabled.updatedAt)).toBe('updated')
    expect(await store.getEndpoint(APP, id)).toEqual({
      ...enabled,
      failingSince: null,
      givenUpSince: null,
      pausedUntil: null,
    })
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toHaveLength(1)
  })

  test('a change of settings cannot set what the store itself keeps', async () => {
    await using opened = await open()
    const { store } = opened
    const created = endpoint({ failingSince: T0, givenUpSince: T0, pausedUntil: T0 + HOUR })
    await store.createEndpoint(created)
    const clean = { ...created, failingSince: null, givenUpSince: null, pausedUntil: null }
    expect(await store.getEndpoint(APP, created.id)).toEqual(clean)
    await store.updateEndpoint(changed(created, T0 + 1, { description: 'x' }), T0)
    expect(await store.getEndpoint(APP, created.id)).toEqual(changed(clean, T0 + 1, { description: 'x' }))
  })

  test('an application has as many endpoints as it may have, and never more, however many are created at once', async () => {
    await using opened = await open()
    const { store } = opened
    const gatewaysOwn = endpoint({ kind: 'svix', managed: true })
    await store.createEndpoint(gatewaysOwn)
    const results = await Promise.all(Array.from({ length: 12 }, () => store.createEndpoint(endpoint(), undefined, 5)))
    expect(results.toSorted()).toEqual([...Array(5).fill('created'), ...Array(7).fill('limit_reached')])
    expect(await store.endpointsOf(APP)).toHaveLength(6)
    // Without a limit, or with a higher one, there is room; and a deleted one makes room.
    expect(await store.createEndpoint(endpoint(), undefined, 6)).toBe('created')
    expect(await store.createEndpoint(endpoint())).toBe('created')
    expect(await store.createEndpoint(endpoint(), undefined, 7)).toBe('limit_reached')
    const one = (await store.endpointsOf(APP)).find(({ managed }) => !managed)
    await store.deleteEndpoint({ appId: APP, id: one!.id }, T0)
    expect(await store.createEndpoint(endpoint(), undefined, 7)).toBe('created')
  })

  test('the limit is each application’s own, and a uid that is taken is told first', async () => {
    await using opened = await open()
    const { store } = opened
    await haveApplication(store, OTHER_APP)
    await store.createEndpoint(endpoint({ uid: 'one' }), undefined, 1)
    expect(await store.createEndpoint(endpoint({ uid: 'one' }), undefined, 1)).toBe('uid_taken')
    expect(await store.createEndpoint(endpoint({ uid: 'two' }), undefined, 1)).toBe('limit_reached')
    expect(await store.createEndpoint(endpoint({ appId: OTHER_APP }), undefined, 1)).toBe('created')
  })
}
