import { expect, test } from 'vitest'
import type { Application } from '../../src/domain/application.ts'
import {
  acceptFor,
  APP,
  application,
  claim,
  A,
  createEndpoint,
  deliveryOf,
  endpoint,
  HOUR,
  MINUTE,
  newId,
  type OpenStore,
  ORG,
  OTHER_ORG,
  T0,
} from './builders.ts'
import { allPages, firstPage, inOrder, ORDERS } from './paging.ts'

/** Every field has a value that no default has. */
const full = (given: Partial<Application> = {}): Application =>
  application({
    orgId: OTHER_ORG,
    uid: 'customer-42',
    name: 'Customer "42" ünï',
    throttleRate: 7,
    metadata: { team: 'billing', '': 'empty key' },
    createdAt: T0 - HOUR,
    updatedAt: T0 - MINUTE,
    ...given,
  })

export function applicationConformance(open: OpenStore): void {
  test.each([
    ['with every setting', full],
    ['without any', application],
  ])('an application %s reads back as it was', async (_, build) => {
    await using opened = await open()
    const { store } = opened
    const created = build()
    expect(await store.createApplication(created)).toBe('created')
    expect(await store.getApplication(created.id)).toEqual(created)
    expect(await store.findApplication(created.orgId, created.id)).toEqual(created)
  })

  test('an application is found by its uid', async () => {
    await using opened = await open()
    const { store } = opened
    const created = full()
    await store.createApplication(created)
    expect(await store.findApplication(OTHER_ORG, created.uid!)).toEqual(created)
    expect(await store.findApplication(OTHER_ORG, 'other')).toBeNull()
  })

  test('the default application is there from the beginning', async () => {
    await using opened = await open()
    const { store } = opened
    expect(await store.findApplication(ORG, 'default')).toMatchObject({ id: APP, orgId: ORG })
    expect(await store.listApplications(ORG, firstPage)).toMatchObject([{ id: APP }])
  })

  test('an organization does not see the applications of another', async () => {
    await using opened = await open()
    const { store } = opened
    const [mine, theirs] = [full({ uid: 'same' }), full({ uid: 'same', orgId: newId('org') })]
    expect(await store.createApplication(mine)).toBe('created')
    expect(await store.createApplication(theirs)).toBe('created')
    expect(await store.findApplication(mine.orgId, theirs.id)).toBeNull()
    expect(await store.findApplication(mine.orgId, 'same')).toEqual(mine)
    expect(await store.findApplication(theirs.orgId, 'same')).toEqual(theirs)
    expect(await store.listApplications(mine.orgId, firstPage)).toEqual([mine])
    expect(await store.updateApplication({ ...theirs, orgId: mine.orgId }, theirs.updatedAt)).toBe('unknown')
    expect(await store.deleteApplication(mine.orgId, theirs.id, T0)).toBe(false)
    expect(await store.getApplication(theirs.id)).toEqual(theirs)
  })

  test('two live applications of an organization cannot have the same uid, however they come by it', async () => {
    await using opened = await open()
    const { store } = opened
    const [first, second] = [full({ uid: 'one' }), full({ uid: 'two' })]
    await store.createApplication(first)
    await store.createApplication(second)
    expect(await store.createApplication(full({ uid: 'one' }))).toBe('uid_taken')
    expect(await store.updateApplication({ ...second, uid: 'one', updatedAt: T0 }, second.updatedAt)).toBe('uid_taken')
    expect(await store.getApplication(second.id)).toEqual(second)
    expect(await store.updateApplication({ ...first, name: 'New', updatedAt: T0 }, first.updatedAt)).toBe('updated')
    await expect(store.createApplication(full({ id: first.id, uid: null }))).rejects.toBeInstanceOf(Error)
  })

  test('of many that are created at once with one uid, one is', async () => {
    await using opened = await open()
    const { store } = opened
    const results = await Promise.all(Array.from({ length: 20 }, () => store.createApplication(full())))
    expect(results.filter((one) => one === 'created')).toHaveLength(1)
    expect(results.filter((one) => one === 'uid_taken')).toHaveLength(19)
    expect(await store.listApplications(OTHER_ORG, firstPage)).toHaveLength(1)
  })

  test('every setting can be changed, and of two changes at once the second is refused', async () => {
    await using opened = await open()
    const { store } = opened
    const before = application({ orgId: OTHER_ORG })
    await store.createApplication(before)
    const after = full({ id: before.id, createdAt: before.createdAt, updatedAt: T0 + 1 })
    const other = { ...before, name: 'Other', updatedAt: T0 + 2 }
    const results = await Promise.all([
      store.updateApplication(after, before.updatedAt),
      store.updateApplication(other, before.updatedAt),
    ])
    expect(results.toSorted()).toEqual(['changed', 'updated'])
    expect(await store.getApplication(before.id)).toEqual(results[0] === 'updated' ? after : other)
    expect(await store.updateApplication(full(), T0)).toBe('unknown')
  })

  test('a deleted application is gone with its endpoints, and their uids are free again', async () => {
    await using opened = await open()
    const { store } = opened
    const deleted = full()
    await store.createApplication(deleted)
    const owned = endpoint({ appId: deleted.id, uid: 'ep-1' })
    await store.createEndpoint(owned)
    const kept = await createEndpoint(store)

    expect(await store.deleteApplication(OTHER_ORG, deleted.id, T0 + MINUTE)).toBe(true)
    expect(await store.deleteApplication(OTHER_ORG, deleted.id, T0 + HOUR)).toBe(false)
    expect(await store.getApplication(deleted.id)).toBeNull()
    expect(await store.findApplication(OTHER_ORG, deleted.id)).toBeNull()
    expect(await store.findApplication(OTHER_ORG, deleted.uid!)).toBeNull()
    expect(await store.listApplications(OTHER_ORG, firstPage)).toEqual([])
    expect(await store.updateApplication({ ...deleted, updatedAt: T0 + HOUR }, T0 + MINUTE)).toBe('unknown')
    expect(await store.getEndpoint(deleted.id, owned.id)).toBeNull()
    expect(await store.findEndpoint(deleted.id, 'ep-1')).toBeNull()
    expect(await store.endpointsOf(deleted.id)).toEqual([])
    expect(await store.createEndpoint(endpoint({ appId: deleted.id }))).toBe('unknown')
    expect(await store.getEndpoint(APP, kept)).not.toBeNull()

    expect(await store.createApplication(full())).toBe('created')
  })

  test('what waits for a deleted application is still found, so that it can be cancelled', async () => {
    await using opened = await open()
    const { store } = opened
    const deleted = full()
    await store.createApplication(deleted)
    const owned = await createEndpoint(store, { appId: deleted.id })
    const waiting = await acceptFor(store, owned, { appId: deleted.id })
    await store.deleteApplication(OTHER_ORG, deleted.id, T0)
    expect((await claim(store, A)).deliveries).toMatchObject([{ msgId: waiting.msgId }])
    const later = await acceptFor(store, owned, { appId: deleted.id, dueAt: T0 + HOUR })
    expect(await store.cancelWaiting(deleted.id, owned, { max: 10, what: 'all' })).toBe(1)
    expect(await deliveryOf(store, later)).toMatchObject({ state: 'cancelled' })
  })

  test.each(ORDERS)(
    'applications are listed in %s order of their ids, page by page, deleted ones left out',
    async (order) => {
      await using opened = await open()
      const { store } = opened
      const created = Array.from({ length: 9 }, (_, i) => full({ uid: null, createdAt: T0 + i * MINUTE }))
      for (const one of created.toReversed()) await store.createApplication(one)
      const live = created.filter((_, i) => i % 4 !== 1)
      for (const one of created.filter((app) => !live.includes(app)))
        await store.deleteApplication(OTHER_ORG, one.id, T0 + HOUR)
      const read = (limit: number) =>
        allPages(
          (page) => store.listApplications(OTHER_ORG, page),
          (one) => one.id,
          { order, limit },
        )
      for (const limit of [1, 2, 3, 6, 50]) expect(await read(limit)).toEqual(inOrder(live, order))
      // From behind something that is not there any more.
      const from = { limit: 2, after: created[5]!.id, order }
      expect(await store.listApplications(OTHER_ORG, from)).toEqual(
        order === 'ascending' ? [created[6], created[7]] : [created[4], created[3]],
      )
    },
  )
}
