import { describe, expect, test } from 'vitest'
import type { Extras } from '../../src/store/port/accept.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  answer,
  APP,
  application,
  claim,
  createEndpoint,
  endpoint,
  extras,
  HOUR,
  newId,
  type OpenStore,
  ORG,
  OTHER_ORG,
  T0,
} from './builders.ts'
import { firstPage } from './paging.ts'

const AT_ONCE = 20
const eventType = (name: string) => ({
  orgId: ORG,
  name,
  description: '',
  schemas: null,
  archived: false,
  deprecated: false,
  featureFlags: [],
  groupName: null,
  createdAt: T0,
  updatedAt: T0,
})
const task = () => ({
  orgId: ORG,
  id: newId('qtask'),
  kind: 'endpoint.recover' as const,
  appId: APP,
  endpointId: newId('ep'),
  since: T0,
  until: T0 + HOUR,
  status: 'running' as const,
  added: 0,
  createdAt: T0,
  updatedAt: T0,
})

interface Verb {
  /** Does it once; a write that fails returns something else than `done`. */
  write: (store: Store, along: Extras) => Promise<string>
  done: string
  /** How often it was done. */
  count: (store: Store) => Promise<number>
}

/** The verbs that an answer can come with. */
const VERBS: Record<string, () => Verb> = {
  createApplication: () => ({
    write: (store, along) => store.createApplication(application({ orgId: OTHER_ORG }), along),
    done: 'created',
    count: async (store) => (await store.listApplications(OTHER_ORG, firstPage)).length,
  }),
  createEventType: () => {
    let n = 0
    return {
      write: (store, along) => store.createEventType(eventType(`type.${n++}`), along),
      done: 'created',
      count: async (store) =>
        (await store.listEventTypes({ orgId: ORG, includeArchived: true, flags: null, withContent: true }, firstPage))
          .length,
    }
  },
  createEndpoint: () => ({
    write: (store, along) => store.createEndpoint(endpoint(), along),
    done: 'created',
    count: async (store) => (await store.endpointsOf(APP)).length,
  }),
  updateEndpoint: () => {
    const created = endpoint()
    let at = T0
    return {
      async write(store, along) {
        if ((await store.getEndpoint(APP, created.id)) === null) await store.createEndpoint(created)
        return store.updateEndpoint({ ...created, updatedAt: ++at }, at - 1, along)
      },
      done: 'updated',
      count: async (store) => (await store.getEndpoint(APP, created.id))!.updatedAt - T0,
    }
  },
  createTask: () => ({
    write: (store, along) => store.createTask(task(), along),
    done: 'created',
    count: async (store) => (await store.listTasks({ orgId: ORG, status: null, kind: null }, firstPage)).length,
  }),
  saveAnswer: () => ({
    write: async (store, { answer: given }) => store.saveAnswer(given!),
    done: 'saved',
    count: async (store) => ((await store.getAnswer(ORG, 'key', T0)) === null ? 0 : 1),
  }),
  accept: () => ({
    async write(store, { answer: given }) {
      const [accepted] = await store.accept([acceptance([], { answer: given })])
      return accepted!.replayed ? 'replayed' : 'stored'
    },
    done: 'stored',
    count: async (store) =>
      (
        await store.listMessages(
          { appId: APP, from: null, until: null, eventTypes: null, channel: null, tag: null },
          firstPage,
          false,
        )
      ).length,
  }),
}

