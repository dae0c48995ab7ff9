import { expect, test } from 'vitest'
import type { EndpointEffect } from '../../src/store/port/queue.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptFor,
  APP,
  attemptsOf,
  B,
  claimManual,
  createEndpoint,
  effect,
  endpoint,
  givingUp,
  HOUR,
  leaseOf,
  MINUTE,
  type OpenStore,
  retrying,
  SECOND,
  settlement,
  succeeded,
  T0,
} from './builders.ts'
import type { EndpointId } from '../../src/domain/ids.ts'

const DISABLE_AFTER = 5 * HOUR

/** An endpoint, and what happens when attempts at it end. */
async function createTarget(store: Store) {
  const id = await createEndpoint(store)
  const held = () => acceptFor(store, id, { lease: leaseOf(A, T0 + 24 * HOUR) })
  const fails = async (at: number, given: Partial<EndpointEffect>) =>
    store.settle(retrying(await held(), at, at + HOUR, { endpoint: effect(given) }))
  const failure = (gaveUp: boolean) => ({ failure: { gaveUp, disableAfterMs: DISABLE_AFTER } })
  return {
    id,
    held,
    read: async () => (await store.getEndpoint(APP, id))!,
    /** An attempt that will be repeated, and that says this of its endpoint. */
    fails,
    failsOnce: (at: number) => fails(at, failure(false)),
    givesUp: async (at: number) => store.settle(givingUp(await held(), at, { endpoint: effect(failure(true)) })),
    succeeds: async (at: number) => store.settle(settlement(await held(), { attempt: succeeded(at) })),
  }
}

const FAILURE = { failure: { gaveUp: false, disableAfterMs: DISABLE_AFTER } }

const changesNothing = { endpointChanged: false, disabled: null }
const isWell = { failingSince: null, givenUpSince: null, disabled: false }

