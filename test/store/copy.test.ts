/** A SQLite file becomes a PostgreSQL database, whatever interrupts the copy. */
import { attemptsWith } from '../../src/store/port/history.ts'
import { newest } from '../../src/store/port/page.ts'
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encryptionKey } from '../../src/domain/encryption.ts'
import { copyToPostgres } from '../../src/store/copy/copy.ts'
import { MADE_ANEW, TABLES } from '../../src/store/copy/tables.ts'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import type { Store } from '../../src/store/store.ts'
import {
  A,
  acceptance,
  acceptFor,
  acceptHeld,
  APP,
  claim,
  createEndpoint,
  givingUp,
  HOUR,
  leaseOf,
  retrying,
  settlement,
  T0,
} from '../conformance/builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { source } from '../conformance/store-sources.ts'
import { openTempStore, type TempStore } from './temp-store.ts'

const missing = missingPostgres()

const MESSAGES = 2_500

/** Something in every table, more than one step's worth of messages, and deliveries in every state. */
async function fill(store: Store): Promise<void> {
  const endpointId = await createEndpoint(store, { uid: 'shop', secrets: [{ secret: 'my-secret', expiresAt: null }] })
  const paused = await createEndpoint(store)
  await store.createSource(source({ name: 'door', secrets: [{ secret: 'my-secret-2', expiresAt: null }] }), 10)
  const many = Array.from({ length: MESSAGES }, (_, i) =>
    acceptance([endpointId], { receivedAt: T0 + i, eventId: `evt_${i}`, dueAt: T0 + i }),
  )
  await store.accept(many)
  await store.settle(settlement(await acceptHeld(store, { eventId: 'delivered' })))
  await store.settle(retrying(await acceptFor(store, paused, { lease: leaseOf(A) }), T0, T0 + HOUR))
  await store.settle(givingUp(await acceptFor(store, endpointId, { lease: leaseOf(A) })))
  // Its node is gone.
  await acceptHeld(store, { eventId: 'leased' })
  await store.accept([
    acceptance([], {
      eventId: 'odd',
      payload: Uint8Array.from({ length: 256 }, (_, i) => i),
      shownPayload: Buffer.from('{"a":"\0"}'),
      hops: 2,
      deliverAt: T0 + HOUR,
      tags: ['blue'],
      channels: ['shop'],
      idempotency: { scope: 'ingest', key: 'k1', expiresAt: T0 + HOUR },
      answer: {
        orgId: 'org_acme',
        key: 'answered',
        status: 202,
        body: '{"n":"\\u0000"}',
        at: T0,
        expiresAt: T0 + HOUR,
      },
    }),
  ])
  await store.accept(
    ['m1', 'm2'].map((messageId, i) =>
      acceptance([], {
        inbox: { messageId, from: '+911', to: '+141', ts: `2025-01-15T10:0${i}:00Z`, text: 'Grüße', createdAt: T0 },
      }),
    ),
  )
  await store.createTask({
    orgId: 'org_acme',
    id: 'qtask_000000000000000000000000001',
    kind: 'endpoint.recover',
    appId: APP,
    endpointId,
    since: T0,
    until: T0 + HOUR,
    status: 'running',
    added: 0,
    createdAt: T0,
    updatedAt: T0,
  })
  await store.secret('jwt', () => 'signing-secret')
}