export function answerConformance(open: OpenStore): void {
  describe.each(Object.entries(VERBS))('%s with an answer', (_, make) => {
    test('is done once under a key, and the first answer stays', async () => {
      await using opened = await open()
      const { store } = opened
      const { write, done, count } = make()
      expect(await store.getAnswer(ORG, 'key', T0)).toBeNull()
      expect(await write(store, extras({ answer: answer() }))).toBe(done)
      const again = answer({ status: 200, body: 'second', at: T0 + 11 * HOUR, expiresAt: T0 + 23 * HOUR })
      expect(await write(store, extras({ answer: again }))).toBe('replayed')
      expect(await count(store)).toBe(1)
      expect(await store.getAnswer(ORG, 'key', T0 + 11 * HOUR)).toEqual({ status: 201, body: '{"id":"first"}' })
    })
  })

  test.each(['createApplication', 'createEventType', 'createEndpoint', 'createTask', 'saveAnswer', 'accept'])(
    '%s that is asked for many times at once under one key is done once',
    async (name) => {
      await using opened = await open()
      const { store } = opened
      const { write, done, count } = VERBS[name]!()
      const results = await Promise.all(
        Array.from({ length: AT_ONCE }, () => write(store, extras({ answer: answer() }))),
      )
      expect(results.filter((result) => result === done)).toHaveLength(1)
      expect(results.filter((result) => result === 'replayed')).toHaveLength(AT_ONCE - 1)
      expect(await count(store)).toBe(1)
    },
  )

  test('a resend that is asked for again under one key adds nothing', async () => {
    await using opened = await open()
    const { store } = opened
    const key = await acceptFor(store, await createEndpoint(store), { dueAt: T0 + HOUR })
    expect(await store.resend(key, T0, extras({ answer: answer({ body: '' }) }))).toMatchObject({
      run: expect.any(Number),
    })
    expect((await claim(store, A)).deliveries).toHaveLength(1)
    expect(await store.resend(key, T0, extras({ answer: answer() }))).toBe('replayed')
    expect((await claim(store, A)).deliveries).toEqual([])
    expect(await store.getAnswer(ORG, 'key', T0)).toEqual({ status: 201, body: '' })
  })

  test('other keys, and the same key of another organization, have answers of their own', async () => {
    await using opened = await open()
    const { store } = opened
    expect(await store.saveAnswer(answer())).toBe('saved')
    expect(await store.createEndpoint(endpoint(), extras({ answer: answer({ key: 'other' }) }))).toBe('created')
    expect(await store.saveAnswer(answer({ orgId: OTHER_ORG, body: 'theirs' }))).toBe('saved')
    expect(await store.getAnswer(OTHER_ORG, 'key', T0)).toEqual({ status: 201, body: 'theirs' })
    expect(await store.getAnswer(ORG, 'key', T0)).toEqual({ status: 201, body: '{"id":"first"}' })
  })

  test('an answer that expired is none, whether it was removed or not, and a new one takes its place', async () => {
    await using opened = await open()
    const { store } = opened
    await store.saveAnswer(answer({ expiresAt: T0 + HOUR }))
    expect(await store.getAnswer(ORG, 'key', T0 + HOUR - 1)).not.toBeNull()
    expect(await store.getAnswer(ORG, 'key', T0 + HOUR)).toBeNull()
    const given = { at: T0 + HOUR, expiresAt: T0 + 3 * HOUR, body: 'new' }
    expect(await store.createEndpoint(endpoint(), extras({ answer: answer({ ...given, at: T0 + HOUR - 1 }) }))).toBe(
      'replayed',
    )
    expect(await store.createEndpoint(endpoint(), extras({ answer: answer(given) }))).toBe('created')
    expect(await store.getAnswer(ORG, 'key', T0 + 2 * HOUR)).toEqual({ status: 201, body: 'new' })
  })

  test('expired answers are removed in steps, with the idempotency records', async () => {
    await using opened = await open()
    const { store } = opened
    const keys = Array.from({ length: 7 }, (_, i) => `k${i}`)
    for (const [i, key] of keys.entries()) await store.saveAnswer(answer({ key, expiresAt: T0 + i * HOUR }))
    const idempotency = { scope: 'ingest', key: 'k', expiresAt: T0 + HOUR }
    await store.accept([acceptance([], { idempotency })])
    let removed = 0
    for (let step = 0; step < 10; step++) {
      const count = await store.pruneIdempotency(T0 + 4 * HOUR + 1, 2)
      expect(count).toBeLessThanOrEqual(2)
      removed += count
    }
    expect(removed).toBe(6)
    // Asked for at a time when all of them still held.
    const left = await Promise.all(keys.map(async (key) => (await store.getAnswer(ORG, key, T0 - 1)) !== null))
    expect(left).toEqual([false, false, false, false, false, true, true])
    expect(await store.accept([acceptance([], { idempotency })])).toMatchObject([{ duplicate: false }])
  })

  test('what is not done leaves no answer', async () => {
    await using opened = await open()
    const { store } = opened
    const taken = endpoint({ uid: 'taken' })
    await store.createEndpoint(taken)
    await store.createApplication(application({ orgId: ORG, uid: 'taken' }))
    await store.createEventType(eventType('taken'))
    const along = extras({ answer: answer() })
    expect(await store.createEndpoint(endpoint({ uid: 'taken' }), along)).toBe('uid_taken')
    expect(await store.createEndpoint(endpoint({ appId: newId('app') }), along)).toBe('unknown')
    expect(await store.updateEndpoint(taken, T0 - 1, along)).toBe('changed')
    expect(await store.updateEndpoint(endpoint(), T0, along)).toBe('unknown')
    expect(await store.createApplication(application({ uid: 'taken' }), along)).toBe('uid_taken')
    expect(await store.createEventType(eventType('taken'), along)).toBe('exists')
    expect(await store.resend({ appId: APP, msgId: newId('msg'), endpointId: taken.id }, T0, along)).toBe('unknown')
    await expect(store.createEndpoint(endpoint({ id: taken.id }), along)).rejects.toBeInstanceOf(Error)
    expect(await store.getAnswer(ORG, 'key', T0)).toBeNull()
    expect(await store.createEndpoint(endpoint(), along)).toBe('created')
  })

  test('a message whose event is known is a duplicate and not a replay, and leaves no answer', async () => {
    await using opened = await open()
    const { store } = opened
    const first = acceptance([], { eventId: 'evt-1' })
    await store.accept([first])
    const again = acceptance([], { eventId: 'evt-1', answer: answer() })
    expect(await store.accept([again])).toEqual([
      { duplicate: true, replayed: false, messageId: first.message.id, deliveries: 0 },
    ])
    expect(await store.getAnswer(ORG, 'key', T0)).toBeNull()
  })

  test('a replay is found before the event is, and stores nothing of its acceptance', async () => {
    await using opened = await open()
    const { store } = opened
    const endpointId = await createEndpoint(store)
    await store.accept([acceptance([endpointId], { eventId: 'evt-1', answer: answer() })])
    const same = acceptance([endpointId], { eventId: 'evt-1', answer: answer() })
    const other = acceptance([endpointId], {
      eventId: 'evt-2',
      answer: answer({ body: 'other' }),
      idempotency: { scope: 'ingest', key: 'k', expiresAt: T0 + HOUR },
    })
    const fresh = acceptance([endpointId])
    expect(await store.accept([same, fresh, other])).toMatchObject([
      { duplicate: true, replayed: true },
      { duplicate: false, replayed: false, messageId: fresh.message.id, deliveries: 1 },
      { duplicate: true, replayed: true },
    ])
    for (const { message } of [same, other]) expect(await store.getMessage(APP, message.id)).toBeNull()
    expect((await store.backlog(T0)).pending).toBe(2)
    // Neither the event nor the idempotency key was taken.
    expect(await store.accept([{ ...other, answer: null }])).toMatchObject([{ duplicate: false }])
  })

  test('an answer survives a restart', async () => {
    await using opened = await open()
    await opened.store.createEndpoint(endpoint(), extras({ answer: answer() }))
    const store = await opened.reopen()
    expect(await store.createEndpoint(endpoint(), extras({ answer: answer() }))).toBe('replayed')
    expect(await store.endpointsOf(APP)).toHaveLength(1)
  })
}
