/** Several nodes that are asked for the same at the same moment: it is done once, and all get the same answer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EventType } from '../../src/domain/event-type.ts'
import type { Extras } from '../../src/store/port/accept.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptHeld,
  answer,
  APP,
  application,
  claim,
  createEndpoint,
  endpoint,
  extras,
  givingUp,
  HOUR,
  newId,
  ORG,
  T0,
} from '../conformance/builders.ts'
import { task } from '../conformance/task-builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { AT_ONCE, throughBoth, twoNodes } from './temp-postgres.ts'

const count = <T>(results: readonly T[]): Map<T, number> =>
  results.reduce((counts, result) => counts.set(result, (counts.get(result) ?? 0) + 1), new Map<T, number>())

const eventType = (): EventType => ({
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
})

/** Requests that find what they ask for taken or changed as soon as one of them has been carried out. */
const REQUESTS: Record<string, (store: Store) => Promise<(store: Store, along: Extras) => Promise<string>>> = {
  createApplication: async () => (store, along) => store.createApplication(application({ uid: 'mine' }), along),
  createEventType: async () => (store, along) => store.createEventType(eventType(), along),
  createEndpoint: async () => (store, along) => store.createEndpoint(endpoint({ uid: 'mine' }), along),
  updateEndpoint: async (first) => {
    const created = endpoint()
    await first.createEndpoint(created)
    return (store, along) => store.updateEndpoint({ ...created, updatedAt: T0 + 1 }, T0, along)
  },
  createTask: async () => (store, along) => store.createTask(task(), along),
  resend: async (first) => {
    const held = await acceptHeld(first)
    await first.settle(givingUp(held))
    return async (store, along) => {
      const result = await store.resend(held, T0, along)
      return typeof result === 'string' ? result : 'added'
    }
  },
  saveAnswer: async () => (store, along) => store.saveAnswer(along.answer!),
  accept: async () => async (store, along) => {
    const [accepted] = await store.accept([acceptance([], { eventId: 'evt-1', answer: along.answer })])
    return accepted!.replayed ? 'replayed' : accepted!.duplicate ? 'duplicate' : 'stored'
  },
}

