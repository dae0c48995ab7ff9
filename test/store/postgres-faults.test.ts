/** The database goes away, comes back, and its answers get lost. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/domain/errors.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptMany,
  attemptsOf,
  B,
  claim,
  createEndpoint,
  deliveryOf,
  HOUR,
  leaseOf,
  MINUTE,
  retrying,
  settlement,
  T0,
} from '../conformance/builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { openStore } from './temp-postgres.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const isUnknown = (error: unknown) => error instanceof Error && error.message.includes('the outcome is unknown')

interface Proxy extends AsyncDisposable {
  url: string
  /** Forwards questions and no answers any more; `cut` ends it. */
  swallowAnswers(): void
  /** The same from the moment at which a question with this text was forwarded. */
  swallowAnswersTo(text: string): void
  /** Ends all connections, and takes new ones again. */
  cut(): void
  /** Takes everything and forwards nothing, in either direction, until `cut`. */
  freeze(): void
}

/** Stands between a store and its server. */
async function startProxy(server: PostgresServer, url: string): Promise<Proxy> {
  const pairs = new Set<[Socket, Socket]>()
  let passes = { questions: true, answers: true }
  let last: string | null = null
  const proxy = createServer((inner) => {
    const outer = connect(server.port, '127.0.0.1')
    const pair: [Socket, Socket] = [inner, outer]
    pairs.add(pair)
    const end = () => {
      pairs.delete(pair)
      inner.destroy()
      outer.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end).setNoDelay(true)
    inner.on('data', (data) => {
      if (last !== null && data.includes(last)) passes.answers = false
      if (passes.questions) outer.write(data)
    })
    outer.on('data', (data) => passes.answers && inner.write(data))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = new URL(url)
  address.port = String((proxy.address() as { port: number }).port)
  const cut = () => {
    for (const [inner, outer] of pairs) {
      inner.destroy()
      outer.destroy()
    }
    passes = { questions: true, answers: true }
    last = null
  }
  return {
    url: address.href,
    swallowAnswersTo: (text) => (last = text),
    swallowAnswers: () => (passes = { questions: true, answers: false }),
    freeze: () => (passes = { questions: false, answers: false }),
    cut,
    async [Symbol.asyncDispose]() {
      cut()
      proxy.close()
      await once(proxy, 'close')
    },
  }
}

/** Accepts events one after the other until told to stop; remembers what was answered. */
function storm(store: Store, endpointId: Awaited<ReturnType<typeof createEndpoint>>, name: string) {
  const told = { stored: [] as string[], refused: [] as string[], unknown: [] as string[] }
  const over = new AbortController()
  const ended = (async () => {
    for (let i = 0; !over.signal.aborted; i++) {
      const eventId = `${name} ${i}`
      try {
        const [answer] = await store.accept([acceptance([endpointId], { eventId, lease: leaseOf(A, T0 + HOUR) })])
        if (answer!.duplicate) throw new Error('it was stored twice')
        told.stored.push(eventId)
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'store_unavailable') throw error
        ;(isUnknown(error) ? told.unknown : told.refused).push(eventId)
        await pause(20)
      }
    }
  })()
  return {
    told,
    stop: async () => {
      over.abort()
      await ended
    },
  }
}

describe.skipIf(missingPostgres() !== null)('PostgreSQL in trouble', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  test.each(['fast', 'immediate'] as const)(
    'through a restart (%s) under load, what was acknowledged is there, what was refused is not, and the store heals',
    async (how) => {
      const url = await server!.createDatabase()
      await using store = await openStore(url)
      const endpointId = await createEndpoint(store)
      const storms = Array.from({ length: 32 }, (_, i) => storm(store, endpointId, `storm ${i}`))
      await pause(400)
      await server!.stop(how)
      await pause(300)
      const begun = performance.now()
      await expect(store.accept([acceptance([])])).rejects.toMatchObject({ code: 'store_unavailable' })
      await expect(store.getEndpoint('app_1', 'ep_1')).rejects.toMatchObject({ code: 'store_unavailable' })
      expect(await store.problem()).toMatch(/^the database does not answer: .*ECONNREFUSED/)
      expect(performance.now() - begun).toBeLessThan(10_000)
      const acknowledgedBefore = storms.reduce((sum, { told }) => sum + told.stored.length, 0)
      await server!.start()
      await expect.poll(() => store.problem(), { timeout: 10_000 }).toBeNull()
      await pause(500)
      await Promise.all(storms.map((one) => one.stop()))

      const rows = await server!.sql<{ event_id: string; n: number }>(
        url,
        `SELECT event_id, (SELECT count(*)::int FROM delivery d WHERE d.msg_id = m.id) AS n FROM msg m`,
      )
      const events = new Set(rows.map((row) => row.event_id))
      expect(events.size).toBe(rows.length)
      expect(rows.filter(({ n }) => n !== 1)).toEqual([])
      const all = (which: 'stored' | 'refused' | 'unknown') => storms.flatMap(({ told }) => told[which])
      expect(all('stored').filter((event) => !events.has(event))).toEqual([])
      expect(all('refused').filter((event) => events.has(event))).toEqual([])
      expect(all('refused').length).toBeGreaterThan(0)
      expect(all('stored').length).toBeGreaterThan(acknowledgedBefore)
      const answered = new Set([...all('stored'), ...all('unknown')])
      expect([...events].filter((event) => !answered.has(event))).toEqual([])
    },
  )

  test('when the answer to a commit is lost, the outcome is unknown, and asking again does not double', async () => {
    const url = await server!.createDatabase()
    await using proxy = await startProxy(server!, url)
    await using store = await openStore(proxy.url)
    const endpointId = await createEndpoint(store)
    const accepted = acceptance([endpointId], { eventId: 'evt-1', dueAt: T0 })
    const lose = async <T>(asked: () => Promise<T>, isDone: () => Promise<boolean>): Promise<unknown> => {
      proxy.swallowAnswers()
      const answer = asked().then(
        () => 'answered',
        (error: unknown) => error,
      )
      await expect.poll(isDone, { timeout: 5_000 }).toBe(true)
      proxy.cut()
      return answer
    }
    const count = async (where: string) => (await server!.sql(url, `SELECT 1 FROM ${where}`)).length

    // Its look-up has to be answered, so the event has no key the first time.
    const unkeyed = acceptance([endpointId], { dueAt: T0 })
    const lost = await lose(
      () => store.accept([unkeyed]),
      async () => (await count('msg')) === 1,
    )
    expect(lost).toMatchObject({ code: 'store_unavailable' })
    expect(isUnknown(lost)).toBe(true)
    expect(await store.getMessage(unkeyed.message.appId, unkeyed.message.id)).not.toBeNull()

    await server!.sql(url, `UPDATE msg SET event_id = 'evt-1'`)
    expect(await store.accept([accepted])).toMatchObject([{ duplicate: true, messageId: unkeyed.message.id }])
    expect(await count('msg')).toBe(1)
    expect(await count('delivery')).toBe(1)

    const [held] = (await claim(store, A)).deliveries
    const settled = retrying(held!, T0, T0 + MINUTE)
    const lostToo = await lose(
      () => store.settle(settled),
      async () => (await count('attempt')) === 1,
    )
    expect(isUnknown(lostToo)).toBe(true)
    expect(await store.settle(settled)).toMatchObject({ held: true, number: 1, endpointChanged: true })
    expect(await attemptsOf(store, held!)).toHaveLength(1)
    expect(await deliveryOf(store, held!)).toMatchObject({ state: 'pending', attempts: 1 })
  })

  describe('when the answer to the commit of a claim is lost', () => {
    async function loseClaim() {
      const url = await server!.createDatabase()
      const proxy = await startProxy(server!, url)
      const store = await openStore(proxy.url)
      const endpointId = await createEndpoint(store)
      const waiting = [await acceptFor(store, endpointId), await acceptFor(store, endpointId)]
      const owners = () =>
        server!.sql<{ lease_owner: string | null }>(url, 'SELECT lease_owner FROM delivery ORDER BY msg_id')
      proxy.swallowAnswersTo('COMMIT')
      const lost = claim(store, A, { max: 1 }).catch((error: unknown) => error)
      await expect.poll(async () => (await owners()).filter((row) => row.lease_owner === A).length).toBe(1)
      proxy.cut()
      expect(isUnknown(await lost)).toBe(true)
      return {
        url,
        proxy,
        store,
        waiting,
        owners,
        async [Symbol.asyncDispose]() {
          await store[Symbol.asyncDispose]()
          await proxy[Symbol.asyncDispose]()
        },
      }
    }

    test('the next claim takes over at once what that one took, and after it goes on with the others', async () => {
      await using lost = await loseClaim()
      const { store } = lost
      const now = T0 + 1
      const again = await claim(store, A, { now })
      expect(again).toMatchObject({ deliveries: [{ tries: 0, leaseUntil: now + MINUTE, run: 0 }], nextDueAt: now })
      expect(Buffer.from(again.deliveries[0]!.payload).toString()).toBe('{"hello":"world"}')
      const others = (await claim(store, A, { now })).deliveries
      const all = [...again.deliveries, ...others].map(({ msgId }) => msgId)
      expect(all.toSorted()).toEqual(lost.waiting.map(({ msgId }) => msgId).toSorted())
      // Their leases are those of the second claim, and hold until it says.
      expect(await store.sweep(T0 + MINUTE, 10)).toMatchObject({ expired: 0 })
      expect(await store.settle(settlement(again.deliveries[0]!))).toMatchObject({ held: true })
    })

    test('what another node took meanwhile is left to that one', async () => {
      await using lost = await loseClaim()
      await using other = await openStore(lost.url)
      const later = T0 + 2 * MINUTE
      expect(await other.sweep(later, 10)).toMatchObject({ expired: 1 })
      expect((await claim(other, B, { now: later })).deliveries).toHaveLength(2)
      expect((await claim(lost.store, A, { now: later })).deliveries).toEqual([])
      expect((await lost.owners()).map((row) => row.lease_owner)).toEqual([B, B])
    })

    test('while the database is away it stays to be looked up', async () => {
      await using lost = await loseClaim()
      await server!.stop('fast')
      await expect(claim(lost.store, A)).rejects.toMatchObject({ code: 'store_unavailable' })
      await server!.start()
      await expect.poll(() => lost.store.problem(), { timeout: 10_000 }).toBeNull()
      expect((await claim(lost.store, A)).deliveries).toHaveLength(1)
      expect((await claim(lost.store, A)).deliveries).toHaveLength(1)
    })

    test('a commit that is still on its way is waited for', async () => {
      await using lost = await loseClaim()
      // As if it came only now: whoever looks before that sees a delivery that nobody holds.
      const late = new Client({ connectionString: lost.url })
      await late.connect()
      await late.query("UPDATE delivery SET state = 'pending', lease_owner = NULL")
      await late.query('BEGIN')
      await late.query("UPDATE delivery SET state = 'leased', lease_owner = $1, due_at = $2", [A, T0 + MINUTE])
      const claimed = claim(lost.store, A)
      await expect
        .poll(() => server!.sql(lost.url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        .toHaveLength(1)
      await late.query('COMMIT')
      await late.end()
      expect((await claimed).deliveries).toHaveLength(1)
    })
  })

  test('a server that does not answer does not keep its callers waiting beyond the time-out', async () => {
    const url = await server!.createDatabase()
    await using proxy = await startProxy(server!, url)
    await using store = await openStore(proxy.url, { connectTimeoutMs: 500, timeoutMs: 1_000 })
    await store.accept([acceptance([])])
    await store.problem()
    proxy.freeze()
    const begun = performance.now()
    const results = await Promise.allSettled([
      ...Array.from({ length: 1_000 }, () => store.accept([acceptance([])])),
      claim(store, A),
      store.problem().then((problem) => Promise.reject(new GatewayError('store_unavailable', { detail: problem! }))),
    ])
    expect(performance.now() - begun).toBeLessThan(8_000)
    expect(new Set(results.map((one) => (one.status === 'rejected' ? one.reason.code : 'done')))).toEqual(
      new Set(['store_unavailable']),
    )
    proxy.cut()
    await expect.poll(() => store.problem(), { timeout: 10_000 }).toBeNull()
    expect(await store.accept([acceptance([])])).toMatchObject([{ duplicate: false }])
  })

  test('a server that can be read but not written is a problem, until it can be written again', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    expect(await store.problem()).toBeNull()
    const name = new URL(url).pathname.slice(1)
    const elsewhere = await server!.createDatabase()
    const set = async (setting: string) => {
      await server!.sql(elsewhere, `ALTER DATABASE "${name}" SET default_transaction_read_only = ${setting}`)
      await server!.sql(elsewhere, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
    }
    await set('on')
    await expect.poll(() => store.problem(), { timeout: 10_000 }).toMatch(/cannot commit: .*read-only transaction/)
    await set('off')
    await expect.poll(() => store.problem(), { timeout: 10_000 }).toBeNull()
  })

  test('more than may wait is refused as overloaded', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    const results = await Promise.allSettled(
      Array.from({ length: LIMITS.writesWaitingMax + 50 }, () => store.accept([acceptance([])])),
    )
    const codes = results.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as GatewayError).code))
    expect(codes.filter((code) => code === 'overloaded')).toHaveLength(50)
    expect(codes.filter((code) => code === 'done')).toHaveLength(LIMITS.writesWaitingMax)
  })

  test('more bytes than may wait are refused as overloaded, the others are stored, and then there is room again', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url, { waitingBytesMax: 10_000 })
    const large = () => store.accept([acceptance([], { payload: Buffer.alloc(900), shownPayload: Buffer.alloc(100) })])
    const asked = Promise.allSettled(Array.from({ length: 30 }, large))
    expect(store.waiting()).toEqual({ writes: 10, bytes: 10_000 })
    // What holds no payload has room all the same: an attempt is put on record, an endpoint is disabled.
    await store.secret('small', () => 'x')
    const results = await asked
    const codes = results.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as GatewayError).code))
    expect(codes).toEqual([...Array(10).fill('done'), ...Array(20).fill('overloaded')])
    expect(store.waiting()).toEqual({ writes: 0, bytes: 0 })
    expect(await store.accept([acceptance([], { payload: Buffer.alloc(50_000) })])).toMatchObject([
      { duplicate: false },
    ])
  })

  test('hints are heard again after the connection that hears them was lost', async () => {
    const url = await server!.createDatabase()
    await using proxy = await startProxy(server!, url)
    const heard: number[] = []
    const troubles: string[] = []
    let tasks = 0
    await using listening = await openStore(proxy.url, {
      onDue: (at) => heard.push(at),
      onTask: () => void tasks++,
      onTrouble: (doing) => troubles.push(doing),
    })
    await using other = await openStore(url)
    const endpointId = await createEndpoint(other)
    await acceptMany(other, endpointId, 1, T0)
    await expect.poll(() => heard).toEqual([T0])

    proxy.cut()
    await expect.poll(() => troubles).toContain('listen for what other nodes make due')
    await expect.poll(() => heard, { timeout: 5_000 }).toEqual([T0, 0])
    expect(tasks).toBe(1)
    await acceptMany(other, endpointId, 1, T0 + MINUTE)
    await expect.poll(() => heard).toEqual([T0, 0, T0 + MINUTE])
    expect(await listening.problem()).toBeNull()
  })

  test('an operation that fails does not take along the others of its batch', async () => {
    const url = await server!.createDatabase()
    const batches: number[] = []
    await using store = await openStore(url, { onBatch: (size) => batches.push(size) })
    const endpointId = await createEndpoint(store)
    const known = acceptance([endpointId])
    await store.accept([known])
    batches.length = 0
    const accepted = Array.from({ length: 100 }, () => acceptance([endpointId]))
    const results = await Promise.allSettled([
      ...accepted.slice(0, 50).map((one) => store.accept([one])),
      store.accept([acceptance([endpointId]), acceptance([], { id: known.message.id })]),
      ...accepted.slice(50).map((one) => store.accept([one])),
    ])
    expect(batches).toEqual([101])
    const codes = results.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as GatewayError).code))
    expect(codes).toEqual(codes.map((_, i) => (i === 50 ? 'internal' : 'done')))
    expect((await claim(store, A, { max: 1_000, perEndpointMax: 1_000 })).deliveries).toHaveLength(101)
  })

  test('text with NUL, which PostgreSQL cannot store as it is, comes back as it was', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    const text = 'a\0b \uFDD0 \uFDD01 "\\{}, NULL'
    const inbox = { messageId: `m${text}`, from: text, to: '+1', ts: '2025-01-15T10:00:00Z', text, createdAt: T0 }
    const given = { eventId: text, inbox, idempotency: { scope: text, key: text, expiresAt: T0 + 1 } }
    const held = await acceptFor(store, await createEndpoint(store, { description: text }), {
      ...given,
      lease: leaseOf(A),
    })
    expect(await store.accept([acceptance([], { eventId: text })])).toMatchObject([{ duplicate: true }])
    expect(await store.accept([acceptance([], { idempotency: given.idempotency })])).toMatchObject([
      { duplicate: true },
    ])
    const attempt = { ...retrying(held, T0, T0).attempt!, response: text, error: text }
    await store.settle(settlement(held, { attempt }))
    expect(await attemptsOf(store, held)).toMatchObject([{ response: text, error: text }])
    await store.settle(
      settlement(held, { owner: B, attempt: { ...attempt, id: `${attempt.id.slice(0, -2)}00` } as typeof attempt }),
    )
    expect(await attemptsOf(store, held)).toMatchObject([{ response: text }, { response: text }])
    const query = { limit: 9, offset: 0, since: null }
    expect(await store.listInbox({ ...query, from: text, q: null })).toEqual({ data: [inbox], total: 1 })
    expect(await store.listInbox({ ...query, from: null, q: 'A\0B' })).toEqual({ data: [inbox], total: 1 })
    expect((await store.getEndpoint(held.appId, held.endpointId))!.description).toBe(text)
  })
})
