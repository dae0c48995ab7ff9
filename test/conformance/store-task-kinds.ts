import { describe, expect, test } from 'vitest'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import type { EndpointId } from '../../src/domain/ids.ts'
import type { TaskInfo } from '../../src/domain/task.ts'
import {
  A,
  acceptance,
  acceptFor,
  APP,
  claim,
  createEndpoint,
  deliveryOf,
  effect,
  givingUp,
  HOUR,
  leaseOf,
  MINUTE,
  type OpenStore,
  ORG,
  retrying,
  SECOND,
  settlement,
  T0,
} from './builders.ts'
import { NOW, task, run, sum, acceptFailed, dueAt } from './task-builders.ts'

export function taskKindConformance(open: OpenStore): void {
  describe('recover', () => {
    test('makes a manual attempt of each delivery in the window that ended without success', async () => {
      await using opened = await open()
      const { store } = opened
      const endpointId = await createEndpoint(store)
      const give = (receivedAt: number) => acceptFor(store, endpointId, { receivedAt, lease: leaseOf(A) })
      const failedOne = await acceptFailed(store, endpointId, T0)
      const cancelled = await give(T0 + MINUTE)
      await store.settle(settlement(cancelled, { attempt: null, to: { state: 'cancelled', at: T0 } }))
      const tried = await give(T0 + 2 * MINUTE)
      await store.settle(settlement(tried, { to: { state: 'cancelled', at: T0 } }))
      await store.settle(settlement(await give(T0 + MINUTE)))
      await store.settle(retrying(await give(T0 + MINUTE), T0, NOW + HOUR))
      await acceptFor(store, endpointId, { receivedAt: T0 + MINUTE, dueAt: NOW + HOUR })
      await acceptFailed(store, endpointId, T0 - SECOND)
      await acceptFailed(store, endpointId, T0 + HOUR)
      await acceptFailed(store, await createEndpoint(store), T0 + MINUTE)

      const created = task({ endpointId })
      await store.createTask(created)
      const step = await store.stepTask(NOW, 100)
      expect(step).toEqual({ task: { ...created, status: 'finished', added: 3, updatedAt: NOW }, added: 3 })
      expect(await store.getTask(ORG, created.id)).toEqual(step.task)
      expect(await dueAt(store)).toEqual({
        manual: [failedOne, cancelled.msgId, tried.msgId].toSorted(),
        scheduled: [],
      })
    })

    test('leaves out what has no payload any more, and where a manual attempt waits already', async () => {
      await using opened = await open()
      const { store } = opened
      const endpointId = await createEndpoint(store)
      const [gone, waiting, wanted] = [
        await acceptFailed(store, endpointId, T0),
        await acceptFailed(store, endpointId, T0 + SECOND),
        await acceptFailed(store, endpointId, T0 + 2 * SECOND),
      ]
      await store.expungeMessage(APP, gone)
      await store.resend({ appId: APP, msgId: waiting, endpointId }, NOW)
      await store.createTask(task({ endpointId }))
      expect(sum(await run(store))).toBe(1)
      expect((await dueAt(store)).manual).toEqual([waiting, wanted].toSorted())
    })
  })

  describe('replay', () => {
    const replay = (endpointId: EndpointId, given: Partial<TaskInfo> = {}) =>
      task({ kind: 'endpoint.replay', endpointId, ...given })

    test('delivers what the endpoint would have wanted, and never got', async () => {
      await using opened = await open()
      const { store } = opened
      const filters: Partial<Endpoint> = { eventTypes: ['user.*', 'ping'], channels: ['eu', 'us'] }
      const endpointId = await createEndpoint(store, filters)
      const other = await createEndpoint(store)
      const send = async (given: Parameters<typeof acceptance>[1], to: EndpointId[] = []) => {
        const accepted = acceptance(to, { eventType: 'user.created', channels: ['eu'], receivedAt: T0, ...given })
        await store.accept([accepted])
        return accepted.message.id
      }
      const wanted = [
        await send({}),
        await send({ eventType: 'ping', channels: ['x', 'us'], receivedAt: T0 + HOUR - SECOND }),
        await send({ dueAt: NOW + HOUR }, [other]),
      ]
      await send({ eventType: 'user' })
      await send({ channels: ['asia'] })
      await send({ channels: null })
      await send({ receivedAt: T0 - SECOND })
      await send({ receivedAt: T0 + HOUR })
      await store.expungeMessage(APP, await send({}))
      await send({ dueAt: NOW + HOUR }, [endpointId])
      await store.settle(givingUp(await acceptFor(store, endpointId, { channels: ['eu'], lease: leaseOf(A) })))

      const created = replay(endpointId)
      await store.createTask(created)
      expect(sum(await run(store))).toBe(3)
      expect(await store.getTask(ORG, created.id)).toMatchObject({ status: 'finished', added: 3 })
      expect(await dueAt(store)).toEqual({ manual: [], scheduled: wanted.toSorted() })
      expect(await deliveryOf(store, { appId: APP, msgId: wanted[0]!, endpointId, run: 0 })).toMatchObject({
        state: 'leased',
        attempts: 0,
      })
    })

    test('an endpoint without filters gets everything, each once however often it is asked for', async () => {
      await using opened = await open()
      const { store } = opened
      const endpointId = await createEndpoint(store)
      await store.accept(Array.from({ length: 5 }, () => acceptance([])))
      await store.createTask(replay(endpointId))
      await store.createTask(replay(endpointId))
      expect(sum(await run(store))).toBe(5)
      expect((await dueAt(store)).scheduled).toHaveLength(5)
    })

    test('brings what is for endpoints that name its type to no other one', async () => {
      await using opened = await open()
      const { store } = opened
      const everything = await createEndpoint(store)
      const naming = await createEndpoint(store, { eventTypes: ['user.*'] })
      await store.accept([acceptance([], { audience: 'named' }), acceptance([])])
      for (const [endpointId, expected] of [
        [everything, 1],
        [naming, 2],
      ] as const) {
        await store.createTask(replay(endpointId))
        expect(sum(await run(store))).toBe(expected)
      }
    })

    test('what it adds waits while the endpoint is paused', async () => {
      await using opened = await open()
      const { store } = opened
      const endpointId = await createEndpoint(store)
      const held = await acceptFor(store, endpointId, { lease: leaseOf(A) })
      await store.settle(settlement(held, { endpoint: effect({ pausedUntil: NOW + HOUR }) }))
      await store.accept([acceptance([])])
      await store.createTask(replay(endpointId))
      expect(sum(await run(store))).toBe(1)
      expect(await claim(store, A, { now: NOW })).toEqual({ deliveries: [], nextDueAt: NOW + HOUR })
    })
  })
}