describe.skipIf(missingPostgres() !== null)('PostgreSQL: the same request at several nodes', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  // ---- answers ----------------------------------------------------------------------------------------------------

  test.each(Object.keys(REQUESTS))(
    '%s is done once under one key, and everybody else gets its answer',
    async (name) => {
      await using nodes = await twoNodes(server!)
      const request = await REQUESTS[name]!(nodes.one)
      const told = acceptance([], { eventType: 'told' })
      const results = await throughBoth(nodes, (store) =>
        request(
          store,
          extras({ answer: answer(), announce: [{ ...told, message: { ...told.message, id: newId('msg') } }] }),
        ),
      )
      const counts = count(results)
      expect(counts.get('replayed')).toBe(AT_ONCE - 1)
      expect(counts.size).toBe(2)
      const announced = await server!.sql(nodes.url, "SELECT id FROM msg WHERE event_type = 'told'")
      expect(announced).toHaveLength(name === 'accept' || name === 'saveAnswer' ? 0 : 1)
      expect(await server!.sql(nodes.url, 'SELECT key FROM answer')).toHaveLength(1)
    },
  )

  test.each([
    ['COMMIT', 'replayed'],
    ['ROLLBACK', 'created'],
  ])('an answer that is not committed yet is waited for: after its %s a repeat is %s', async (end, result) => {
    await using nodes = await twoNodes(server!)
    const stay = server!.sql(
      nodes.url,
      `BEGIN;
       INSERT INTO answer (org_id, key, status, body, expires_at) VALUES ('${ORG}', 'key', 200, 'first', ${T0 + HOUR});
       SELECT pg_sleep(0.5);
       ${end}`,
    )
    await new Promise((resolve) => setTimeout(resolve, 150))
    const begun = performance.now()
    const along = extras({ answer: answer() })
    const accepted = nodes.other.accept([acceptance([], { answer: answer() })])
    const created = await nodes.one.createEndpoint(endpoint(), along)
    const [{ replayed } = { replayed: null }] = await accepted
    expect(performance.now() - begun).toBeGreaterThan(200)
    // Of the two that waited, one is the first after a rollback.
    const both = [created === 'replayed', replayed]
    expect(both.filter((isReplay) => isReplay)).toHaveLength(result === 'replayed' ? 2 : 1)
    await stay
  })

  test('batches that have one key in common store everything else', async () => {
    await using nodes = await twoNodes(server!)
    const endpointId = await createEndpoint(nodes.one)
    const results = await throughBoth(nodes, (store, i) =>
      store.accept([
        acceptance([endpointId], { tags: [`own ${i}`] }),
        acceptance([endpointId], { answer: answer({ key: `shared ${i % 3}` }), channels: ['c'] }),
        acceptance([endpointId], { eventId: `evt ${i % 5}`, answer: answer({ key: `of event ${i % 5}` }) }),
      ]),
    )
    expect(results.every(([own]) => !own!.duplicate)).toBe(true)
    for (const [i, distinct] of [AT_ONCE, 3, 5].entries())
      expect(results.filter((accepted) => !accepted[i]!.duplicate)).toHaveLength(distinct)
    expect(results.every(([, , ofEvent]) => ofEvent!.duplicate === ofEvent!.replayed)).toBe(true)
    expect((await claim(nodes.one, A)).deliveries).toHaveLength(AT_ONCE + 3 + 5)
    expect(await nodes.other.sweep(T0, 100)).toEqual({ expired: 0, repaired: 0 })
  })

  // ---- uids -------------------------------------------------------------------------------------------------------

  test('a uid goes to one application and one endpoint, however many ask for it at once', async () => {
    await using nodes = await twoNodes(server!)
    const applications = await throughBoth(nodes, (store) => store.createApplication(application({ uid: 'mine' })))
    const endpoints = await throughBoth(nodes, (store) => store.createEndpoint(endpoint({ uid: 'mine' })))
    for (const results of [applications, endpoints])
      expect(count(results)).toEqual(
        new Map([
          ['created', 1],
          ['uid_taken', AT_ONCE - 1],
        ] as const),
      )
    expect(await nodes.other.endpointsOf(APP)).toHaveLength(1)
  })

  test('of many that change to one uid at once, one does', async () => {
    await using nodes = await twoNodes(server!)
    const all = Array.from({ length: AT_ONCE }, () => ({ endpoint: endpoint(), application: application() }))
    for (const one of all) {
      await nodes.one.createEndpoint(one.endpoint)
      await nodes.one.createApplication(one.application)
    }
    const changed = { uid: 'mine', updatedAt: T0 + 1 }
    const endpoints = throughBoth(nodes, (store, i) => store.updateEndpoint({ ...all[i]!.endpoint, ...changed }, T0))
    const applications = throughBoth(nodes, (store, i) =>
      store.updateApplication({ ...all[i]!.application, ...changed }, T0),
    )
    for (const results of [await endpoints, await applications])
      expect(count(results)).toEqual(
        new Map([
          ['updated', 1],
          ['uid_taken', AT_ONCE - 1],
        ] as const),
      )
  })

  test('an application that is deleted leaves no endpoint that was created meanwhile', async () => {
    await using nodes = await twoNodes(server!)
    for (let round = 0; round < 10; round++) {
      const owner = application()
      await nodes.one.createApplication(owner)
      const created = throughBoth(nodes, (store) => store.createEndpoint(endpoint({ appId: owner.id })))
      await nodes.other.deleteApplication(ORG, owner.id, T0)
      await created
      expect(await nodes.one.endpointsOf(owner.id)).toEqual([])
    }
  })
})
