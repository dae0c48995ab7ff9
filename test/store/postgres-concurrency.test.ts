/** Several nodes on one database: what only they can do to each other. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LeasedDelivery } from '../../src/store/port/queue.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptMany,
  APP,
  attemptsOf,
  B,
  claim,
  createEndpoint,
  endpoint,
  createEndpoints,
  deliveryOf,
  effect,
  HOUR,
  keyText,
  leaseOf,
  MINUTE,
  retrying,
  SECOND,
  settlement,
  succeeded,
  T0,
} from '../conformance/builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { openStore, twoNodes } from './temp-postgres.ts'

/** `count` due deliveries to `endpoints` endpoints, without the detour over a thousand batches. */
const FILL = `
  INSERT INTO msg (app_id, id, event_type, content_type, received_at, expires_at, payload_bytes)
    SELECT '${APP}', 'msg_' || lpad(i::text, 27, '0'), 'user.created', 'application/json', ${T0}, ${T0 + HOUR}, 2
    FROM generate_series(1, $1::int) i;
  INSERT INTO payload SELECT app_id, id, expires_at, '{}' FROM msg;
  INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at)
    SELECT '${APP}', 'msg_' || lpad(i::text, 27, '0'), 'ep_' || lpad((i % $2::int)::text, 27, '0'), 0, 'pending', ${T0} - i
    FROM generate_series(1, $1::int) i;
  INSERT INTO lane SELECT app_id, endpoint_id, retry, min(due_at), min(due_at), count(*) FROM delivery GROUP BY 1, 2, 3`

async function fill(server: PostgresServer, url: string, count: number, endpoints: number): Promise<void> {
  for (const text of FILL.split(';')) {
    const values = [count, endpoints].filter((_, i) => text.includes(`$${i + 1}`))
    await server.sql(url, text, values)
  }
}