describe.skipIf(missing !== null)('copying SQLite into PostgreSQL', () => {
  let server: PostgresServer
  let source: TempStore
  let ids: string[]

  beforeAll(async () => {
    server = await startPostgres()
    source = await openTempStore()
    await fill(source.store)
    const all = await source.store.listMessages(
      { appId: APP, from: null, until: null, eventTypes: null, channel: null, tag: null },
      { limit: 10_000, after: null, order: 'ascending' },
      false,
    )
    ids = all.map(({ id }) => id)
    // The gateway has to be stopped, or the file could change under the copy.
    await source.store[Symbol.asyncDispose]()
  }, 60_000)

  afterAll(async () => {
    await source[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })

  const optionsOf = (url: string) => ({ path: source.path, url, onProgress: () => {}, allowUnsafeFsync: true })
  const copy = (url: string, signal?: AbortSignal) =>
    copyToPostgres({ ...optionsOf(url), ...(signal === undefined ? {} : { signal }) })

  const opened = (url: string) => openPostgresStore({ url, allowUnsafeFsync: true })

  test('every table of the file is copied, or known to be made anew', () => {
    using db = new DatabaseSync(source.path, { readOnly: true })
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all()
    expect(tables.map(({ name }) => String(name)).toSorted()).toEqual(
      [...TABLES.map(({ name }) => name), ...MADE_ANEW].toSorted(),
    )
  })

  test('everything is there afterwards, to the byte', async () => {
    const url = await server.createDatabase()
    const counts = await copy(url)
    expect(counts).toMatchObject({
      msg: ids.length,
      delivery: MESSAGES + 4,
      attempt: 3,
      messages: 2,
      answer: 1,
      task: 1,
    })
    await using store = await opened(url)
    await using reopened = await source.reopen()
    for (const id of [ids[0]!, ids[1_234]!, ...ids.slice(-8)] as `msg_${string}`[]) {
      expect(await store.getMessage(APP, id)).toEqual(await reopened.getMessage(APP, id))
      expect(await store.getPayload(APP, id)).toEqual(await reopened.getPayload(APP, id))
      expect(await store.getShownPayload(APP, id)).toEqual(await reopened.getShownPayload(APP, id))
      expect(await store.listAttempts(attemptsWith({ appId: APP, msgId: id }), newest(10))).toEqual(
        await reopened.listAttempts(attemptsWith({ appId: APP, msgId: id }), newest(10)),
      )
    }
    expect(await store.endpointsOf(APP)).toEqual(await reopened.endpointsOf(APP))
    expect(await store.findSource(APP, 'door')).toEqual(await reopened.findSource(APP, 'door'))
    expect(await store.findMessage(APP, 'odd')).toMatchObject({ deliverAt: T0 + HOUR })
    expect(await store.inboxStats()).toEqual(await reopened.inboxStats())
    expect(await store.secret('jwt', () => 'another')).toBe('signing-secret')
    expect(await store.getAnswer('org_acme', 'answered', T0)).toEqual({ status: 202, body: '{"n":"\\u0000"}' })
    expect(await store.backlog(T0)).toMatchObject({ pending: MESSAGES + 2 })
  }, 60_000)

  const KEY = encryptionKey(Buffer.alloc(32, 9))
  const encrypted = (url: string) => copyToPostgres({ ...optionsOf(url), encryptionKeys: [KEY] })
  const dump = async (url: string) =>
    JSON.stringify(
      await server.sql(
        url,
        'SELECT e::text FROM endpoint e UNION ALL SELECT s::text FROM source s UNION ALL SELECT m::text FROM meta m',
      ),
    )

  test('secrets come under the key of the target, whichever key the file has', async () => {
    const url = await server.createDatabase()
    await encrypted(url)
    expect(await dump(url)).not.toMatch(/my-secret|signing-secret/)
    await using store = await openPostgresStore({ url, allowUnsafeFsync: true, encryptionKeys: [KEY] })
    expect((await store.findEndpoint(APP, 'shop'))!.secrets).toEqual([{ secret: 'my-secret', expiresAt: null }])
    expect((await store.findSource(APP, 'door'))!.secrets).toEqual([{ secret: 'my-secret-2', expiresAt: null }])
    expect(await store.secret('jwt', () => 'another')).toBe('signing-secret')
    await expect(opened(url)).rejects.toThrow(`encrypted with the key ${KEY.id}`)
  })

  test('without a key for the target secrets are in the clear there, and that is said', async () => {
    const url = await server.createDatabase()
    const notices: string[] = []
    await copyToPostgres({ ...optionsOf(url), onNotice: (notice) => notices.push(notice) })
    expect(notices).toEqual([expect.stringContaining('ENCRYPTION_KEY is not set')])
    expect(await dump(url)).toMatch(/my-secret.*signing-secret/)
  })

  test('what waited in the file is delivered from PostgreSQL, also what a dead node held', async () => {
    const url = await server.createDatabase()
    await copy(url)
    await using store = await opened(url)
    const found = new Set<string>()
    const now = T0 + 2 * HOUR
    for (;;) {
      const { deliveries } = await claim(store, A, { now, max: 500, perEndpointMax: 500 })
      if (deliveries.length === 0) break
      for (const { msgId } of deliveries) {
        expect(found.has(msgId)).toBe(false)
        found.add(msgId)
      }
    }
    expect(found.size).toBe(MESSAGES + 2)
  }, 60_000)

  test('a copy that is interrupted again and again goes on where it was', async () => {
    const url = await server.createDatabase()
    let steps = 0
    const ends = new Set<string>()
    for (let tries = 0; tries < 100; tries++) {
      let here = 0
      try {
        await copyToPostgres({
          path: source.path,
          url,
          allowUnsafeFsync: true,
          onProgress: () => {
            steps++
            if (++here === 2) throw new Error('interrupted')
          },
        })
        break
      } catch (error) {
        ends.add((error as Error).message)
      }
    }
    expect([...ends]).toEqual(['interrupted'])
    const [row] = await server.sql<{ n: string }>(url, 'SELECT count(*) AS n FROM msg')
    expect(Number(row?.n)).toBe(ids.length)
    // Every step was done once, and none again after an interruption.
    const straight = await server.createDatabase()
    let stepsOfOne = 0
    await copyToPostgres({ path: source.path, url: straight, allowUnsafeFsync: true, onProgress: () => stepsOfOne++ })
    expect(steps).toBe(stepsOfOne)
  }, 60_000)

  test('a database that is in use is refused, and so is a second copy', async () => {
    const used = await server.createDatabase()
    {
      await using store = await opened(used)
      await createEndpoint(store)
    }
    await expect(copy(used)).rejects.toThrow('in use already')
    const url = await server.createDatabase()
    await copy(url)
    await expect(copy(url)).rejects.toThrow('copied completely before')
    await using other = await openTempStore()
    await other.store[Symbol.asyncDispose]()
    await expect(
      copyToPostgres({ path: other.path, url, onProgress: () => {}, allowUnsafeFsync: true }),
    ).rejects.toThrow('copy of another file')
  }, 60_000)

  test('a file that is not there is refused, and not made', async () => {
    const path = `${source.path}.typo`
    const url = await server.createDatabase()
    await expect(copyToPostgres({ path, url, onProgress: () => {}, allowUnsafeFsync: true })).rejects.toThrow(
      'does not exist',
    )
    expect(existsSync(path)).toBe(false)
  })

  test('no gateway starts on a copy that is not finished', async () => {
    const url = await server.createDatabase()
    const interrupt = () => {
      throw new Error('interrupted')
    }
    await expect(
      copyToPostgres({ path: source.path, url, allowUnsafeFsync: true, onProgress: interrupt }),
    ).rejects.toThrow('interrupted')
    await expect(opened(url)).rejects.toThrow('unfinished copy')
    await copy(url)
    await using store = await opened(url)
    expect(await store.problem()).toBeNull()
  }, 60_000)

  test('a database on which a gateway was started once, to see whether it can, is taken', async () => {
    const url = await server.createDatabase()
    {
      await using store = await opened(url)
      await store.secret('installation', () => 'tried')
    }
    expect(await copy(url)).toMatchObject({ messages: 2 })
  }, 60_000)

  test('a file that a gateway uses is refused', async () => {
    const store = await source.reopen()
    await expect(copy(await server.createDatabase())).rejects.toThrow('in use by another running gateway')
    await store[Symbol.asyncDispose]()
  })
})
