import { expect, test } from 'vitest'
import {
  APP,
  candidate,
  endpoint,
  haveApplication,
  HOUR,
  MINUTE,
  newId,
  type OpenStore,
  OTHER_APP,
  T0,
} from './builders.ts'
import { allPages, firstPage, inOrder, ORDERS } from './paging.ts'

export function endpointPagingConformance(open: OpenStore): void {
  test.each(ORDERS)(
    'endpoints are paged in %s order of their ids; deleted ones and the gateway’s own are left out',
    async (order) => {
      await using opened = await open()
      const { store } = opened
      await haveApplication(store, OTHER_APP)
      const created = Array.from({ length: 11 }, (_, i) =>
        endpoint({ createdAt: T0 + i * MINUTE, managed: i === 4, disabled: i % 2 === 0 }),
      )
      for (const one of created.toReversed()) await store.createEndpoint(one)
      await store.createEndpoint(endpoint({ appId: OTHER_APP }))
      await store.deleteEndpoint({ appId: APP, id: created[7]!.id }, T0 + HOUR)
      const live = created.filter((_, i) => i !== 4 && i !== 7)
      for (const limit of [1, 2, 3, 9, 50]) {
        const read = allPages(
          (page) => store.pageEndpoints(APP, page),
          (one) => one.id,
          { order, limit },
        )
        expect(await read).toEqual(inOrder(live, order).map(candidate))
      }
      expect(await store.pageEndpoints(newId('app'), firstPage)).toEqual([])
    },
  )

  test('an endpoint is found by its id and by its uid, as long as it lives', async () => {
    await using opened = await open()
    const { store } = opened
    await haveApplication(store, OTHER_APP)
    const [mine, theirs] = [endpoint({ uid: 'same' }), endpoint({ uid: 'same', appId: OTHER_APP })]
    await store.createEndpoint(mine)
    await store.createEndpoint(theirs)
    expect(await store.findEndpoint(APP, 'same')).toEqual(mine)
    expect(await store.findEndpoint(APP, mine.id)).toEqual(mine)
    expect(await store.findEndpoint(APP, theirs.id)).toBeNull()
    expect(await store.findEndpoint(OTHER_APP, 'same')).toEqual(theirs)
    expect(await store.findEndpoint(APP, 'other')).toBeNull()
    await store.deleteEndpoint({ appId: APP, id: mine.id }, T0)
    expect(await store.findEndpoint(APP, 'same')).toBeNull()
    expect(await store.findEndpoint(APP, mine.id)).toBeNull()
  })

  test('an endpoint cannot be created for an application that is not there', async () => {
    await using opened = await open()
    const { store } = opened
    const orphan = endpoint({ appId: newId('app') })
    expect(await store.createEndpoint(orphan)).toBe('unknown')
    expect(await store.getEndpoint(orphan.appId, orphan.id)).toBeNull()
  })

  test('of many that are created at once with one uid, one is', async () => {
    await using opened = await open()
    const { store } = opened
    const results = await Promise.all(
      Array.from({ length: 20 }, () => store.createEndpoint(endpoint({ uid: 'customer-42' }))),
    )
    expect(results.filter((one) => one === 'created')).toHaveLength(1)
    expect(results.filter((one) => one === 'uid_taken')).toHaveLength(19)
    expect(await store.endpointsOf(APP)).toHaveLength(1)
  })
}