export function endpointEffectConformance(open: OpenStore): void {
  test('a run of failures begins with the first of them and ends with a success', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    expect(await target.read()).toMatchObject(isWell)
    expect(await target.failsOnce(T0)).toMatchObject({ endpointChanged: true, disabled: null })
    expect((await target.read()).failingSince).toBe(T0)
    expect(await target.failsOnce(T0 + HOUR)).toMatchObject(changesNothing)
    expect(await target.read()).toMatchObject({ failingSince: T0, givenUpSince: null })
    expect(await target.succeeds(T0 + 2 * HOUR)).toMatchObject({ endpointChanged: true })
    expect(await target.read()).toMatchObject(isWell)
    expect(await target.succeeds(T0 + 3 * HOUR)).toMatchObject(changesNothing)
    expect(await target.failsOnce(T0 + 4 * HOUR)).toMatchObject({ endpointChanged: true })
    expect((await target.read()).failingSince).toBe(T0 + 4 * HOUR)
  })

  test('a success ends the run of failures though its own settlement knows nothing of one', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    const underWay = await target.held()
    await target.givesUp(T0)
    expect(await target.read()).toMatchObject({ failingSince: T0, givenUpSince: T0 })
    const settled = await opened.store.settle(settlement(underWay, { attempt: succeeded(T0 - SECOND), endpoint: null }))
    expect(settled).toMatchObject({ held: true, endpointChanged: true })
    expect(await target.read()).toMatchObject(isWell)
  })

  test('a success by hand ends the run of failures', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    const held = await target.held()
    await opened.store.settle(
      givingUp(held, T0, { endpoint: effect({ failure: { gaveUp: true, disableAfterMs: DISABLE_AFTER } }) }),
    )
    const manual = await claimManual(opened.store, held)
    expect(await opened.store.settle(settlement(manual, { attempt: succeeded(T0 + HOUR) }))).toMatchObject({
      endpointChanged: true,
    })
    expect(await target.read()).toMatchObject(isWell)
  })

  test('an attempt that says nothing about its endpoint changes nothing of it', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    const before = await target.read()
    expect(await target.fails(T0, {})).toMatchObject(changesNothing)
    expect(await target.read()).toEqual(before)
  })

  test('an endpoint is disabled by a delivery that was given up long enough after the first', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.failsOnce(T0 - HOUR)
    expect(await target.givesUp(T0)).toMatchObject({ endpointChanged: true, disabled: null })
    expect(await target.read()).toMatchObject({ failingSince: T0 - HOUR, givenUpSince: T0 })
    expect(await target.givesUp(T0 + DISABLE_AFTER)).toMatchObject(changesNothing)
    expect(await target.failsOnce(T0 + DISABLE_AFTER + 1)).toMatchObject(changesNothing)
    expect((await target.read()).disabled).toBe(false)

    expect(await target.givesUp(T0 + DISABLE_AFTER + 1)).toMatchObject({ endpointChanged: true, disabled: 'failing' })
    expect(await target.read()).toMatchObject({ disabled: true, disabledReason: 'failing' })
    expect((await target.read()).updatedAt).toBeGreaterThan(T0)
  })

  test('a delivery that was given up too long ago is forgotten', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.givesUp(T0)
    const later = T0 + 2 * DISABLE_AFTER + 1
    expect(await target.givesUp(later)).toMatchObject({ endpointChanged: true, disabled: null })
    expect(await target.read()).toMatchObject({ disabled: false, givenUpSince: later })
  })

  test('a success between two deliveries that were given up keeps the endpoint enabled', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.givesUp(T0)
    await target.succeeds(T0 + SECOND)
    expect(await target.givesUp(T0 + DISABLE_AFTER + 1)).toMatchObject({ disabled: null })
    expect((await target.read()).disabled).toBe(false)
  })

  test('only one of many settlements disables an endpoint', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.givesUp(T0)
    const settled = await Promise.all(
      Array.from({ length: 20 }, (_, i) => target.givesUp(T0 + DISABLE_AFTER + 1 + i * 4)),
    )
    expect(settled.filter((one) => one.disabled === 'failing')).toHaveLength(1)
    expect(settled.filter((one) => one.endpointChanged)).toHaveLength(1)
  })

  test('410 Gone disables an endpoint at once, and is the reason that stays', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    expect(await target.fails(T0 + HOUR, { disable: 'gone' })).toMatchObject({
      endpointChanged: true,
      disabled: 'gone',
    })
    expect(await target.read()).toMatchObject({ disabled: true, disabledReason: 'gone' })
    await target.givesUp(T0 + 2 * HOUR)
    const later = await target.givesUp(T0 + 2 * HOUR + DISABLE_AFTER + 1)
    expect(later.disabled).toBeNull()
    expect((await target.read()).disabledReason).toBe('gone')
  })

  test('an attempt does not overrule the owner who disabled the endpoint', async () => {
    await using opened = await open()
    const { store } = opened
    const target = await createTarget(store)
    const before = await target.read()
    await store.updateEndpoint({ ...before, disabled: true, disabledReason: 'owner', updatedAt: T0 + 1 }, T0)
    expect(await target.fails(T0 + HOUR, { disable: 'gone' })).toMatchObject(changesNothing)
    expect((await target.read()).disabledReason).toBe('owner')
  })

  test('a pause can be prolonged and not cut short', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    expect(await target.fails(T0, { pausedUntil: T0 + HOUR })).toMatchObject({ endpointChanged: true, disabled: null })
    expect((await target.read()).pausedUntil).toBe(T0 + HOUR)
    expect(await target.fails(T0, { pausedUntil: T0 + MINUTE })).toMatchObject(changesNothing)
    expect((await target.read()).pausedUntil).toBe(T0 + HOUR)
    expect(await target.fails(T0, { pausedUntil: T0 + 2 * HOUR })).toMatchObject({ endpointChanged: true })
    expect((await target.read()).pausedUntil).toBe(T0 + 2 * HOUR)
  })

  test('an edit begun before the endpoint was disabled does not enable it again unseen', async () => {
    await using opened = await open()
    const { store } = opened
    const target = await createTarget(store)
    const before = await target.read()
    await target.fails(T0, { disable: 'gone' })
    const edited = { ...before, description: 'edited', updatedAt: T0 + MINUTE }
    expect(await store.updateEndpoint(edited, before.updatedAt)).toBe('changed')
    expect(await target.read()).toMatchObject({ disabled: true, description: '' })
  })

  test('what an attempt shows about the endpoint holds even when its lease was lost', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    const late = retrying(await target.held(), T0, T0 + HOUR, { owner: B, endpoint: effect(FAILURE) })
    expect(await opened.store.settle(late)).toMatchObject({ held: false, endpointChanged: true })
    expect((await target.read()).failingSince).toBe(T0)
  })

  test('an attempt at a deleted endpoint is on record and brings nothing back', async () => {
    await using opened = await open()
    const { store } = opened
    const target = await createTarget(store)
    const held = await target.held()
    await store.deleteEndpoint({ appId: APP, id: target.id }, T0)
    const settled = await store.settle(
      settlement(held, { endpoint: effect({ disable: 'gone', pausedUntil: T0 + HOUR }) }),
    )
    expect(settled).toMatchObject({ held: true, number: 1, disabled: null })
    expect(await store.getEndpoint(APP, target.id)).toBeNull()
    expect(await attemptsOf(store, held)).toHaveLength(1)
  })

  test('an attempt changes its own endpoint and no other', async () => {
    await using opened = await open()
    const { store } = opened
    const other: EndpointId = await createEndpoint(store)
    const target = await createTarget(store)
    await target.fails(T0, { ...FAILURE, disable: 'gone', pausedUntil: T0 + HOUR })
    expect(await store.getEndpoint(APP, other)).toEqual(endpoint({ id: other }))
  })
}
