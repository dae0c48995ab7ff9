/** Several nodes that work on the same tasks, settle the same attempts, and take contents out while others claim them. */
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { MessageId } from '../../src/domain/ids.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  APP,
  B,
  claim,
  createEndpoint,
  effect,
  givingUp,
  HOUR,
  leaseOf,
  MINUTE,
  ORG,
  retrying,
  SECOND,
  settlement,
  T0,
} from '../conformance/builders.ts'
import { firstPage } from '../conformance/paging.ts'
import { task } from '../conformance/task-builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { openStore, throughBoth, twoNodes } from './temp-postgres.ts'

describe.skipIf(missingPostgres() !== null)('PostgreSQL: the same work at several nodes', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  test.each(['endpoint.recover', 'endpoint.replay'] as const)(
    'two nodes that step one %s task do each message once, while what they add is delivered',
    async (kind) => {
      await using nodes = await twoNodes(server!)
      const endpointId = await createEndpoint(nodes.one)
      const ids: MessageId[] = []
      for (let i = 0; i < 120; i++) {
        const to = kind === 'endpoint.recover' ? [endpointId] : []
        const { message, ...rest } = acceptance(to, { lease: leaseOf(A), receivedAt: T0 + i * 5 })
        await nodes.one.accept([{ message, ...rest }])
        ids.push(message.id)
        if (to.length > 0)
          await nodes.one.settle(givingUp({ appId: APP, msgId: message.id, endpointId, run: 0, tries: 0 }))
      }
      const created = task({ kind, endpointId })
      await nodes.one.createTask(created)
      let added = 0
      const step = async (store: Store) => {
        while ((await nodes.one.getTask(ORG, created.id))!.status === 'running') {
          const stepped = await store.stepTask(T0, 7)
          added += stepped.added
        }
      }
      const delivered: MessageId[] = []
      const deliver = async (store: Store, owner: string) => {
        for (let isOver = false; !isOver;) {
          isOver = (await store.getTask(ORG, created.id))!.status === 'finished'
          const { deliveries } = await claim(store, owner)
          for (const one of deliveries) await store.settle(settlement(one, { owner }))
          delivered.push(...deliveries.map((one) => one.msgId))
        }
      }
      await Promise.all([step(nodes.one), step(nodes.other), deliver(nodes.one, A), deliver(nodes.other, B)])
      expect(added).toBe(120)
      expect(await nodes.other.getTask(ORG, created.id)).toMatchObject({ added: 120 })
      expect(delivered.toSorted()).toEqual(ids.toSorted())
    },
  )

  test('nothing is promised of a payload that may be dropped at any moment, though it still is there', async () => {
    await using nodes = await twoNodes(server!)
    const { one: store } = nodes
    const endpointId = await createEndpoint(store)
    const acceptExpiring = async (expiresAt: number) => {
      const held = await acceptFor(store, endpointId, { lease: leaseOf(A), expiresAt })
      await store.settle(givingUp(held))
      return held
    }
    const now = T0 + 3 * HOUR
    const [old, young] = [await acceptExpiring(now - HOUR), await acceptExpiring(now - 10 * MINUTE)]
    expect(await store.getPayload(APP, old.msgId)).not.toBeNull()
    expect(await store.resend(old, now)).toBe('expired')
    await store.createTask(task({ endpointId }))
    expect(await store.stepTask(now, 10)).toMatchObject({ task: { status: 'finished' }, added: 1 })
    const { deliveries } = await claim(store, A, { now })
    expect(deliveries.map(({ msgId }) => msgId)).toEqual([young.msgId])
    expect(await store.resend(young, now)).toMatchObject({ run: expect.any(Number) })
  })

  /** Somebody waits for a lock. */
  const isWaiting = async (url: string) =>
    (await server!.sql(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).length > 0

  describe('while a payload is being taken away by another node', () => {
    /** Does as an expunging does until its commit, which `commit` brings. */
    async function expunging(url: string, msgId: MessageId) {
      const other = new Client({ connectionString: url })
      await other.connect()
      await other.query('BEGIN')
      await other.query('SELECT 1 FROM msg WHERE id = $1 FOR UPDATE', [msgId])
      await other.query('DELETE FROM payload WHERE msg_id = $1', [msgId])
      return {
        commit: () => other.query('COMMIT'),
        [Symbol.asyncDispose]: () => other.end(),
      }
    }
    test.each(['resend', 'recover', 'replay'] as const)(
      'a %s waits for the outcome, and promises nothing',
      async (how) => {
        await using nodes = await twoNodes(server!)
        const { one: store, url } = nodes
        const endpointId = await createEndpoint(store)
        const accepted = acceptance(how === 'replay' ? [] : [endpointId], { lease: leaseOf(A) })
        await store.accept([accepted])
        const { message } = accepted
        const key = { appId: APP, msgId: message.id, endpointId, run: 0, tries: 0 }
        if (how !== 'replay') await store.settle(givingUp(key))
        const kind = how === 'replay' ? 'endpoint.replay' : 'endpoint.recover'
        if (how === 'recover' || how === 'replay') await store.createTask(task({ kind, endpointId }))
        await using other = await expunging(url, message.id)
        const asked = {
          resend: () => store.resend(key, T0),
          recover: () => store.stepTask(T0, 10).then(({ added }) => added),
          replay: () => store.stepTask(T0, 10).then(({ added }) => added),
        }[how]()
        await expect.poll(() => isWaiting(url)).toBe(true)
        await other.commit()
        expect(await asked).toBe(how === 'resend' ? 'expired' : 0)
        expect((await store.backlog(T0)).pending).toBe(0)
      },
    )
  })

  test('retention leaves a payload alone for which a manual attempt is being asked, and takes the others', async () => {
    await using nodes = await twoNodes(server!)
    const { one: store, url } = nodes
    const [asked, unasked] = [await acceptHeld(store, { expiresAt: T0 }), await acceptHeld(store, { expiresAt: T0 })]
    for (const held of [asked, unasked]) await store.settle(givingUp(held))
    const other = new Client({ connectionString: url })
    await other.connect()
    await other.query('BEGIN')
    await other.query('SELECT 1 FROM msg WHERE id = $1 FOR KEY SHARE', [asked.msgId])
    await store.prunePayloads(T0 + 10 * MINUTE, 10)
    await other.query('COMMIT')
    await other.end()
    expect(await store.getPayload(APP, asked.msgId)).not.toBeNull()
    expect(await store.getPayload(APP, unasked.msgId)).toBeNull()
    expect(await store.resend(asked, T0 + 10 * MINUTE)).toMatchObject({ run: 1 })
    await store.prunePayloads(T0 + 10 * MINUTE, 10)
    expect(await store.getPayload(APP, asked.msgId)).not.toBeNull()
  })

  test('while a step of a cancellation is held up, the same endpoint’s attempts are settled and its events accepted', async () => {
    await using nodes = await twoNodes(server!)
    const { one: store, other: second, url } = nodes
    const held = await acceptHeld(store)
    const { endpointId } = held
    const waiting = await acceptFor(store, endpointId, { dueAt: T0 + HOUR })
    for (let i = 0; i < 10; i++) await acceptFor(store, endpointId, { dueAt: T0 + MINUTE })
    const blocker = new Client({ connectionString: url })
    await blocker.connect()
    await blocker.query('BEGIN')
    await blocker.query('SELECT 1 FROM delivery WHERE msg_id = $1 FOR UPDATE', [waiting.msgId])
    let isOver = false
    const cancelling = second.cancelWaiting(APP, endpointId, { max: 100, what: 'all' }).finally(() => (isOver = true))
    await expect.poll(() => isWaiting(url)).toBe(true)
    await store.settle(retrying(held, T0, T0 + HOUR))
    await acceptFor(store, endpointId, { dueAt: T0 + HOUR })
    expect((await claim(store, A, { now: T0 + SECOND })).deliveries).toEqual([])
    expect(isOver).toBe(false)
    await blocker.query('COMMIT')
    await blocker.end()
    expect(await cancelling).toBe(11)
    expect(await store.cancelWaiting(APP, endpointId, { max: 100, what: 'all' })).toBe(2)
  })

  test('what is expunged while somebody holds it is told to the other nodes, and kept for those who did not hear it', async () => {
    const url = await server!.createDatabase()
    const heard: Record<'one' | 'other', string[]> = { one: [], other: [] }
    await using one = await openStore(url, { onDue: () => {}, onExpunged: (id) => heard.one.push(id) })
    await using other = await openStore(url, { onDue: () => {}, onExpunged: (id) => heard.other.push(id) })
    const [held, waiting] = [await acceptHeld(one), await acceptFor(one, await createEndpoint(one))]
    expect(await one.expungeMessage(APP, waiting.msgId)).toEqual({ heldBy: [] })
    expect(await one.expungeMessage(APP, held.msgId)).toEqual({ heldBy: [A] })
    await expect.poll(() => heard.other).toEqual([held.msgId])
    expect(heard.one).toEqual([])
    expect(await other.recentlyExpunged(60_000)).toEqual([held.msgId])
    await server!.sql(url, 'UPDATE expunged SET at = at - 3600000')
    expect(await other.recentlyExpunged(60_000)).toEqual([])
    expect(await other.recentlyExpunged(3_700_000)).toEqual([held.msgId])
    // A day later it goes away together with the next one.
    await server!.sql(url, 'UPDATE expunged SET at = at - 86400000')
    const next = await acceptHeld(one)
    await one.expungeMessage(APP, next.msgId)
    expect(await server!.sql(url, 'SELECT msg_id FROM expunged')).toEqual([{ msg_id: next.msgId }])
  })

  test('two tasks for the same messages add each of them once', async () => {
    await using nodes = await twoNodes(server!)
    const endpointId = await createEndpoint(nodes.one)
    await nodes.one.accept(Array.from({ length: 50 }, () => acceptance([])))
    await nodes.one.createTask(task({ kind: 'endpoint.replay', endpointId }))
    await nodes.one.createTask(task({ kind: 'endpoint.replay', endpointId }))
    const step = async (store: Store): Promise<number> => {
      let added = 0
      while ((await store.listTasks({ orgId: ORG, status: 'running', kind: null }, firstPage)).length > 0)
        added += (await store.stepTask(T0, 4)).added
      return added
    }
    const [byOne, byOther] = await Promise.all([step(nodes.one), step(nodes.other)])
    expect(byOne + byOther).toBe(50)
    expect((await nodes.one.backlog(T0)).pending).toBe(50)
    expect((await claim(nodes.one, A)).deliveries).toHaveLength(50)
  })

  test('an attempt that is settled through two nodes at once is told once, and so is what it disables', async () => {
    await using nodes = await twoNodes(server!)
    const listener = await createEndpoint(nodes.one)
    for (let round = 0; round < 10; round++) {
      const held = await acceptHeld(nodes.one)
      const tell = (when: 'held' | 'disabled') => ({ when, acceptance: acceptance([listener], { eventType: when }) })
      const settled = givingUp(held, T0, { endpoint: effect({ disable: 'gone' }) })
      await throughBoth(nodes, (store) => store.settle({ ...settled, announce: [tell('held'), tell('disabled')] }))
    }
    const told = await server!.sql(
      nodes.url,
      "SELECT event_type, count(*)::int AS n FROM msg WHERE event_type IN ('held', 'disabled') GROUP BY 1 ORDER BY 1",
    )
    expect(told).toEqual([
      { event_type: 'disabled', n: 10 },
      { event_type: 'held', n: 10 },
    ])
    expect((await claim(nodes.other, B)).deliveries).toHaveLength(20)
  })

  test('messages that are expunged while others are claimed leave nothing waiting, and no lane without its deliveries', async () => {
    await using nodes = await twoNodes(server!)
    const endpointId = await createEndpoint(nodes.one)
    const all = await Promise.all(Array.from({ length: 200 }, () => acceptFor(nodes.one, endpointId)))
    const taken: MessageId[] = []
    const take = async (store: Store, owner: string) => {
      for (let i = 0; i < 25; i++)
        taken.push(...(await claim(store, owner, { max: 5 })).deliveries.map((one) => one.msgId))
    }
    const expunge = all.filter((_, i) => i % 3 === 0).map(({ msgId }) => nodes.other.expungeMessage(APP, msgId))
    await Promise.all([take(nodes.one, A), take(nodes.other, B), ...expunge])
    await take(nodes.one, A)
    const states = await server!.sql<{ state: string; n: number }>(
      nodes.url,
      'SELECT state, count(*)::int AS n FROM delivery GROUP BY 1 ORDER BY 1',
    )
    expect(states).toEqual([
      { state: 'cancelled', n: 200 - taken.length },
      { state: 'leased', n: taken.length },
    ])
    expect(new Set(taken).size).toBe(taken.length)
    expect(await nodes.one.backlog(T0)).toEqual({ pending: 0, oldestDueAt: null })
    expect(await nodes.one.sweep(T0, 10)).toEqual({ expired: 0, repaired: 0 })
  })

  test('a task is made known to the other nodes once it is stored, and to them alone', async () => {
    const url = await server!.createDatabase()
    const heard = { one: 0, other: 0 }
    await using one = await openStore(url, { onDue: () => {}, onTask: () => void heard.one++ })
    await using other = await openStore(url, { onDue: () => {}, onTask: () => void heard.other++ })
    const answer = { orgId: ORG, key: 'once', digest: 'd', status: 202, body: '{}', at: T0, expiresAt: T0 + HOUR }
    const endpointId = await createEndpoint(one)
    await one.createTask(task({ endpointId }), { answer, announce: [] })
    await expect.poll(() => heard.other).toBe(1)
    // What was not done is not told.
    expect(await one.createTask(task({ endpointId }), { answer, announce: [] })).toBe('replayed')
    await other.createTask(task({ endpointId: await createEndpoint(one) }))
    await expect.poll(() => heard.one).toBe(1)
    expect(heard.other).toBe(1)
  })
})
