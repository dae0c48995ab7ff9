import { expect, test } from 'vitest'
import type { EventType } from '../../src/domain/event-type.ts'
import { HOUR, MINUTE, type OpenStore, ORG, OTHER_ORG, T0 } from './builders.ts'
import { allPages, firstPage, inOrder, ORDERS } from './paging.ts'

const eventType = (given: Partial<EventType> = {}): EventType => ({
  orgId: ORG,
  name: 'user.created',
  description: '',
  schemas: null,
  archived: false,
  deprecated: false,
  featureFlags: [],
  groupName: null,
  createdAt: T0,
  updatedAt: T0,
  ...given,
})

/** Every field has a value that no default has. */
const full = (given: Partial<EventType> = {}): EventType =>
  eventType({
    description: 'A "user" was created. ünï',
    schemas: '{"1":{"type":"object","properties":{"a":{"type":"number"}}},"2":true}',
    deprecated: true,
    featureFlags: ['beta', 'eu only'],
    groupName: 'user',
    createdAt: T0 - HOUR,
    updatedAt: T0 - MINUTE,
    ...given,
  })

const ALL = { orgId: ORG, includeArchived: true, flags: null, withContent: true }

export function eventTypeConformance(open: OpenStore): void {
  test.each([
    ['with everything', full],
    ['with a name alone', eventType],
  ])('an event type %s reads back as it was', async (_, build) => {
    await using opened = await open()
    const { store } = opened
    const created = build()
    expect(await store.createEventType(created)).toBe('created')
    expect(await store.getEventType(ORG, created.name)).toEqual(created)
    expect(await store.listEventTypes(ALL, firstPage)).toEqual([created])
    expect(await store.getEventType(ORG, 'user')).toBeNull()
    expect(await store.getEventType(OTHER_ORG, created.name)).toBeNull()
  })

  test('a name exists once in an organization, however many create it at once', async () => {
    await using opened = await open()
    const { store } = opened
    const results = await Promise.all(Array.from({ length: 20 }, () => store.createEventType(eventType())))
    expect(results.filter((one) => one === 'created')).toHaveLength(1)
    expect(results.filter((one) => one === 'exists')).toHaveLength(19)
    expect(await store.createEventType(eventType({ orgId: OTHER_ORG }))).toBe('created')
  })

  test('an archived one is brought back by creating it again, with nothing of what it was', async () => {
    await using opened = await open()
    const { store } = opened
    const first = full({ archived: true })
    await store.createEventType(first)
    const second = eventType({ createdAt: T0 + HOUR, updatedAt: T0 + HOUR })
    expect(await store.createEventType(second)).toBe('created')
    expect(await store.getEventType(ORG, first.name)).toEqual(second)
    expect(await store.createEventType(first)).toBe('exists')
    expect(await store.getEventType(ORG, first.name)).toEqual(second)
  })

  test('everything can be changed, and of two changes at once the second is refused', async () => {
    await using opened = await open()
    const { store } = opened
    const before = eventType()
    await store.createEventType(before)
    const after = full({ archived: true, createdAt: before.createdAt, updatedAt: T0 + 1 })
    const other = eventType({ description: 'other', updatedAt: T0 + 2 })
    const results = await Promise.all([store.updateEventType(after, T0), store.updateEventType(other, T0)])
    expect(results.toSorted()).toEqual(['changed', 'updated'])
    expect(await store.getEventType(ORG, before.name)).toEqual(results[0] === 'updated' ? after : other)
    expect(await store.updateEventType(full({ name: 'unknown' }), T0)).toBe('unknown')
    expect(await store.updateEventType(full({ orgId: OTHER_ORG }), T0)).toBe('unknown')
  })

  test('a removed one is gone, archived or not', async () => {
    await using opened = await open()
    const { store } = opened
    await store.createEventType(eventType())
    await store.createEventType(eventType({ name: 'archived', archived: true }))
    expect(await store.removeEventType(OTHER_ORG, 'user.created')).toBe(false)
    expect(await store.removeEventType(ORG, 'user.created')).toBe(true)
    expect(await store.removeEventType(ORG, 'user.created')).toBe(false)
    expect(await store.removeEventType(ORG, 'archived')).toBe(true)
    expect(await store.listEventTypes(ALL, firstPage)).toEqual([])
  })

  test('the known ones of some names are those of live event types', async () => {
    await using opened = await open()
    const { store } = opened
    for (const name of ['a', 'b', 'c.d', "it's"]) await store.createEventType(eventType({ name }))
    await store.createEventType(eventType({ name: 'old', archived: true }))
    await store.createEventType(eventType({ name: 'theirs', orgId: OTHER_ORG }))
    const known = async (names: string[]) => (await store.knownEventTypes(ORG, names)).toSorted()
    expect(await known(['c.d', 'a', 'c', 'old', 'theirs', 'A', "it's"])).toEqual(['a', 'c.d', "it's"])
    expect(await known(['b', 'b'])).toEqual(['b'])
    expect(await known([])).toEqual([])
  })

  test.each(ORDERS)('event types are listed in %s order of their names, page by page', async (order) => {
    await using opened = await open()
    const { store } = opened
    // As bytes compare: capitals first, and no regard to what a language thinks of punctuation.
    const names = ['A', 'Z', 'a', 'a-b', 'a.b', 'a_b', 'aa', 'b', 'z']
    const created = names.map((name, i) => full({ name, archived: i % 3 === 2 }))
    for (const one of created.toReversed()) await store.createEventType(one)
    await store.createEventType(eventType({ orgId: OTHER_ORG, name: 'm' }))
    for (const includeArchived of [true, false]) {
      const expected = created.filter((one) => includeArchived || !one.archived)
      for (const limit of [1, 2, 3, 50]) {
        const read = allPages(
          (page) => store.listEventTypes({ ...ALL, includeArchived }, page),
          (one) => one.name,
          { order, limit },
        )
        expect(await read).toEqual(inOrder(expected, order))
      }
    }
  })

  test('a list without content leaves the schemas out, and nothing else', async () => {
    await using opened = await open()
    const { store } = opened
    await store.createEventType(full())
    expect(await store.listEventTypes({ ...ALL, withContent: false }, firstPage)).toEqual([full({ schemas: null })])
  })

  test('who has feature flags sees what has none and what has one of these', async () => {
    await using opened = await open()
    const { store } = opened
    const flags: Record<string, string[]> = { all: [], beta: ['beta'], both: ['beta', 'eu'], eu: ['eu'] }
    for (const [name, featureFlags] of Object.entries(flags))
      await store.createEventType(eventType({ name, featureFlags }))
    const seen = async (given: string[] | null) =>
      (await store.listEventTypes({ ...ALL, flags: given }, firstPage)).map((one) => one.name)
    expect(await seen(null)).toEqual(['all', 'beta', 'both', 'eu'])
    expect(await seen([])).toEqual(['all'])
    expect(await seen(['beta'])).toEqual(['all', 'beta', 'both'])
    expect(await seen(['eu', 'other'])).toEqual(['all', 'both', 'eu'])
    expect(await seen(['bet'])).toEqual(['all'])
  })
}
