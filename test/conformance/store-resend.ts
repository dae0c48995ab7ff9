import { expect, test } from 'vitest'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  APP,
  claim,
  createEndpoint,
  deliveryOf,
  effect,
  givingUp,
  haveApplication,
  HOUR,
  manualSuccess,
  newId,
  type OpenStore,
  OTHER_APP,
  retrying,
  settlement,
  T0,
} from './builders.ts'

export function resendConformance(open: OpenStore): void {
  test('a delivery that ended is tried once more', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    expect(await store.resend(held, T0)).toMatchObject({ run: expect.any(Number) })
    // One that waits already is not doubled.
    expect(await store.resend(held, T0)).toMatchObject({ run: expect.any(Number) })
    const { deliveries } = await claim(store, A)
    expect(deliveries).toHaveLength(1)
    expect(deliveries[0]!.run).toBeGreaterThan(0)
    await store.settle(manualSuccess(deliveries[0]!))
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'delivered', attempts: 2 })
  })

  test('a message that was never meant for the endpoint is delivered to it like any other, with retries', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    const accepted = acceptance([])
    await store.accept([accepted])
    const key = { appId: APP, msgId: accepted.message.id, endpointId }
    expect(await store.resend(key, T0)).toMatchObject({ run: expect.any(Number) })
    const [taken] = (await claim(store, A)).deliveries
    expect(taken).toMatchObject({ ...key, run: 0, tries: 0 })
    await store.settle(retrying(taken!, T0, T0 + HOUR))
    expect(await store.deliveriesOf(APP, key.msgId)).toMatchObject([{ state: 'pending', attempts: 1 }])
  })

  test('it waits while the endpoint is paused', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held, T0, { endpoint: effect({ pausedUntil: T0 + HOUR }) }))
    const accepted = acceptance([])
    await store.accept([accepted])
    await store.resend({ ...held, msgId: accepted.message.id }, T0)
    await store.resend(held, T0)
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: T0 + HOUR })
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries).toHaveLength(2)
  })

  test('an unknown message or endpoint, or one of another application, is unknown', async () => {
    await using opened = await open()
    const { store } = opened
    await haveApplication(store, OTHER_APP)
    const endpointId = await createEndpoint(store)
    const theirs = await createEndpoint(store, { appId: OTHER_APP })
    const { msgId } = await acceptFor(store, endpointId, { dueAt: T0 + HOUR })
    expect(await store.resend({ appId: APP, msgId: newId('msg'), endpointId }, T0)).toBe('unknown')
    expect(await store.resend({ appId: APP, msgId, endpointId: newId('ep') }, T0)).toBe('unknown')
    expect(await store.resend({ appId: APP, msgId, endpointId: theirs }, T0)).toBe('unknown')
    expect(await store.resend({ appId: OTHER_APP, msgId, endpointId: theirs }, T0)).toBe('unknown')
    await store.deleteEndpoint({ appId: APP, id: endpointId }, T0)
    expect(await store.resend({ appId: APP, msgId, endpointId }, T0)).toBe('unknown')
    expect((await claim(store, A)).deliveries).toEqual([])
  })

  test('a message whose payload was removed cannot be sent again', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held))
    await store.expungeMessage(APP, held.msgId)
    expect(await store.resend(held, T0)).toBe('expired')
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: null })
  })
}
