import { expect, test } from 'vitest'
import type { MessageId } from '../../src/domain/ids.ts'
import type { Acceptance } from '../../src/store/port/accept.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  answer,
  APP,
  application,
  B,
  claim,
  claimManual,
  createEndpoint,
  effect,
  endpoint,
  extras,
  givingUp,
  type Held,
  HOUR,
  leaseOf,
  manualSuccess,
  MINUTE,
  newId,
  type OpenStore,
  OTHER_APP,
  OTHER_ORG,
  retrying,
  SECOND,
  settlement,
  T0,
} from './builders.ts'

const isStored = async (store: Store, announced: Acceptance): Promise<boolean> =>
  (await store.getMessage(announced.message.appId, announced.message.id)) !== null

/** A message for an application of the gateway's own, where one endpoint listens. */
async function listener(store: Store): Promise<{ tell: (id?: MessageId) => Acceptance }> {
  const endpointId = await createEndpoint(store, { appId: OTHER_APP })
  return { tell: (id = newId('msg')) => acceptance([endpointId], { appId: OTHER_APP, id, eventType: 'told' }) }
}

export function announceConformance(open: OpenStore): void {
  test('what is told of a write is stored with it, and is due', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const created = endpoint()
    const told = Array.from({ length: 6 }, () => tell())
    const next = (() => {
      let i = 0
      return () => extras({ announce: [told[i++]!] })
    })()
    await store.createEndpoint(created, next())
    await store.updateEndpoint({ ...created, description: 'new', updatedAt: T0 + 1 }, T0, next())
    expect(await store.deleteEndpoint({ appId: APP, id: created.id }, T0 + 2, next())).toBe(true)
    await store.createApplication(application({ orgId: OTHER_ORG }), next())
    const key = await acceptFor(store, await createEndpoint(store), { dueAt: T0 + HOUR })
    await store.resend(key, T0, next())
    await store.createEndpoint(endpoint(), extras({ announce: [told[5]!, tell()] }))
    for (const one of told) expect(await isStored(store, one)).toBe(true)
    const { deliveries } = await claim(store, A)
    expect(deliveries.filter((one) => one.eventType === 'told')).toHaveLength(7)
  })

  test('what is not done is not told', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const told = tell()
    const taken = endpoint({ uid: 'taken' })
    await store.createEndpoint(taken)
    const along = extras({ announce: [told] })
    await store.createEndpoint(endpoint({ uid: 'taken' }), along)
    await store.createEndpoint(endpoint({ appId: newId('app') }), along)
    await store.updateEndpoint(taken, T0 - 1, along)
    await store.updateEndpoint(endpoint(), T0, along)
    await expect(store.createEndpoint(endpoint({ id: taken.id }), along)).rejects.toBeInstanceOf(Error)
    expect(await store.deleteEndpoint({ appId: APP, id: newId('ep') }, T0, along)).toBe(false)
    expect(await store.resend({ appId: APP, msgId: newId('msg'), endpointId: taken.id }, T0, along)).toBe('unknown')
    await store.saveAnswer(answer())
    expect(await store.createEndpoint(endpoint(), extras({ answer: answer(), announce: [told] }))).toBe('replayed')
    expect(await isStored(store, told)).toBe(false)
    expect((await claim(store, A)).deliveries).toEqual([])
  })

  test('what was told before is not told again, and the write is done all the same', async () => {
    await using opened = await open()
    const { store } = opened
    await listener(store)
    const told = acceptance([], { eventId: 'told-1' })
    const again = acceptance([], { eventId: 'told-1' })
    await store.accept([told])
    expect(await store.createEndpoint(endpoint(), extras({ announce: [again] }))).toBe('created')
    expect(await isStored(store, again)).toBe(false)
  })

  test('a write whose announcement cannot be stored is not done', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const told = tell()
    await store.accept([told])
    const created = endpoint()
    // Two messages cannot have one id: that is a fault of the caller and not a repetition.
    await expect(store.createEndpoint(created, extras({ answer: answer(), announce: [told] }))).rejects.toBeInstanceOf(
      Error,
    )
    expect(await store.getEndpoint(APP, created.id)).toBeNull()
    expect(await store.getAnswer(answer().orgId, 'key', T0)).toBeNull()
  })

  // ---- settlements ------------------------------------------------------------------------------------------------

  const when = (of: 'held' | 'disabled', one: Acceptance) => ({ when: of, acceptance: one })

  test('a settlement tells of its attempt when the lease was held, and only the first time', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const held = await acceptHeld(store)
    const [first, second] = [tell(), tell()]
    const settled = givingUp(held, T0, { announce: [when('held', first)] })
    expect(await store.settle(settled)).toMatchObject({ held: true })
    expect(await store.settle({ ...settled, announce: [when('held', second)] })).toMatchObject({ held: true })
    expect([await isStored(store, first), await isStored(store, second)]).toEqual([true, false])
  })

  test('who lost the lease tells nothing, and when it repeats itself still nothing', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const held = await acceptHeld(store)
    await store.sweep(T0 + HOUR, 10)
    const told = tell()
    const late = givingUp(held, T0 + SECOND, { announce: [when('held', told)] })
    expect(await store.settle(late)).toMatchObject({ held: false })
    await store.settle(late)
    expect(await isStored(store, told)).toBe(false)
  })

  test('that an endpoint was disabled is told by the settlement that did it, once', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const endpointId = await createEndpoint(store)
    const give = (): Promise<Held> => acceptFor(store, endpointId, { lease: leaseOf(A) })
    const [healthy, one, other] = [await give(), await give(), await give()]
    const told = [tell(), tell(), tell()]
    await store.settle(settlement(healthy, { announce: [when('disabled', told[0]!)] }))
    const gone = (held: Held, i: number) =>
      settlement(held, {
        to: { state: 'cancelled', at: T0 },
        endpoint: effect({ disable: 'gone' }),
        announce: [when('disabled', told[i]!)],
      })
    expect(await store.settle(gone(one, 1))).toMatchObject({ disabled: 'gone' })
    await store.settle(gone(one, 2))
    expect(await store.settle(gone(other, 2))).toMatchObject({ disabled: null })
    expect(await Promise.all(told.map((message) => isStored(store, message)))).toEqual([false, true, false])
  })

  test('disabling is told even by a settlement whose lease was lost', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const held = await acceptHeld(store)
    await store.sweep(T0 + HOUR, 10)
    const [attempt, disabled] = [tell(), tell()]
    const late = retrying(held, T0, T0 + MINUTE, {
      endpoint: effect({ disable: 'gone' }),
      announce: [when('held', attempt), when('disabled', disabled)],
    })
    expect(await store.settle(late)).toMatchObject({ held: false, disabled: 'gone' })
    expect([await isStored(store, attempt), await isStored(store, disabled)]).toEqual([false, true])
  })

  test('a manual attempt tells as well', async () => {
    await using opened = await open()
    const { store } = opened
    const { tell } = await listener(store)
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    const manual = await claimManual(store, held, B)
    const told = tell()
    const settled = { ...manualSuccess(manual), owner: B, announce: [when('held', told)] }
    expect(await store.settle(settled)).toMatchObject({ held: true })
    expect(await isStored(store, told)).toBe(true)
  })
}
