import { attemptsWith } from '../../src/store/port/history.ts'
import { newest } from '../../src/store/port/page.ts'
import { expect, test } from 'vitest'
import {
  A,
  acceptHeld,
  APP,
  attemptsOf,
  B,
  claim,
  deliveryOf,
  failed,
  givingUp,
  HOUR,
  MINUTE,
  newId,
  type OpenStore,
  retrying,
  SECOND,
  settlement,
  succeeded,
  T0,
} from './builders.ts'

export function settleConformance(open: OpenStore): void {
  test('a success delivers, once and for all', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const settled = await store.settle(settlement(held, { attempt: succeeded(T0 + SECOND) }))
    expect(settled).toEqual({ held: true, number: 1, outcome: 'success', endpointChanged: false, disabled: null })
    expect(await deliveryOf(store, held)).toEqual({
      endpointId: held.endpointId,
      state: 'delivered',
      attempts: 1,
      nextAttemptAt: null,
      lastAttemptAt: T0 + SECOND,
    })
    await store.sweep(T0 + HOUR, 100)
    expect(await claim(store, A, { now: T0 + HOUR })).toEqual({ deliveries: [], nextDueAt: null })
  })

  test('an attempt is on record field by field', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const attempt = failed(T0 + SECOND, {
      url: 'https://other.example/ü?a=1&b="2"',
      statusCode: 503,
      error: 'answered 503',
      durationMs: 1_234,
      response: 'Ünavailable\n\t"soon" 🔧',
    })
    await store.settle(settlement(held, { attempt, to: { state: 'pending', dueAt: T0 + MINUTE } }))
    const { appId, msgId, endpointId } = held
    const expected = { ...attempt, appId, msgId, endpointId, number: 1 }
    expect(await attemptsOf(store, held)).toEqual([expected])
    expect(await store.listAttempts(attemptsWith({ appId, endpointId }), newest(10))).toEqual([expected])
  })

  test('an attempt that is settled again, because nobody knew whether the first time succeeded, is on record once', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const again = settlement(held, { attempt: succeeded(T0 + SECOND) })
    await store.settle(again)
    // Whatever it changed about the endpoint may be unknown to whoever asks again.
    const repeated = { held: true, number: 1, outcome: 'success', endpointChanged: true, disabled: null }
    expect(await store.settle(again)).toEqual(repeated)
    expect(await attemptsOf(store, held)).toHaveLength(1)
    expect((await deliveryOf(store, held))?.attempts).toBe(1)
  })

  test('an attempt without a response is on record with nulls', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const attempt = failed(T0, { statusCode: null, error: 'connection refused', response: null, durationMs: 0 })
    await store.settle(settlement(held, { attempt, to: { state: 'pending', dueAt: T0 + MINUTE } }))
    expect(await attemptsOf(store, held)).toMatchObject([{ statusCode: null, response: null, durationMs: 0 }])
  })

  test('an attempt that was spared counts as an attempt, and uses up no step of the schedule', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    expect(held).toMatchObject({ tries: 0 })
    const to = { state: 'pending', dueAt: T0 + MINUTE, isSpared: true } as const
    expect(await store.settle(settlement(held, { attempt: failed(T0 + SECOND), to }))).toMatchObject({ number: 1 })
    const [again] = (await claim(store, A, { now: T0 + MINUTE })).deliveries
    expect(again).toMatchObject({ msgId: held.msgId, tries: 1, spared: 1, lastAttemptAt: T0 + SECOND })
    await store.settle(retrying(again!, T0 + 2 * MINUTE, T0 + 3 * MINUTE))
    const [last] = (await claim(store, A, { now: T0 + 3 * MINUTE })).deliveries
    expect(last).toMatchObject({ tries: 2, spared: 1, lastAttemptAt: T0 + 2 * MINUTE })
    // The same attempt once more, as after an answer that got lost, does not end the new lease.
    expect(
      await store.settle(settlement(held, { attempt: failed(T0 + SECOND, { outcome: 'failed_attempt' }), to })),
    ).toMatchObject({ held: false })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'leased' })
  })

  test('failures are numbered and lead to the next try, until the schedule ends', async () => {
    await using opened = await open()
    const { store } = opened
    let held = await acceptHeld(store)
    for (const number of [1, 2]) {
      const at = T0 + number * MINUTE
      const settled = await store.settle(retrying(held, at, at + MINUTE))
      expect(settled).toMatchObject({ held: true, number, outcome: 'failed_attempt' })
      expect(await deliveryOf(store, held)).toMatchObject({
        state: 'pending',
        attempts: number,
        nextAttemptAt: at + MINUTE,
        lastAttemptAt: at,
      })
      const { deliveries } = await claim(store, A, { now: at + MINUTE })
      expect(deliveries).toMatchObject([{ msgId: held.msgId, tries: number }])
      held = deliveries[0]!
    }
    const last = await store.settle(givingUp(held, T0 + HOUR))
    expect(last).toMatchObject({ held: true, number: 3, outcome: 'failure' })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'failed', attempts: 3, nextAttemptAt: null })
    const attempts = await attemptsOf(store, held)
    expect(attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
      [3, 'failure'],
      [2, 'failed_attempt'],
      [1, 'failed_attempt'],
    ])
  })

  test('a delivery can be cancelled without an attempt', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const settled = await store.settle(settlement(held, { attempt: null, to: { state: 'cancelled', at: T0 } }))
    expect(settled).toEqual({ held: true, number: 0, outcome: null, endpointChanged: false, disabled: null })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'cancelled', attempts: 0, lastAttemptAt: null })
    expect(await attemptsOf(store, held)).toEqual([])
    expect(await claim(store, A, { now: T0 + HOUR })).toEqual({ deliveries: [], nextDueAt: null })
  })

  test('a delivery can be cancelled by its attempt', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const attempt = failed(T0, { outcome: 'failure', statusCode: 410 })
    const settled = await store.settle(settlement(held, { attempt, to: { state: 'cancelled', at: T0 } }))
    expect(settled).toMatchObject({ held: true, number: 1, outcome: 'failure' })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'cancelled', attempts: 1 })
  })

  test('a deferral is not an attempt and costs no try', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const to = { state: 'pending', dueAt: T0 + MINUTE } as const
    expect(await store.settle(settlement(held, { attempt: null, to }))).toMatchObject({ held: true, number: 0 })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'pending', attempts: 0, nextAttemptAt: T0 + MINUTE })
    expect(await attemptsOf(store, held)).toEqual([])
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toMatchObject([{ tries: 0 }])
  })

  test('a deferred retry keeps its tries', async () => {
    await using opened = await open()
    const { store } = opened
    const first = await acceptHeld(store)
    await store.settle(retrying(first, T0, T0 + SECOND))
    const second = (await claim(store, A, { now: T0 + SECOND })).deliveries[0]!
    await store.settle(settlement(second, { attempt: null, to: { state: 'pending', dueAt: T0 + MINUTE } }))
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toMatchObject([{ tries: 1 }])
  })

  test.each([
    ['another owner', { owner: B }],
    ['another number of tries', { tries: 1 }],
  ])('a settlement by %s leaves the delivery alone, but its attempt is on record', async (_, wrong) => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const late = await store.settle(settlement(held, { ...wrong, attempt: succeeded(T0 + SECOND) }))
    expect(late).toMatchObject({ held: false, number: 1, outcome: 'success' })
    expect(await deliveryOf(store, held)).toMatchObject({
      state: 'leased',
      attempts: 1,
      lastAttemptAt: T0 + SECOND,
    })
    const inTime = await store.settle(retrying(held, T0 + 2 * SECOND, T0 + MINUTE))
    expect(inTime).toMatchObject({ held: true, number: 2 })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'pending', attempts: 2, nextAttemptAt: T0 + MINUTE })
    expect((await attemptsOf(store, held)).map((attempt) => attempt.number)).toEqual([2, 1])
    expect((await claim(store, A, { now: T0 + MINUTE })).deliveries).toMatchObject([{ tries: 1 }])
  })

  test('a node that comes back after its lease ended does not disturb the one that holds it now', async () => {
    await using opened = await open()
    const { store } = opened
    const byA = await acceptHeld(store)
    await store.sweep(T0 + 2 * MINUTE, 10)
    const [byB] = (await claim(store, B, { now: T0 + 2 * MINUTE })).deliveries
    expect(byB).toMatchObject({ msgId: byA.msgId, tries: 0 })

    const late = await store.settle(retrying(byA, T0 + MINUTE, T0 + HOUR))
    expect(late).toMatchObject({ held: false, number: 1, outcome: 'failed_attempt' })
    expect(await deliveryOf(store, byA)).toMatchObject({ state: 'leased', attempts: 1 })
    const inTime = settlement(byB!, { owner: B, attempt: succeeded(T0 + 3 * MINUTE) })
    expect(await store.settle(inTime)).toMatchObject({ held: true, number: 2, outcome: 'success' })

    // The next late one cannot lead to another attempt any more, whatever its node thinks.
    const veryLate = await store.settle(retrying(byA, T0 + 4 * MINUTE, T0 + HOUR))
    expect(veryLate).toMatchObject({ held: false, number: 3, outcome: 'failure' })
    expect(await deliveryOf(store, byA)).toMatchObject({ state: 'delivered', attempts: 3, nextAttemptAt: null })
    expect(await claim(store, A, { now: T0 + 2 * HOUR })).toEqual({ deliveries: [], nextDueAt: null })
  })

  test('a late settlement of a delivery that waits again leaves it waiting', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.sweep(T0 + 2 * MINUTE, 10)
    const late = await store.settle(settlement(held, { attempt: succeeded(T0 + MINUTE) }))
    expect(late).toMatchObject({ held: false, number: 1, outcome: 'success' })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'pending', attempts: 1 })
    expect((await claim(store, B, { now: T0 + 2 * MINUTE })).deliveries).toMatchObject([{ tries: 0 }])
  })

  test('a late cancellation or deferral changes nothing at all', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    for (const to of [{ state: 'cancelled', at: T0 } as const, { state: 'pending', dueAt: T0 } as const]) {
      const settled = await store.settle(settlement(held, { owner: B, attempt: null, to }))
      expect(settled).toEqual({ held: false, number: 0, outcome: null, endpointChanged: false, disabled: null })
    }
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'leased', attempts: 0 })
    expect(await attemptsOf(store, held)).toEqual([])
    expect((await claim(store, B)).deliveries).toEqual([])
  })

  test('a second settlement of the same lease finds it lost', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(givingUp(held))
    expect(await store.settle(settlement(held))).toMatchObject({ held: false, number: 2 })
    expect(await deliveryOf(store, held)).toMatchObject({ state: 'failed', attempts: 2 })
  })

  test('the same attempt is on record once, however often it is sent', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const sent = retrying(held, T0, T0 + MINUTE)
    await store.settle(sent)
    await store.settle(sent).catch(() => {})
    expect(await attemptsOf(store, held)).toHaveLength(1)
    expect(await deliveryOf(store, held)).toMatchObject({
      state: 'pending',
      attempts: 1,
      nextAttemptAt: T0 + MINUTE,
    })
  })

  test('the time of the last attempt is that of the latest, in whatever order attempts are settled', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held, { owner: B, attempt: succeeded(T0 + MINUTE) }))
    await store.settle(retrying(held, T0 + SECOND, T0 + HOUR))
    expect(await deliveryOf(store, held)).toMatchObject({ attempts: 2, lastAttemptAt: T0 + MINUTE })
  })

  test('an attempt for a delivery that does not exist makes none', async () => {
    await using opened = await open()
    const { store } = opened
    const unknown = { appId: APP, msgId: newId('msg'), endpointId: newId('ep'), run: 0, tries: 0 }
    expect(await store.settle(settlement(unknown))).toMatchObject({ held: false })
    expect(await store.deliveriesOf(APP, unknown.msgId)).toEqual([])
  })

  test('settlements that run at the same time are all counted', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    const settled = await Promise.all(
      Array.from({ length: 50 }, (_, i) => store.settle(settlement(held, { owner: B, attempt: failed(T0 + i * 4) }))),
    )
    expect(settled.map((one) => one.number).sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
    expect(await deliveryOf(store, held)).toMatchObject({ attempts: 50, state: 'leased' })
    expect(await attemptsOf(store, held)).toHaveLength(50)
  })
}
