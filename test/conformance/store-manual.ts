import { expect, test } from 'vitest'
import {
  A,
  acceptance,
  acceptHeld,
  APP,
  attemptsOf,
  B,
  claim,
  claimManual,
  createEndpoints,
  deliveryOf,
  givingUp,
  HOUR,
  manualFailure,
  manualSuccess,
  MINUTE,
  newId,
  type OpenStore,
  retrying,
  runOfManual,
  SECOND,
  settlement,
  T0,
} from './builders.ts'

export function manualConformance(open: OpenStore): void {
  test('a manual attempt is due at once and beside the delivery', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    const run = await runOfManual(store, held, T0 + MINUTE)
    expect(run).toBeGreaterThan(0)
    const { deliveries } = await claim(store, B, { now: T0 + MINUTE })
    expect(deliveries).toMatchObject([{ msgId: held.msgId, endpointId: held.endpointId, run, tries: 0 }])
    expect(Buffer.from(deliveries[0]!.payload).toString()).toBe('{"hello":"world"}')
    expect(await store.deliveriesOf(APP, held.msgId)).toMatchObject([{ state: 'failed', attempts: 1 }])
  })

  test('there is no manual attempt for an endpoint or of a message that does not exist', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    expect(await store.resend({ ...held, endpointId: newId('ep') }, T0)).toBe('unknown')
    expect(await store.resend({ ...held, msgId: newId('msg') }, T0)).toBe('unknown')
    expect(await claim(store, A, { now: T0 })).toEqual({ deliveries: [], nextDueAt: null })
  })

  test('there is no manual attempt of a message whose payload was removed, and nothing waits for one', async () => {
    await using opened = await open()
    const { store } = opened
    const [expunged, expired] = [await acceptHeld(store), await acceptHeld(store, { expiresAt: T0 })]
    for (const held of [expunged, expired]) await store.settle(givingUp(held))
    await store.expungeMessage(APP, expunged.msgId)
    await store.prunePayloads(T0 + HOUR, 10)
    expect(await store.getPayload(APP, expired.msgId)).toBeNull()
    for (const held of [expunged, expired]) {
      expect(await store.resend(held, T0 + HOUR)).toBe('expired')
    }
    expect(await claim(store, A, { now: T0 + HOUR })).toEqual({ deliveries: [], nextDueAt: null })
  })

  test('a manual attempt that waits already is not doubled', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const runs = await Promise.all(Array.from({ length: 10 }, () => runOfManual(store, held)))
    expect(new Set(runs).size).toBe(1)
    expect((await claim(store, A)).deliveries).toHaveLength(1)
  })

  test('a manual attempt under way does not keep the next one from being asked for', async () => {
    await using opened = await open()
    const { store } = opened
    const delivery = await acceptHeld(store)
    const first = await claimManual(store, delivery)
    const second = await claimManual(store, delivery, B)
    expect(second.run).not.toBe(first.run)
    expect(await store.settle({ ...manualSuccess(second), owner: B })).toMatchObject({ held: true })
    expect(await store.settle(manualFailure(first, T0 + SECOND))).toMatchObject({ held: true })
    expect(await attemptsOf(store, delivery)).toHaveLength(2)
  })

  test.each([
    ['a failed', 'failed'],
    ['a cancelled', 'cancelled'],
    ['a delivered', 'delivered'],
  ] as const)('a manual success makes %s delivery delivered', async (_, state) => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held, { attempt: null, to: { state, at: T0 } }))
    const manual = await claimManual(store, held)
    expect(await store.settle(manualSuccess(manual, T0 + MINUTE))).toEqual({
      held: true,
      number: 1,
      outcome: 'success',
      endpointChanged: false,
      disabled: null,
    })
    expect(await deliveryOf(store, held)).toMatchObject({
      state: 'delivered',
      attempts: 1,
      lastAttemptAt: T0 + MINUTE,
    })
    expect(await attemptsOf(store, held)).toMatchObject([{ trigger: 'manual', number: 1, outcome: 'success' }])
  })

  test.each(['failed', 'cancelled', 'delivered'] as const)(
    'a manual failure leaves a %s delivery as it is',
    async (state) => {
      await using opened = await open()
      const { store } = opened
      const held = await acceptHeld(store)
      await store.settle(settlement(held, { attempt: null, to: { state, at: T0 } }))
      const manual = await claimManual(store, held)
      const settled = await store.settle(manualFailure(manual, T0 + MINUTE))
      expect(settled).toMatchObject({ held: true, number: 1, outcome: 'failure' })
      expect(await deliveryOf(store, held)).toMatchObject({ state, attempts: 1, nextAttemptAt: null })
      expect(await claim(store, A, { now: T0 + HOUR })).toEqual({ deliveries: [], nextDueAt: null })
    },
  )

  test.each([
    ['success', manualSuccess, 'success'],
    // There will be another attempt, the scheduled one.
    ['failure', manualFailure, 'failed_attempt'],
  ] as const)('a manual %s leaves the schedule of a waiting delivery alone', async (_, settlementOf, outcome) => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(retrying(held, T0, T0 + HOUR))
    const manual = await claimManual(store, held, A, T0 + MINUTE)
    const settled = await store.settle(settlementOf(manual, T0 + MINUTE))
    expect(settled).toMatchObject({ held: true, number: 2, outcome })
    expect(await attemptsOf(store, held)).toMatchObject([{ number: 2, outcome, trigger: 'manual' }, { number: 1 }])
    expect(await deliveryOf(store, held)).toMatchObject({
      state: 'pending',
      attempts: 2,
      nextAttemptAt: T0 + HOUR,
      lastAttemptAt: T0 + MINUTE,
    })
    expect(await claim(store, A, { now: T0 + HOUR - 1 })).toEqual({ deliveries: [], nextDueAt: T0 + HOUR })
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries).toMatchObject([{ run: 0, tries: 1 }])
  })

  test('a manual attempt leaves a delivery alone that is being attempted', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const manual = await claimManual(store, held, B)
    expect(await store.settle({ ...manualSuccess(manual), owner: B })).toMatchObject({ held: true, number: 1 })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'leased', attempts: 1 })
    expect(await store.settle(givingUp(held, T0 + SECOND))).toMatchObject({ held: true, number: 2 })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'failed', attempts: 2 })
  })

  test('a manual attempt that is deferred waits without having been made', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held))
    const manual = await claimManual(store, held)
    const to = { state: 'pending', dueAt: T0 + MINUTE } as const
    expect(await store.settle(settlement(manual, { attempt: null, to }))).toMatchObject({ held: true, number: 0 })
    expect(await claim(store, B)).toEqual({ deliveries: [], nextDueAt: T0 + MINUTE })
    expect((await claim(store, B, { now: T0 + MINUTE })).deliveries).toMatchObject([{ run: manual.run }])
    expect(await attemptsOf(store, held)).toHaveLength(1)
  })

  test('a manual attempt whose node died is made by another, and the late one is still on record', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    const byA = await claimManual(store, held, A)
    await store.sweep(T0 + HOUR, 10)
    const [byB] = (await claim(store, B, { now: T0 + HOUR })).deliveries
    expect(byB).toMatchObject({ run: byA.run })
    expect(await store.settle(manualFailure(byA, T0 + SECOND))).toMatchObject({ held: false, number: 2 })
    expect(await store.settle({ ...manualSuccess(byB!, T0 + HOUR), owner: B })).toMatchObject({
      held: true,
      number: 3,
    })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'delivered', attempts: 3 })
    expect(await attemptsOf(store, held)).toHaveLength(3)
  })

  test('a late manual success still makes a failed delivery delivered', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    const byA = await claimManual(store, held, A)
    await store.sweep(T0 + HOUR, 10)
    expect(await store.settle(manualSuccess(byA, T0 + SECOND))).toMatchObject({ held: false, outcome: 'success' })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'delivered', attempts: 2 })
  })

  test('after a manual attempt was made, another one can be asked for', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    for (const number of [2, 3, 4]) {
      const manual = await claimManual(store, held)
      expect(await store.settle(manualFailure(manual, T0 + number * SECOND))).toMatchObject({ held: true, number })
    }
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'failed', attempts: 4 })
  })

  test('a manual attempt does not touch the deliveries of its message to other endpoints', async () => {
    await using opened = await open()
    const { store } = opened
    const [one, other] = await createEndpoints(store, 2)
    const accepted = acceptance([one!, other!], { dueAt: T0 + HOUR })
    await store.accept([accepted])
    const key = { appId: APP, msgId: accepted.message.id, run: 0, tries: 0 }
    const manual = await claimManual(store, { ...key, endpointId: one! })
    expect(manual.endpointId).toBe(one)
    await store.settle(manualSuccess(manual))
    expect(await deliveryOf(store, { ...key, endpointId: other! })).toMatchObject({ attempts: 0, lastAttemptAt: null })
  })
}
