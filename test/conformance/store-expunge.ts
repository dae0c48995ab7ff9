import { expect, test } from 'vitest'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  APP,
  attemptsOf,
  B,
  claim,
  claimManual,
  createEndpoint,
  createEndpoints,
  deliveryOf,
  effect,
  failed,
  givingUp,
  HOUR,
  leaseOf,
  manualFailure,
  MINUTE,
  newId,
  type OpenStore,
  OTHER_APP,
  retrying,
  SECOND,
  settlement,
  succeeded,
  T0,
} from './builders.ts'

const SHOWN = { shownPayload: Buffer.from('{"shown":true}') }

export function expungeConformance(open: OpenStore): void {
  test('an expunged message has no payload any more, neither the delivered one nor the shown one; all else stays', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store, { ...SHOWN, tags: ['t'], eventId: 'evt-1' })
    await store.settle(settlement(held))
    const before = (await store.getMessage(APP, held.msgId))!
    expect(await store.expungeMessage(APP, held.msgId)).not.toBeNull()
    expect(await store.getPayload(APP, held.msgId)).toBeNull()
    expect(await store.getShownPayload(APP, held.msgId)).toBeNull()
    expect(await store.getMessage(APP, held.msgId)).toEqual({ ...before, payloadRemoved: true })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'delivered' })
    expect(await attemptsOf(store, held)).toHaveLength(1)
    expect(await store.accept([acceptance([], { eventId: 'evt-1' })])).toMatchObject([{ duplicate: true }])
    expect(await store.expungeMessage(APP, held.msgId)).not.toBeNull()
  })

  test('there is nothing to expunge of a message that is unknown or another application’s', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    expect(await store.expungeMessage(APP, newId('msg'))).toBeNull()
    expect(await store.expungeMessage(OTHER_APP, held.msgId)).toBeNull()
    expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
  })

  test('an expired payload is removed with what was shown of it', async () => {
    await using opened = await open()
    const { store } = opened
    const { message } = acceptance([], { ...SHOWN, expiresAt: T0 })
    await store.accept([{ ...acceptance([]), message }])
    await store.prunePayloads(T0 + HOUR, 10)
    expect(await store.getShownPayload(APP, message.id)).toBeNull()
  })

  test('what waits for its delivery is cancelled at once, and what other messages wait for goes on', async () => {
    await using opened = await open()
    const { store } = opened
    const [one, other] = await createEndpoints(store, 2)
    const accepted = acceptance([one!, other!], { dueAt: T0 - MINUTE })
    await store.accept([accepted])
    const kept = await acceptFor(store, one!, { dueAt: T0 + MINUTE })
    expect(await store.expungeMessage(APP, accepted.message.id)).not.toBeNull()
    expect(await store.deliveriesOf(APP, accepted.message.id)).toMatchObject([
      { state: 'cancelled', nextAttemptAt: null },
      { state: 'cancelled', nextAttemptAt: null },
    ])
    expect(await store.backlog(T0)).toEqual({ pending: 1, oldestDueAt: null })
    expect(await claim(store, A)).toEqual({ deliveries: [], nextDueAt: T0 + MINUTE })
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toMatchObject([{ msgId: kept.msgId }])
    expect(await store.sweep(T0, 10)).toEqual({ expired: 0, repaired: 0 })
  })

  test('who still holds deliveries of an expunged message is said, then and later', async () => {
    await using opened = await open()
    const { store } = opened
    const [one, two, three] = await createEndpoints(store, 3)
    const accepted = acceptance([one!, two!, three!])
    const { message, deliveries } = accepted
    const owners = [A, B, null]
    await store.accept([
      {
        ...accepted,
        deliveries: deliveries.map((delivery, i) => {
          const owner = owners[i] ?? null
          return { ...delivery, lease: owner === null ? null : leaseOf(owner) }
        }),
      },
    ])
    expect((await store.holdersOf(APP, message.id)).toSorted()).toEqual([A, B])
    expect((await store.expungeMessage(APP, message.id))!.heldBy.toSorted()).toEqual([A, B])
    await store.settle(settlement({ appId: APP, msgId: message.id, endpointId: one!, run: 0, tries: 0 }))
    expect(await store.holdersOf(APP, message.id)).toEqual([B])
    await store.release([{ appId: APP, msgId: message.id, endpointId: two!, run: 0, tries: 0 }], B, T0)
    expect(await store.holdersOf(APP, message.id)).toEqual([])
    expect(await claim(store, B)).toEqual({ deliveries: [], nextDueAt: null })
    const states = (await store.deliveriesOf(APP, message.id)).map(({ state }) => state)
    expect(states.toSorted()).toEqual(['cancelled', 'cancelled', 'delivered'])
  })

  test('a retry and a manual attempt that wait go away, and the attempts stay', async () => {
    await using opened = await open()
    const { store } = opened
    const [retried, ended] = [await acceptHeld(store), await acceptHeld(store)]
    await store.settle(retrying(retried, T0, T0 + MINUTE))
    await store.settle(givingUp(ended))
    await store.resend(retried, T0)
    await store.resend(ended, T0)
    for (const { msgId } of [retried, ended]) await store.expungeMessage(APP, msgId)
    expect(await claim(store, A, { now: T0 + HOUR })).toEqual({ deliveries: [], nextDueAt: null })
    expect(await deliveryOf(store, retried)).toMatchObject({ state: 'cancelled', attempts: 1 })
    expect(await deliveryOf(store, ended)).toMatchObject({ state: 'failed', attempts: 1 })
  })

  test('an attempt that is under way is put on record, and after it there is no other', async () => {
    await using opened = await open()
    const { store } = opened
    const [lucky, unlucky] = [await acceptHeld(store), await acceptHeld(store)]
    for (const { msgId } of [lucky, unlucky]) await store.expungeMessage(APP, msgId)
    expect(await store.settle(settlement(lucky))).toMatchObject({ held: true })
    expect(await store.settle(retrying(unlucky, T0, T0 + SECOND))).toMatchObject({ held: true })
    expect(await deliveryOf(store, lucky)).toMatchObject({ state: 'delivered', attempts: 1 })
    expect(await claim(store, A, { now: T0 + MINUTE })).toEqual({ deliveries: [], nextDueAt: null })
    expect(await deliveryOf(store, unlucky)).toMatchObject({ state: 'cancelled', attempts: 1 })
  })

  test('a manual attempt that comes back untried is not made, and can be asked for no more', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    const manual = await claimManual(store, held)
    await store.expungeMessage(APP, held.msgId)
    await store.settle(settlement(manual, { attempt: null, to: { state: 'pending', dueAt: T0 } }))
    expect(await claim(store, B)).toEqual({ deliveries: [], nextDueAt: null })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'failed', attempts: 1 })
    expect(await store.settle(manualFailure(manual))).toMatchObject({ held: false })
  })

  test('a pause of the endpoint outlasts it', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const { endpointId } = held
    const first = await acceptFor(store, endpointId, { dueAt: T0 - MINUTE })
    await acceptFor(store, endpointId)
    await store.settle(settlement(held, { endpoint: effect({ pausedUntil: T0 + HOUR }) }))
    await store.expungeMessage(APP, first.msgId)
    expect(await claim(store, A, { now: T0 + MINUTE })).toEqual({ deliveries: [], nextDueAt: T0 + HOUR })
    expect((await claim(store, A, { now: T0 + HOUR })).deliveries).toHaveLength(1)
  })

  test('of an expunged attempt everything but the receiver’s answer stays', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptFor(store, await createEndpoint(store), { lease: leaseOf(A) })
    const [first, second] = [failed(T0, { response: 'secret' }), succeeded(T0 + MINUTE, { response: 'fine' })]
    await store.settle(retrying(held, T0, T0 + SECOND, { attempt: first }))
    const [taken] = (await claim(store, A, { now: T0 + SECOND })).deliveries
    await store.settle(settlement(taken!, { attempt: second }))
    const [kept, before] = await attemptsOf(store, held)

    expect(await store.expungeAttempt(APP, held.msgId, first.id)).toBe(true)
    expect(await store.getAttempt(APP, held.msgId, first.id)).toEqual({ ...before, response: 'EXPUNGED' })
    expect(await attemptsOf(store, held)).toEqual([kept, { ...before, response: 'EXPUNGED' }])
    expect(await store.expungeAttempt(APP, held.msgId, first.id)).toBe(true)
    expect(await store.expungeAttempt(APP, newId('msg'), first.id)).toBe(false)
    expect(await store.expungeAttempt(OTHER_APP, held.msgId, first.id)).toBe(false)
    expect(await store.expungeAttempt(APP, held.msgId, newId('atmpt'))).toBe(false)
    expect(await store.getAttempt(APP, held.msgId, second.id)).toEqual(kept)
    expect(await store.getAttempt(OTHER_APP, held.msgId, second.id)).toBeNull()
    expect(await store.getAttempt(APP, newId('msg'), second.id)).toBeNull()
  })
}
