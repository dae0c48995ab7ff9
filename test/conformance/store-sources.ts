import { expect, test } from 'vitest'
import { blankSource, type Source } from '../../src/domain/source.ts'
import { APP, haveApplication, HOUR, newId, type OpenStore, ORG, OTHER_APP, T0 } from './builders.ts'

export const source = (given: Partial<Source> = {}): Source => ({
  ...blankSource({ appId: APP, id: newId('src', given.createdAt), name: 'shop', provider: 'generic', now: T0 }),
  updatedAt: given.createdAt ?? T0,
  ...given,
})

/** Every member has a value that no default has. */
const full = (given: Partial<Source> = {}): Source =>
  source({
    provider: 'standard-webhooks',
    enabled: false,
    settings: {
      publicUrl: 'https://gateway.example/in/shop',
      methods: ['POST', 'PUT'],
      contentTypes: ['application/json'],
      eventType: '{header:X-Event}',
      dedupe: '{body:/id}',
      response: { status: 202, contentType: 'text/plain', body: 'ünï' },
      own: { tolerance: '5m', scheme: [{ header: 'X-A' }] },
    },
    secrets: [
      { secret: 'new', expiresAt: null },
      { secret: 'old', expiresAt: T0 + HOUR },
    ],
    ...given,
  })

const MAX = 100

export function sourceStoreConformance(open: OpenStore): void {
  test.each([
    ['with everything', full],
    ['with a name alone', source],
  ])('a source %s reads back as it was, also after a restart', async (_, build) => {
    await using opened = await open()
    const created = build()
    expect(await opened.store.createSource(created, MAX)).toBe('created')
    const store = await opened.reopen()
    expect(await store.getSource(created.id)).toEqual(created)
    expect(await store.findSource(APP, created.id)).toEqual(created)
    expect(await store.findSource(APP, created.name)).toEqual(created)
    expect(await store.listSources({ appId: APP, limit: 10, offset: 0 })).toEqual({ data: [created], total: 1 })
    expect(await store.findSource(OTHER_APP, created.name)).toBeNull()
    expect(await store.getSource(newId('src'))).toBeNull()
  })

  test('a name exists once in an application, however many create it at once', async () => {
    await using opened = await open()
    const { store } = opened
    const results = await Promise.all(Array.from({ length: 20 }, () => store.createSource(source(), MAX)))
    expect(results.filter((one) => one === 'created')).toHaveLength(1)
    expect(results.filter((one) => one === 'name_taken')).toHaveLength(19)
    await haveApplication(store, OTHER_APP)
    expect(await store.createSource(source({ appId: OTHER_APP }), MAX)).toBe('created')
  })

  test('there are never more than may be, however many are created at once', async () => {
    await using opened = await open()
    const { store } = opened
    const made = Array.from({ length: 20 }, (_, i) => store.createSource(source({ name: `shop-${i}` }), 3))
    const results = await Promise.all(made)
    expect(results.filter((one) => one === 'created')).toHaveLength(3)
    expect(results.filter((one) => one === 'limit_reached')).toHaveLength(17)
  })

  test('everything can be changed, and of two changes at once the second is refused', async () => {
    await using opened = await open()
    const { store } = opened
    const before = source({ provider: 'standard-webhooks' })
    await store.createSource(before, MAX)
    const { id } = before
    const after = full({ id, name: 'store', updatedAt: T0 + 1 })
    const other = source({ id, provider: 'standard-webhooks', enabled: false, updatedAt: T0 + 2 })
    const results = await Promise.all([store.updateSource(after, T0), store.updateSource(other, T0)])
    expect(results.toSorted()).toEqual(['changed', 'updated'])
    expect(await store.getSource(id)).toEqual(results[0] === 'updated' ? after : other)
    expect(await store.updateSource(source(), T0)).toBe('unknown')
    expect(await store.updateSource(full({ id, appId: OTHER_APP }), T0)).toBe('unknown')
  })

  test('a name that another one has cannot be taken', async () => {
    await using opened = await open()
    const { store } = opened
    const [first, second] = [source(), source({ name: 'store' })]
    await store.createSource(first, MAX)
    await store.createSource(second, MAX)
    expect(await store.updateSource({ ...second, name: 'shop', updatedAt: T0 + 1 }, T0)).toBe('name_taken')
    expect(await store.getSource(second.id)).toEqual(second)
  })

  test('a deleted one is gone, and its name is free', async () => {
    await using opened = await open()
    const { store } = opened
    const gone = source()
    await store.createSource(gone, MAX)
    expect(await store.deleteSource(OTHER_APP, gone.id)).toBe(false)
    expect(await store.deleteSource(APP, gone.id)).toBe(true)
    expect(await store.deleteSource(APP, gone.id)).toBe(false)
    expect(await store.getSource(gone.id)).toBeNull()
    expect(await store.createSource(source(), MAX)).toBe('created')
  })

  test('with its application a source is gone, and a deleted application gets none', async () => {
    await using opened = await open()
    const { store } = opened
    await haveApplication(store, OTHER_APP)
    const gone = source({ appId: OTHER_APP })
    await store.createSource(gone, MAX)
    await store.deleteApplication(ORG, OTHER_APP, T0 + 1)
    expect(await store.getSource(gone.id)).toBeNull()
    expect(await store.createSource(source({ appId: OTHER_APP }), MAX)).toBe('unknown')
  })

  test('a list is the oldest first, page by page', async () => {
    await using opened = await open()
    const { store } = opened
    const all = Array.from({ length: 5 }, (_, i) => source({ name: `shop-${i}`, createdAt: T0 + i * HOUR }))
    for (const one of all.toReversed()) await store.createSource(one, MAX)
    expect(await store.listSources({ appId: APP, limit: 2, offset: 2 })).toEqual({ data: all.slice(2, 4), total: 5 })
    expect(await store.listSources({ appId: APP, limit: 2, offset: 5 })).toEqual({ data: [], total: 5 })
  })
}
