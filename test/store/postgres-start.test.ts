/** What has to be true of a database before a store is opened on it, and what its operator is told when it is not. */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startId } from '../../src/domain/ids.ts'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import {
  A,
  acceptance,
  acceptFor,
  APP,
  attemptsOf,
  claim,
  createEndpoint,
  failed,
  HOUR,
  leaseOf,
  newId,
  settlement,
  succeeded,
} from '../conformance/builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { openStore } from './temp-postgres.ts'

const DAY = 24 * HOUR

/** Why a store cannot be opened: one line. */
async function refusal(url: string, options: Parameters<typeof openStore>[1] = {}): Promise<string> {
  const error: unknown = await openStore(url, { openTimeoutMs: 500, ...options }).then(
    (store) => store[Symbol.asyncDispose](),
    (error: unknown) => error,
  )
  expect(error).toMatchObject({ name: 'UnusableDatabase' })
  const { message } = error as Error
  expect(message).not.toContain('\n')
  return message
}

describe.skipIf(missingPostgres() !== null)('opening a PostgreSQL store', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  test('a schema of a newer version is refused, and left as it is', async () => {
    const url = await server!.createDatabase()
    await (await openStore(url))[Symbol.asyncDispose]()
    await server!.sql(url, 'UPDATE hookferry_schema SET version = 1000')
    expect(await refusal(url)).toMatch(/was written by a newer Hookferry \(schema 1000; this one knows \d+\)/)
    expect(await server!.sql(url, 'SELECT version FROM hookferry_schema')).toEqual([{ version: 1000 }])
  })

  test('a database of another program is refused, and left as it is', async () => {
    const url = await server!.createDatabase()
    await server!.sql(url, 'CREATE TABLE endpoint (id INTEGER)')
    expect(await refusal(url)).toMatch(/tables of some other program/)
    expect(
      await server!.sql(url, "SELECT relname FROM pg_class WHERE relname IN ('meta', 'hookferry_schema')"),
    ).toEqual([])
  })

  test('a wrong password is named as the reason and not shown', async () => {
    const url = server!.url().replace('not-a-secret', 'pa%24%24w0rd-wrong')
    const message = await refusal(url)
    expect(message).toMatch(/password authentication failed/)
    expect(message).not.toMatch(/w0rd-wrong/)
  })

  test('a database that does not exist is refused at once', async () => {
    const begun = performance.now()
    expect(await refusal(server!.url('nowhere'), { openTimeoutMs: 20_000 })).toMatch(
      /database "nowhere" does not exist/,
    )
    expect(performance.now() - begun).toBeLessThan(10_000)
  })

  test('a URL that cannot be read is not shown', async () => {
    const message = await refusal('postgres://user:hunter2#x@host:not-a-port/db')
    expect(message).toMatch(/cannot be read/)
    expect(message).not.toMatch(/hunter/)
  })

  test('a server that would forget commits in a crash is refused', async () => {
    const url = await server!.createDatabase()
    await expect(openPostgresStore({ url })).rejects.toThrow(/its fsync is off/)
  })

  test('a database whose default is to acknowledge before the commit is on disk does not make our commits weaker', async () => {
    const url = await server!.createDatabase()
    const name = new URL(url).pathname.slice(1)
    await server!.sql(url, `ALTER DATABASE ${name} SET synchronous_commit = off`)
    await server!.sql(url, `CREATE TABLE seen (setting TEXT)`)
    await using store = await openStore(url)
    // Asked of the very session that stores a message.
    await server!.sql(
      url,
      `CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
       CREATE TRIGGER see AFTER INSERT ON msg EXECUTE FUNCTION see()`,
    )
    await store.accept([acceptance([])])
    expect(await server!.sql(url, 'SELECT setting FROM seen')).toEqual([{ setting: 'on' }])
  })

  test('a standby, or a database that is read only, is refused', async () => {
    const url = await server!.createDatabase()
    await server!.sql(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`)
    expect(await refusal(url)).toMatch(/read only/)
  })

  test('a database that does not answer yet is waited for, and then named', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as { port: number }
    closed.close()
    const begun = performance.now()
    const message = await refusal(`postgres://user:secret@127.0.0.1:${port}/db`, { openTimeoutMs: 1_000 })
    expect(message).toMatch(new RegExp(`127.0.0.1:${port}/db cannot be opened: .*ECONNREFUSED`))
    expect(message).not.toContain('secret')
    expect(performance.now() - begun).toBeGreaterThan(400)
  })

  test('a server that takes the connection and says nothing is given up in time', async () => {
    const sockets: Socket[] = []
    const silent: Server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const begun = performance.now()
    await refusal(`postgres://user:secret@127.0.0.1:${port}/db`, { openTimeoutMs: 500, connectTimeoutMs: 300 })
    expect(performance.now() - begun).toBeLessThan(5_000)
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  test('a store opens while its server is starting', async () => {
    await using own = await startPostgres()
    const url = await own.createDatabase()
    await own.stop()
    const opening = openStore(url, { openTimeoutMs: 20_000 })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await own.start()
    await using store = await opening
    expect(await store.problem()).toBeNull()
  })
})

describe.skipIf(missingPostgres() !== null)('PostgreSQL partitions', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  const partitions = async (url: string, table: string) =>
    (
      await server!.sql<{ name: string }>(
        url,
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = '${table}'::regclass ORDER BY 1`,
      )
    ).map(({ name }) => name)
  const rowsIn = async (url: string, table: string) => (await server!.sql(url, `SELECT 1 FROM ${table}`)).length
  const drain = async (step: () => Promise<number | { dealt: number }>) => {
    for (let i = 0; i < 100; i++) {
      const done = await step()
      if ((typeof done === 'number' ? done : done.dealt) === 0) return
    }
    throw new Error('there is no end to it')
  }

  test('payloads and attempts of our days go to partitions, which retention drops', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    const now = Date.now()
    const endpointId = await createEndpoint(store)
    const given = { lease: leaseOf(A, now + HOUR), receivedAt: now, expiresAt: now + 30 * DAY }
    const held = await acceptFor(store, endpointId, given)
    await store.settle(settlement(held, { attempt: succeeded(now), to: { state: 'delivered', at: now } }))
    expect(await rowsIn(url, 'payload_default')).toBe(0)
    expect(await rowsIn(url, 'attempt_default')).toBe(0)
    expect(await attemptsOf(store, held)).toHaveLength(1)

    const before = await partitions(url, 'attempt')
    await drain(() => store.pruneAttempts(now - DAY, 200))
    expect(await partitions(url, 'attempt')).toEqual(before)
    await drain(() => store.pruneAttempts(now + 2 * DAY, 200))
    expect((await partitions(url, 'attempt')).length).toBeLessThan(before.length)
    expect(await attemptsOf(store, held)).toEqual([])

    await drain(() => store.prunePayloads(now + 29 * DAY, 200))
    expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
    await drain(() => store.prunePayloads(now + 32 * DAY, 200))
    expect(await store.getMessage(APP, held.msgId)).toMatchObject({ payloadRemoved: true })
    expect(await store.getPayload(APP, held.msgId)).toBeNull()
  })

  test('a payload that an open delivery needs outlives the partition it was in', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    const now = Date.now()
    const endpointId = await createEndpoint(store)
    const given = { receivedAt: now, expiresAt: now + DAY, dueAt: now, payload: Buffer.from('still wanted') }
    const [open, leased] = [
      await acceptFor(store, endpointId, given),
      await acceptFor(store, endpointId, { ...given, lease: leaseOf(A, now + 9 * DAY) }),
    ]
    const done = await acceptFor(store, endpointId, { ...given, lease: leaseOf(A) })
    await store.settle(settlement(done, { attempt: failed(now), to: { state: 'failed', at: now } }))
    const later = now + 3 * DAY
    await drain(() => store.prunePayloads(later, 1))
    expect(await store.getPayload(APP, done.msgId)).toBeNull()
    for (const { msgId } of [open, leased]) {
      expect(Buffer.from((await store.getPayload(APP, msgId))!.payload).toString()).toBe('still wanted')
      expect((await store.getMessage(APP, msgId))!.expiresAt).toBeGreaterThan(later)
    }
    const { deliveries } = await claim(store, A, { now: later })
    expect(deliveries.map((one) => Buffer.from(one.payload).toString())).toEqual(['still wanted'])
  })

  test('what belongs to no partition is stored all the same, and removed row by row', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    const endpointId = await createEndpoint(store)
    for (const at of [Date.UTC(2015, 0, 1), Date.UTC(2140, 0, 1)]) {
      const held = await acceptFor(store, endpointId, {
        id: newId('msg', at),
        lease: leaseOf(A, at + HOUR),
        receivedAt: at,
        expiresAt: at + HOUR,
      })
      await store.settle(settlement(held, { attempt: succeeded(at), to: { state: 'delivered', at } }))
      expect(await attemptsOf(store, held)).toHaveLength(1)
      expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
      await drain(() => store.pruneAttempts(at + 2 * HOUR, 200))
      await drain(() => store.prunePayloads(at + 2 * HOUR, 200))
      expect(await attemptsOf(store, held)).toEqual([])
      expect(await store.getPayload(APP, held.msgId)).toBeNull()
    }
  })

  test('a partition that cannot be made, because its rows are in the default one already, stops nothing', async () => {
    const url = await server!.createDatabase()
    const now = Date.now()
    const expiresAt = now + 60 * DAY
    await (await openStore(url))[Symbol.asyncDispose]()
    await server!.sql(
      url,
      `INSERT INTO payload VALUES ('${APP}', 'msg_before', ${expiresAt}, '');
       INSERT INTO attempt_default SELECT '${APP}', 'ep', '${startId('atmpt', now + 9 * DAY)}', 'm', 1, FALSE, 'success', 0, '', NULL, NULL, 0, NULL`,
    )
    const troubles: string[] = []
    await using store = await openStore(url, { onTrouble: (doing) => troubles.push(doing) })
    const held = await acceptFor(store, await createEndpoint(store), { receivedAt: now, expiresAt })
    expect(await store.getPayload(APP, held.msgId)).not.toBeNull()
    expect(troubles).toEqual([expect.stringMatching(/make the partition payload_/)])
    await acceptFor(store, held.endpointId, { receivedAt: now, expiresAt })
    expect(troubles).toHaveLength(1)
  })

  test('while somebody reads a partition, it is not dropped, and nobody has to wait for long', async () => {
    const url = await server!.createDatabase()
    await using store = await openStore(url)
    const now = Date.now()
    const held = await acceptFor(store, await createEndpoint(store), { lease: leaseOf(A, now + HOUR), receivedAt: now })
    await store.settle(settlement(held, { attempt: succeeded(now) }))
    const reading = server!.sql(url, 'BEGIN; SELECT count(*) FROM attempt; SELECT pg_sleep(1); COMMIT')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await store.pruneAttempts(now + 2 * DAY, 200)).toBe(0)
    expect(await attemptsOf(store, held)).toHaveLength(1)
    await reading
    await drain(() => store.pruneAttempts(now + 2 * DAY, 200))
    expect(await attemptsOf(store, held)).toEqual([])
  })
})
