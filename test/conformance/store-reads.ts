import { attemptsWith } from '../../src/store/port/history.ts'
import { newest } from '../../src/store/port/page.ts'
import { expect, test } from 'vitest'
import type { AttemptOutcome } from '../../src/domain/attempt.ts'
import type { AttemptId, EndpointId } from '../../src/domain/ids.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  APP,
  B,
  claim,
  createEndpoint,
  createEndpoints,
  failed,
  givingUp,
  leaseOf,
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

export function readConformance(open: OpenStore): void {
  test('what does not exist, or belongs to another application, is not there', async () => {
    await using opened = await open()
    const { store } = opened
    const held = await acceptHeld(store)
    await store.settle(settlement(held))
    for (const [appId, msgId] of [
      [APP, newId('msg')],
      [OTHER_APP, held.msgId],
    ] as const) {
      expect(await store.getMessage(appId, msgId)).toBeNull()
      expect(await store.getPayload(appId, msgId)).toBeNull()
      expect(await store.deliveriesOf(appId, msgId)).toEqual([])
      expect(await store.listAttempts(attemptsWith({ appId, msgId }), newest(10))).toEqual([])
    }
    const { endpointId } = held
    expect(await store.listAttempts(attemptsWith({ appId: OTHER_APP, endpointId }), newest(10))).toEqual([])
    expect(await store.getEndpoint(APP, newId('ep'))).toBeNull()
  })

  test('a message lists its deliveries, each with its own state', async () => {
    await using opened = await open()
    const { store } = opened
    const endpoints = await createEndpoints(store, 4)
    const accepted = acceptance(endpoints)
    await store.accept([accepted])
    const { deliveries } = await claim(store, A, { max: 4 })
    const of = (i: number) => deliveries.find((one) => one.endpointId === endpoints[i])!
    await store.settle(settlement(of(0), { attempt: succeeded(T0 + SECOND) }))
    await store.settle(retrying(of(1), T0 + 2 * SECOND, T0 + MINUTE))
    await store.settle(givingUp(of(2), T0 + 3 * SECOND))

    const listed = await store.deliveriesOf(APP, accepted.message.id)
    expect(listed).toHaveLength(4)
    expect(new Map(listed.map(({ endpointId, ...rest }) => [endpointId, rest]))).toEqual(
      new Map<EndpointId, object>([
        [endpoints[0]!, { state: 'delivered', attempts: 1, nextAttemptAt: null, lastAttemptAt: T0 + SECOND }],
        [endpoints[1]!, { state: 'pending', attempts: 1, nextAttemptAt: T0 + MINUTE, lastAttemptAt: T0 + 2 * SECOND }],
        [endpoints[2]!, { state: 'failed', attempts: 1, nextAttemptAt: null, lastAttemptAt: T0 + 3 * SECOND }],
        [endpoints[3]!, { state: 'leased', attempts: 0, nextAttemptAt: null, lastAttemptAt: null }],
      ]),
    )
  })

  test('a message’s attempts at all endpoints are listed newest first, as many as asked for', async () => {
    await using opened = await open()
    const { store } = opened
    const accepted = acceptance(await createEndpoints(store, 3))
    await store.accept([accepted])
    await acceptFor(store, await createEndpoint(store), { lease: leaseOf(A) })
    const { deliveries } = await claim(store, A)
    const key = (i: number) => deliveries[i % 3]!
    for (const i of [4, 1, 0, 5, 3, 2])
      await store.settle(settlement(key(i), { owner: B, attempt: failed(T0 + i * SECOND) }))

    const list = (limit: number) =>
      store.listAttempts(attemptsWith({ appId: APP, msgId: accepted.message.id }), newest(limit))
    expect((await list(100)).map((one) => one.at - T0)).toEqual([5_000, 4_000, 3_000, 2_000, 1_000, 0])
    expect((await list(2)).map((one) => one.at - T0)).toEqual([5_000, 4_000])
    expect((await list(100)).map((one) => one.endpointId)).toEqual([5, 4, 3, 2, 1, 0].map((i) => key(i).endpointId))
  })

  test('an endpoint’s attempts of all messages are listed newest first, by outcome if asked for', async () => {
    await using opened = await open()
    const { store } = opened
    const [target, other] = await createEndpoints(store, 2)
    for (let i = 0; i < 6; i++) {
      const held = await acceptFor(store, target!, { lease: leaseOf(A) })
      const at = T0 + i * SECOND
      await store.settle(
        [settlement(held, { attempt: succeeded(at) }), retrying(held, at, at + MINUTE), givingUp(held, at)][i % 3]!,
      )
    }
    await store.settle(settlement(await acceptFor(store, other!, { lease: leaseOf(A) })))

    const read = (outcome: AttemptOutcome | null, limit = 100, before: AttemptId | null = null) =>
      store.listAttempts(
        attemptsWith({ appId: APP, endpointId: target!, outcomes: outcome === null ? null : [outcome] }),
        newest(limit, before),
      )
    const list = async (...query: Parameters<typeof read>) => {
      const attempts = await read(...query)
      return attempts.map((one) => (one.at - T0) / SECOND)
    }
    expect(await list(null)).toEqual([5, 4, 3, 2, 1, 0])
    expect(await list(null, 3)).toEqual([5, 4, 3])
    expect(await list('success')).toEqual([3, 0])
    expect(await list('failed_attempt')).toEqual([4, 1])
    expect(await list('failure')).toEqual([5, 2])
    expect(await list('failure', 1)).toEqual([5])
    const third = (await read(null, 3)).at(-1)!
    expect(await list(null, 2, third.id)).toEqual([2, 1])
    expect(await list('success', 2, third.id)).toEqual([0])
    expect(await list('failed_attempt', 2, third.id)).toEqual([1])
  })

  test('a store that answers has no problem', async () => {
    await using opened = await open()
    expect(await opened.store.problem()).toBeNull()
  })

  test('a secret is made once and stays the same for good', async () => {
    await using opened = await open()
    const first = await opened.store.secret('jwt', () => 'first')
    expect(first).toBe('first')
    expect(await opened.store.secret('jwt', () => 'second')).toBe('first')
    expect(await opened.store.secret('other', () => 'third')).toBe('third')
    const store = await opened.reopen()
    expect(await store.secret('jwt', () => 'fourth')).toBe('first')
  })

  test('when a secret is made by many at once, all get the same', async () => {
    await using opened = await open()
    const { store } = opened
    const made = await Promise.all(Array.from({ length: 20 }, (_, i) => store.secret('jwt', () => `secret ${i}`)))
    expect(new Set(made).size).toBe(1)
  })
}
