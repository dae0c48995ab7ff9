import { describe, expect, test } from 'vitest'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import type { EndpointId, MessageId } from '../../src/domain/ids.ts'
import type { TaskInfo } from '../../src/domain/task.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  application,
  claim,
  createEndpoint,
  endpoint,
  givingUp,
  haveApplication,
  HOUR,
  MINUTE,
  newId,
  type OpenStore,
  ORG,
  OTHER_APP,
  OTHER_ORG,
  T0,
} from './builders.ts'
import { allPages, firstPage, inOrder, ORDERS } from './paging.ts'
import { NOW, task, run, sum, acceptFailed, dueAt } from './task-builders.ts'

export function taskConformance(open: OpenStore): void {
  test('a task reads back as it was', async () => {
    await using opened = await open()
    const { store } = opened
    const created = task({ kind: 'endpoint.replay', since: T0 - HOUR, updatedAt: T0 + 1, added: 3 })
    expect(await store.createTask(created)).toBe('created')
    expect(await store.getTask(ORG, created.id)).toEqual(created)
    expect(await store.getTask(OTHER_ORG, created.id)).toBeNull()
    expect(await store.getTask(ORG, newId('qtask'))).toBeNull()
  })

  test.each(ORDERS)('tasks are listed in %s order of their ids, page by page, filtered', async (order) => {
    await using opened = await open()
    const { store } = opened
    const created = Array.from({ length: 8 }, (_, i) =>
      task({
        createdAt: T0 + i * MINUTE,
        kind: i % 2 === 0 ? 'endpoint.recover' : 'endpoint.replay',
        status: i < 3 ? 'finished' : 'running',
      }),
    )
    for (const one of created.toReversed()) await store.createTask(one)
    await store.createTask(task({ orgId: OTHER_ORG }))
    for (const status of [null, 'running', 'finished'] as const)
      for (const kind of [null, 'endpoint.recover', 'endpoint.replay'] as const) {
        const expected = created.filter(
          (one) => one.status === (status ?? one.status) && one.kind === (kind ?? one.kind),
        )
        for (const limit of [1, 3, 50]) {
          const query = { orgId: ORG, status, kind }
          const read = allPages(
            (page) => store.listTasks(query, page),
            (one) => one.id,
            { order, limit },
          )
          expect(await read).toEqual(inOrder(expected, order))
        }
      }
  })

  test('without a running task there is nothing to do', async () => {
    await using opened = await open()
    const { store } = opened
    await store.createTask(task({ status: 'finished' }))
    expect(await store.stepTask(NOW, 10)).toEqual({ task: null, added: 0 })
  })

  test('tasks take turns: a large one does not keep a small one waiting', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    for (let i = 0; i < 4; i++) await acceptFailed(store, endpointId, T0 + i * 7)
    const [large, small] = [task({ endpointId }), task({ updatedAt: T0 + MINUTE })]
    await store.createTask(large)
    await store.createTask(small)
    const order: (string | undefined)[] = []
    for (let i = 0; i < 3; i++) order.push((await store.stepTask(NOW + i, 2)).task?.id)
    expect(order).toEqual([large.id, small.id, large.id])
  })

  test('the one that waited longest runs first, and the next one when it is finished', async () => {
    await using opened = await open()
    const { store } = opened
    const [first, second] = [task({ orgId: OTHER_ORG }), task({ createdAt: T0 + MINUTE, updatedAt: T0 + MINUTE })]
    await store.createTask(second)
    await store.createTask(first)
    expect(await store.stepTask(NOW, 10)).toMatchObject({ task: { id: first.id, status: 'finished', updatedAt: NOW } })
    expect(await store.stepTask(NOW, 10)).toMatchObject({ task: { id: second.id, status: 'finished' } })
    expect(await store.getTask(OTHER_ORG, first.id)).toEqual({ ...first, status: 'finished', updatedAt: NOW })
  })

  describe.each(['endpoint.recover', 'endpoint.replay'] as const)('%s', (kind) => {
    /** Messages that the task will make due. */
    async function prepare(store: Store, endpointId: EndpointId, count: number): Promise<MessageId[]> {
      if (kind === 'endpoint.recover')
        return Promise.all(Array.from({ length: count }, (_, i) => acceptFailed(store, endpointId, T0 + i * 7)))
      const accepted = Array.from({ length: count }, (_, i) => acceptance([], { receivedAt: T0 + i * 7 }))
      await store.accept(accepted)
      return accepted.map(({ message }) => message.id)
    }

    test.each([1, 2, 3, 4, 100])(
      'in steps of %i it looks at no more, skips nothing and doubles nothing',
      async (max) => {
        await using opened = await open()
        const { store } = opened
        const endpointId = await createEndpoint(store)
        const ids = await prepare(store, endpointId, 12)
        const created = task({ kind, endpointId })
        await store.createTask(created)
        const added = await run(store, max)
        expect(Math.max(...added)).toBeLessThanOrEqual(max)
        expect(sum(added)).toBe(12)
        expect(await store.getTask(ORG, created.id)).toMatchObject({ status: 'finished', added: 12 })
        const due = await dueAt(store)
        expect([...due.manual, ...due.scheduled]).toEqual(ids.toSorted())
      },
    )

    test('what was added is tried between two steps, and is not added again', async () => {
      await using opened = await open()
      const { store } = opened
      const endpointId = await createEndpoint(store)
      await prepare(store, endpointId, 6)
      await store.createTask(task({ kind, endpointId }))
      let total = 0
      for (let step = await store.stepTask(NOW, 2); step.task !== null; step = await store.stepTask(NOW, 2)) {
        total += step.added
        for (const one of (await claim(store, A, { now: NOW })).deliveries) await store.settle(givingUp(one, NOW))
      }
      expect(total).toBe(6)
    })

    test('a task goes on where it was when the store is opened again', async () => {
      await using opened = await open()
      const endpointId = await createEndpoint(opened.store)
      const ids = await prepare(opened.store, endpointId, 10)
      const created = task({ kind, endpointId })
      await opened.store.createTask(created)
      expect(await opened.store.stepTask(NOW, 4)).toMatchObject({ added: 4, task: { status: 'running', added: 4 } })
      const store = await opened.reopen()
      expect(await store.getTask(ORG, created.id)).toMatchObject({ status: 'running', added: 4 })
      expect(sum(await run(store, 4))).toBe(6)
      const due = await dueAt(store)
      expect([...due.manual, ...due.scheduled]).toEqual(ids.toSorted())
    })

    test('several nodes that step at once do each message once', async () => {
      await using opened = await open()
      const { store } = opened
      const endpointId = await createEndpoint(store)
      await prepare(store, endpointId, 30)
      await store.createTask(task({ kind, endpointId }))
      const added = await Promise.all(Array.from({ length: 10 }, () => store.stepTask(NOW, 3)))
      const rest = await run(store, 3)
      expect(sum([...added.map((step) => step.added), ...rest])).toBe(30)
      const due = await dueAt(store)
      expect(new Set([...due.manual, ...due.scheduled]).size).toBe(30)
    })

    test.each([
      ['deleted', async (store: Store, one: Endpoint) => store.deleteEndpoint(one, NOW)],
      [
        'disabled',
        async (store: Store, one: Endpoint) =>
          store.updateEndpoint({ ...one, disabled: true, disabledReason: 'owner', updatedAt: NOW }, one.updatedAt),
      ],
    ] as const)('it ends when the endpoint is %s', async (_, end) => {
      await using opened = await open()
      const { store } = opened
      const one = endpoint()
      await store.createEndpoint(one)
      await prepare(store, one.id, 6)
      const created = task({ kind, endpointId: one.id })
      await store.createTask(created)
      await store.stepTask(NOW, 2)
      await end(store, one)
      expect(sum(await run(store, 2))).toBe(0)
      expect(await store.getTask(ORG, created.id)).toMatchObject({ status: 'finished', added: 2 })
    })
  })

  test('of several of one kind for one endpoint one runs at a time, in their order', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    for (let i = 0; i < 5; i++) await acceptFailed(store, endpointId, T0 + i * 7)
    const same = Array.from({ length: 3 }, (_, i) => task({ endpointId, createdAt: T0 + i * MINUTE }))
    for (const one of same) await store.createTask(one)
    await store.createTask(task({ endpointId, kind: 'endpoint.replay' }))
    const order: string[] = []
    for (let step = await store.stepTask(NOW, 2); step.task !== null; step = await store.stepTask(NOW, 2))
      if (step.task.kind === 'endpoint.recover') order.push(step.task.id)
    const times = new Map(same.map(({ id }) => [id, order.filter((one) => one === id).length]))
    expect(order).toEqual(same.flatMap(({ id }) => Array<string>(times.get(id)!).fill(id)))
    expect([...times.values()].every((count) => count > 0)).toBe(true)
    expect(await store.listTasks({ orgId: ORG, status: 'running', kind: null }, firstPage)).toEqual([])
  })

  test('as many are open as there may be, however many are created at once', async () => {
    await using opened = await open()
    const { store } = opened
    await haveApplication(store, OTHER_APP)
    const max = { ofKind: 3, ofApplication: 5 }
    const endpointId = await createEndpoint(store)
    const create = (given: Partial<TaskInfo>) => store.createTask(task(given), undefined, max)
    const results = await Promise.all(Array.from({ length: 8 }, () => create({ endpointId })))
    expect(results.toSorted()).toEqual([...Array(3).fill('created'), ...Array(5).fill('endpoint_busy')])
    expect(await create({ endpointId, kind: 'endpoint.replay' })).toBe('created')
    expect(await create({})).toBe('created')
    expect(await create({})).toBe('application_busy')
    expect(await create({ appId: OTHER_APP })).toBe('created')
    await run(store)
    expect(await create({ endpointId })).toBe('created')
    expect(await create({ appId: 'app_unknown' })).toBe('unknown')
  })

  test('organizations take turns, whatever number of tasks each has', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    for (let i = 0; i < 6; i++) await acceptFailed(store, endpointId, T0 + i * 7)
    for (let i = 0; i < 50; i++) await store.createTask(task({ createdAt: T0 + i }))
    for (let i = 0; i < 5; i++) await store.stepTask(NOW, 2)
    const other = task({ orgId: OTHER_ORG, endpointId, updatedAt: T0 + HOUR })
    await store.createTask(other)
    const orgs: (string | undefined)[] = []
    for (let i = 0; i < 6; i++) orgs.push((await store.stepTask(NOW, 2)).task?.orgId)
    expect(orgs.filter((org) => org === OTHER_ORG)).toHaveLength(3)
    expect(await store.getTask(OTHER_ORG, other.id)).toMatchObject({ status: 'finished', added: 6 })
  })

  test('none is forgotten that is created while the one before it is finished', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    for (let round = 0; round < 40; round++) {
      await store.createTask(task({ endpointId }))
      await Promise.all([store.stepTask(NOW, 5), store.createTask(task({ endpointId }))])
      await run(store)
      expect(await store.listTasks({ orgId: ORG, status: 'running', kind: null }, firstPage)).toEqual([])
    }
  })

  test('it ends when the application is deleted', async () => {
    await using opened = await open()
    const { store } = opened
    const owner = application({ orgId: OTHER_ORG })
    await store.createApplication(owner)
    const endpointId = await createEndpoint(store, { appId: owner.id })
    await store.accept(Array.from({ length: 3 }, () => acceptance([], { appId: owner.id })))
    await store.createTask(task({ orgId: OTHER_ORG, appId: owner.id, endpointId, kind: 'endpoint.replay' }))
    await store.deleteApplication(OTHER_ORG, owner.id, NOW)
    expect(await run(store)).toEqual([0])
    expect(await store.listTasks({ orgId: OTHER_ORG, status: 'running', kind: null }, firstPage)).toEqual([])
  })
}