describe.skipIf(missingPostgres() !== null)('PostgreSQL with several nodes', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  test('stores that open an empty database together make its schema once', async () => {
    const url = await server!.createDatabase()
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(url)))
    for (const store of stores) expect(await store.problem()).toBeNull()
    expect(await server!.sql(url, 'SELECT * FROM hookferry_schema')).toHaveLength(1)
    const secrets = await Promise.all(stores.map((store, i) => store.secret('jwt', () => `secret ${i}`)))
    expect(new Set(secrets).size).toBe(1)
    await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()))
  })

  test.each([
    ['event id', { eventId: 'evt-1' }],
    ['idempotency key', { idempotency: { scope: 'ingest', key: 'k', expiresAt: T0 + HOUR } }],
    [
      'inbox message',
      { inbox: { messageId: 'm', from: '+1', to: '+2', ts: '2025-01-15T10:00:00Z', text: 'x', createdAt: T0 } },
    ],
  ])('a thousand concurrent accepts of one %s through two nodes make one message', async (_, given) => {
    await using nodes = await twoNodes(server!)
    const endpointId = await createEndpoint(nodes.one)
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => {
        const store = i % 2 === 0 ? nodes.one : nodes.other
        // A different neighbour in each call, so that batches share some of their keys and not others.
        return store.accept([acceptance([endpointId], given), acceptance([], { eventId: `own ${i % 100}` })])
      }),
    )
    const ofKey = answers.map(([answer]) => answer!)
    expect(ofKey.filter((answer) => !answer.duplicate)).toHaveLength(1)
    expect(new Set(ofKey.map((answer) => answer.messageId)).size).toBe(1)
    expect(new Set(ofKey.map((answer) => answer.deliveries))).toEqual(new Set([1]))
    expect(answers.filter(([, own]) => !own!.duplicate)).toHaveLength(100)
    expect((await claim(nodes.other, A)).deliveries).toHaveLength(1)
    expect(await server!.sql(nodes.url, 'SELECT id FROM msg')).toHaveLength(101)
  })

  test('a repeat waits for the first to be committed, and is news when the first is rolled back', async () => {
    await using nodes = await twoNodes(server!)
    const first = acceptance([], { eventId: 'evt-1' })
    const stay = server!.sql(
      nodes.url,
      `BEGIN;
       INSERT INTO msg (app_id, id, event_id, event_type, content_type, received_at, expires_at, payload_bytes)
         VALUES ('${APP}', '${first.message.id}', 'evt-1', 'user.created', 'application/json', 0, 0, 0);
       SELECT pg_sleep(0.5);
       ROLLBACK`,
    )
    await new Promise((resolve) => setTimeout(resolve, 150))
    const begun = performance.now()
    const second = acceptance([], { eventId: 'evt-1' })
    expect(await nodes.one.accept([second])).toMatchObject([{ duplicate: false, messageId: second.message.id }])
    expect(performance.now() - begun).toBeGreaterThan(200)
    await stay
    expect(await nodes.other.accept([first])).toMatchObject([{ duplicate: true, messageId: second.message.id }])
  })

  test('two nodes claiming at once never get the same of 100,000 deliveries, and get all of them', async () => {
    await using nodes = await twoNodes(server!)
    await fill(server!, nodes.url, 100_000, 50)
    const drain = async (store: Store, owner: string) => {
      const taken: LeasedDelivery[] = []
      for (let isEmpty = 0; isEmpty < 3;) {
        const { deliveries } = await claim(store, owner, { max: 512, perEndpointMax: 128 })
        isEmpty = deliveries.length === 0 ? isEmpty + 1 : 0
        taken.push(...deliveries)
      }
      return taken
    }
    const [byA, byB] = await Promise.all([drain(nodes.one, A), drain(nodes.other, B)])
    expect(byA.length).toBeGreaterThan(10_000)
    expect(byB.length).toBeGreaterThan(10_000)
    const keys = [...byA, ...byB].map(keyText)
    expect(keys).toHaveLength(100_000)
    expect(new Set(keys).size).toBe(100_000)
    expect(await nodes.one.backlog(T0)).toEqual({ pending: 0, oldestDueAt: null })
    const owners = await server!.sql(
      nodes.url,
      'SELECT lease_owner, count(*)::int AS n FROM delivery GROUP BY 1 ORDER BY 1',
    )
    expect(owners).toEqual([
      { lease_owner: A, n: byA.length },
      { lease_owner: B, n: byB.length },
    ])
  }, 60_000)

  test('what is put back, retried and accepted during claims is neither lost from sight nor claimed twice', async () => {
    await using nodes = await twoNodes(server!)
    const endpoints = await createEndpoints(nodes.one, 3)
    const done = new Set<string>()
    const total = 600
    let accepted = 0
    const produce = async (store: Store) => {
      while (accepted < total) {
        accepted++
        await store.accept([acceptance([endpoints[accepted % 3]!])])
      }
    }
    const work = async (store: Store, owner: string) => {
      for (let turn = 0; done.size < total; turn++) {
        const { deliveries } = await claim(store, owner, { max: 7, perEndpointMax: 3 })
        if (turn > 20_000) throw new Error(`only ${done.size} of ${total} were done`)
        await Promise.all(
          deliveries.map(async (one, i) => {
            if ((turn + i) % 5 === 0) await store.release([one], owner, T0)
            else if (one.tries === 0 && (turn + i) % 3 === 0) await store.settle(retrying(one, T0, T0, { owner }))
            else {
              if (done.has(keyText(one))) throw new Error('it was claimed twice')
              done.add(keyText(one))
              if (!(await store.settle(settlement(one, { owner }))).held) throw new Error('its lease was lost')
            }
          }),
        )
      }
    }
    await Promise.all([
      produce(nodes.one),
      produce(nodes.other),
      work(nodes.one, A),
      work(nodes.one, A),
      work(nodes.other, B),
      work(nodes.other, B),
    ])
    expect(done.size).toBe(total)
    expect(await nodes.one.sweep(T0 + SECOND, 100)).toEqual({ expired: 0, repaired: 0 })
    expect(await nodes.one.backlog(T0 + SECOND)).toEqual({ pending: 0, oldestDueAt: null })
  })

  test('a late writer of one node cannot overwrite what another holds', async () => {
    await using nodes = await twoNodes(server!)
    const held = await acceptFor(nodes.one, await createEndpoint(nodes.one), { lease: leaseOf(A, T0 + SECOND) })
    expect(await nodes.other.sweep(T0 + MINUTE, 10)).toEqual({ expired: 1, repaired: 0 })
    const [byB] = (await claim(nodes.other, B, { now: T0 + MINUTE })).deliveries
    const [late, renewed] = await Promise.all([
      nodes.one.settle(settlement(held, { attempt: succeeded(T0 + MINUTE) })),
      nodes.one.renew([held], leaseOf(A, T0 + HOUR)),
      nodes.one.release([held], A, T0),
    ])
    expect(late).toMatchObject({ held: false, number: 1 })
    expect(renewed).toHaveLength(1)
    expect(await deliveryOf(nodes.other, held)).toMatchObject({ state: 'leased', attempts: 1 })
    expect(await nodes.other.settle(settlement(byB!, { owner: B }))).toMatchObject({ held: true, number: 2 })
    expect(await attemptsOf(nodes.one, held)).toHaveLength(2)
  })

  test('one attempt settled through two nodes at once is on record once', async () => {
    await using nodes = await twoNodes(server!)
    const endpointId = await createEndpoint(nodes.one)
    for (let i = 0; i < 20; i++) {
      const held = await acceptFor(nodes.one, endpointId, { lease: leaseOf(A) })
      const once = settlement(held, { owner: i % 2 === 0 ? A : B })
      await Promise.all([nodes.one.settle(once), nodes.other.settle(once), nodes.one.settle(once)])
      expect(await attemptsOf(nodes.one, held)).toHaveLength(1)
      expect(await deliveryOf(nodes.one, held)).toMatchObject({ attempts: 1 })
    }
  })

  test('of all nodes, one settlement disables an endpoint', async () => {
    await using nodes = await twoNodes(server!)
    const endpointId = await createEndpoint(nodes.one)
    const held = await Promise.all(
      Array.from({ length: 40 }, () => acceptFor(nodes.one, endpointId, { lease: leaseOf(A, T0 + HOUR) })),
    )
    const gone = effect({ failure: { gaveUp: false, disableAfterMs: HOUR }, disable: 'gone', pausedUntil: T0 + HOUR })
    const settled = await Promise.all(
      held.map((one, i) =>
        (i % 2 === 0 ? nodes.one : nodes.other).settle(retrying(one, T0, T0 + MINUTE, { endpoint: gone })),
      ),
    )
    expect(settled.filter((one) => one.disabled === 'gone')).toHaveLength(1)
    expect(await nodes.other.cancelWaiting(APP, endpointId, { max: 100, what: 'all' })).toBe(40)
  })

  test('deliveries that are due for anybody are made known to the other nodes, and to them alone', async () => {
    const url = await server!.createDatabase()
    const heard: Record<'one' | 'other', number[]> = { one: [], other: [] }
    await using one = await openStore(url, { onDue: (at) => heard.one.push(at) })
    await using other = await openStore(url, { onDue: (at) => heard.other.push(at) })
    const endpointId = await createEndpoint(one)
    const held = await acceptFor(one, endpointId, { lease: leaseOf(A) })
    await acceptMany(one, endpointId, 5, T0 + SECOND)
    await expect.poll(() => heard.other).toEqual([T0 + SECOND - 4])
    await one.settle(settlement(held))
    await other.resend(held, T0 + MINUTE)
    await expect.poll(() => heard.one).toEqual([T0 + MINUTE])
    await one.sweep(T0, 10)
    expect(heard.other).toHaveLength(1)
  })

  test('changes of an endpoint are made known to the other nodes, and to them alone', async () => {
    const url = await server!.createDatabase()
    const heard: Record<'one' | 'other', string[]> = { one: [], other: [] }
    await using one = await openStore(url, { onDue: () => {}, onChange: (_, id) => heard.one.push(id) })
    await using other = await openStore(url, { onDue: () => {}, onChange: (_, id) => heard.other.push(id) })
    const created = endpoint()
    await one.createEndpoint(created)
    await expect.poll(() => heard.other).toEqual([created.id])
    await one.updateEndpoint({ ...created, url: 'https://new.example/', updatedAt: T0 + 1 }, created.updatedAt)
    await expect.poll(() => heard.other).toHaveLength(2)
    // What was not written is not told.
    await one.updateEndpoint({ ...created, updatedAt: T0 + 2 }, created.updatedAt)
    await other.deleteEndpoint(created, T0 + 3)
    await expect.poll(() => heard.one).toEqual([created.id])
    expect(heard.other).toHaveLength(2)
  })

  test('the inbox’s counts are exact while nodes add to it and fold it', async () => {
    await using nodes = await twoNodes(server!)
    let made = 0
    const inbox = () => ({
      messageId: `m-${++made}`,
      from: `+49${made % 13}`,
      to: '+1',
      ts: `2025-01-15T1${made % 5}:00:00Z`,
      text: 'hello',
      createdAt: T0,
    })
    for (let round = 0; round < 5; round++) {
      await Promise.all([
        ...Array.from({ length: 50 }, (_, i) =>
          (i % 2 === 0 ? nodes.one : nodes.other).accept([acceptance([], { inbox: inbox() })]),
        ),
        nodes.one.prunePayloads(0, 10),
        nodes.other.prunePayloads(0, 10),
      ])
      const stats = await nodes.one.inboxStats()
      expect(stats).toMatchObject({ totalMessages: made, sendersCount: 13 })
      const counts = Array.from({ length: 13 }, (_, i) => Math.floor(made / 13) + (i >= 1 && i <= made % 13 ? 1 : 0))
      expect(stats.messagesPerSender.map(({ count }) => count)).toEqual(counts.sort((a, b) => b - a).slice(0, 10))
      const query = { limit: 1, offset: 0, q: null }
      expect((await nodes.other.listInbox({ ...query, from: '+491', since: null })).total).toBe(
        (await server!.sql(nodes.url, `SELECT 1 FROM messages WHERE from_msisdn = '+491'`)).length,
      )
      expect((await nodes.other.listInbox({ ...query, from: null, since: '2025-01-15T12:00:00Z' })).total).toBe(
        (await server!.sql(nodes.url, `SELECT 1 FROM messages WHERE ts_key >= '2025-01-15T12'`)).length,
      )
    }
  })
})
