import { expect, test } from 'vitest'
import type { EndpointEffect, Store } from '../../src/store/store.ts'
import {
  A,
  acceptFor,
  APP,
  attemptsOf,
  B,
  createEndpoint,
  effect,
  endpoint,
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

/** An endpoint, and what happens when attempts at it end. */
async function createTarget(store: Store) {
  const id = await createEndpoint(store)
  const held = () => acceptFor(store, id, { lease: leaseOf(A, T0 + 24 * HOUR) })
  return {
    id,
    held,
    read: async () => (await store.getEndpoint(APP, id))!,
    fails: async (at: number, given: Partial<EndpointEffect>) =>
      store.settle(retrying(await held(), at, at + HOUR, { endpoint: effect(given) })),
    succeeds: async (at: number, given: Partial<EndpointEffect>) =>
      store.settle(settlement(await held(), { attempt: succeeded(at), endpoint: effect(given) })),
  }
}

const changesNothing = { endpointChanged: false, disabled: null }

export function endpointEffectConformance(open: OpenStore): void {
  test('a run of failures begins with the first of them and ends with a success', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    expect((await target.read()).failingSince).toBeNull()
    expect(await target.fails(T0, { health: 'failing' })).toMatchObject({ endpointChanged: true, disabled: null })
    expect((await target.read()).failingSince).toBe(T0)
    expect(await target.fails(T0 + HOUR, { health: 'failing' })).toMatchObject(changesNothing)
    expect((await target.read()).failingSince).toBe(T0)
    expect(await target.succeeds(T0 + 2 * HOUR, { health: 'healthy' })).toMatchObject({ endpointChanged: true })
    expect((await target.read()).failingSince).toBeNull()
    expect(await target.succeeds(T0 + 3 * HOUR, { health: 'healthy' })).toMatchObject(changesNothing)
    expect(await target.fails(T0 + 4 * HOUR, { health: 'failing' })).toMatchObject({ endpointChanged: true })
    expect((await target.read()).failingSince).toBe(T0 + 4 * HOUR)
  })

  test('an attempt that says nothing about its endpoint changes nothing of it', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    const before = await target.read()
    expect(await target.fails(T0, {})).toMatchObject(changesNothing)
    expect(await target.read()).toEqual(before)
  })

  test('an endpoint is disabled once it has been failing for long enough', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.fails(T0, { health: 'failing' })
    const tooEarly = await target.fails(T0 + HOUR, { disableIfFailingSince: T0 - 1 })
    expect(tooEarly).toMatchObject(changesNothing)
    expect((await target.read()).disabled).toBe(false)

    const overdue = await target.fails(T0 + 2 * HOUR, { disableIfFailingSince: T0 })
    expect(overdue).toMatchObject({ endpointChanged: true, disabled: 'failing' })
    expect(await target.read()).toMatchObject({ disabled: true, disabledReason: 'failing' })
    expect((await target.read()).updatedAt).toBeGreaterThan(T0)
  })

  test('an endpoint that is not failing is not disabled for failing', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.fails(T0, { health: 'failing' })
    await target.succeeds(T0 + SECOND, { health: 'healthy' })
    expect(await target.fails(T0 + HOUR, { disableIfFailingSince: T0 + HOUR })).toMatchObject(changesNothing)
    expect((await target.read()).disabled).toBe(false)
  })

  test('only one of many settlements disables an endpoint', async () => {
    await using opened = await open()
    const target = await createTarget(opened.store)
    await target.fails(T0, { health: 'failing' })
    const settled = await Promise.all(
      Array.from({ length: 20 }, (_, i) => target.fails(T0 + HOUR + i * 4, { disableIfFailingSince: T0 })),
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
    const later = await target.fails(T0 + 2 * HOUR, { health: 'failing', disableIfFailingSince: T0 + 2 * HOUR })
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
    const late = retrying(await target.held(), T0, T0 + HOUR, { owner: B, endpoint: effect({ health: 'failing' }) })
    expect(await opened.store.settle(late)).toMatchObject({ held: false, endpointChanged: true })
    expect((await target.read()).failingSince).toBe(T0)
  })

  test('an attempt at a deleted endpoint is on record and brings nothing back', async () => {
    await using opened = await open()
    const { store } = opened
    const target = await createTarget(store)
    const held = await target.held()
    await store.deleteEndpoint(APP, target.id, T0)
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
    await target.fails(T0, { health: 'failing', disable: 'gone', pausedUntil: T0 + HOUR })
    expect(await store.getEndpoint(APP, other)).toEqual(endpoint({ id: other }))
  })
}
