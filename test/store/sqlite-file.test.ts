/** The file: who may open it, and what is said when it cannot be used. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SCHEMA_VERSION } from '../../src/store/sqlite/migrations.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import {
  A,
  acceptance,
  acceptFor,
  APP,
  B,
  claim,
  createEndpoint,
  deliveryOf,
  endpoint,
  givingUp,
  HOUR,
  leaseOf,
  runOfManual,
  T0,
} from '../conformance/builders.ts'
import { CHILD, startChild } from './start-child.ts'
import { DEAD, stormEvent } from './store-child.ts'
import { openTempStore, type TempDirectory, tempDirectory } from './temp-store.ts'

let directory: TempDirectory
let path: string
beforeEach(async () => {
  directory = await tempDirectory()
  path = directory.file('hookferry.db')
})
afterEach(() => directory[Symbol.asyncDispose]())

/** The message with which the path cannot be opened. */
async function refusal(of: string): Promise<string> {
  try {
    await using _ = await openSqliteStore({ path: of })
    return 'it was opened'
  } catch (error) {
    return (error as Error).message
  }
}

const inUse = () => `${path} is in use by another running gateway; one process owns a SQLite file`

/** Makes a database, and changes it from outside. */
async function tamper(sql: string): Promise<void> {
  await (await openSqliteStore({ path }))[Symbol.asyncDispose]()
  using db = new DatabaseSync(path)
  db.exec(sql)
}

test('a file that is open cannot be opened again by the same process, until it is closed', async () => {
  const first = await openSqliteStore({ path })
  expect(await refusal(path)).toBe(inUse())
  await createEndpoint(first)
  expect(await refusal(path)).toBe(inUse())
  await first[Symbol.asyncDispose]()
  await using second = await openSqliteStore({ path })
  expect(await second.endpointsOf(APP)).toHaveLength(1)
})

test('a file that another process has open can be opened as soon as that process is killed', async () => {
  await using child = startChild([...CHILD, path])
  expect(await child.next()).toEqual({ is: 'open' })
  expect(await refusal(path)).toBe(inUse())
  await child.kill()
  await using store = await openSqliteStore({ path })
  expect(await store.problem()).toBeNull()
})

test('of two processes that open a new file at the same time, one gets it', async () => {
  await using one = startChild([...CHILD, path])
  await using two = startChild([...CHILD, path])
  const reports = await Promise.all([one.next(), two.next()])
  expect(reports).toContainEqual({ is: 'open' })
  expect(reports).toContainEqual({ is: 'failed', message: inUse() })
})

test('what a dead process held is due again as soon as the file is opened', async () => {
  await using child = startChild([...CHILD, path])
  await child.next()
  child.send({ do: 'storm', first: 0, atOnce: 1 })
  while ((await child.next()).is !== 'acknowledged');
  await child.kill()

  await using store = await openSqliteStore({ path })
  const [answer] = await store.accept([stormEvent(0)])
  const held = {
    appId: APP,
    msgId: answer!.messageId,
    run: 0,
    tries: 0,
    endpointId: stormEvent(0).deliveries[0]!.endpointId,
  }
  expect(await deliveryOf(store, held)).toMatchObject({ state: 'pending', attempts: 0 })
  const { deliveries } = await claim(store, B, { now: Date.now(), max: 10_000, perEndpointMax: 10_000 })
  expect(deliveries).toContainEqual(expect.objectContaining({ msgId: held.msgId, endpointId: held.endpointId }))
  expect(await store.settle(givingUp(held, T0, { owner: DEAD }))).toMatchObject({ held: false })
})

test('leases far in the future, of retries and manual attempts too, are taken over when the file is opened', async () => {
  const before = await openSqliteStore({ path })
  const endpointId = await createEndpoint(before)
  const held = await acceptFor(before, endpointId, { lease: leaseOf(A, T0 + HOUR) })
  await before.settle(givingUp(held, T0))
  const run = await runOfManual(before, held)
  await claim(before, A, { lease: leaseOf(A, T0 + HOUR) })
  await before[Symbol.asyncDispose]()

  await using after = await openSqliteStore({ path })
  expect((await claim(after, B, { now: Date.now() })).deliveries).toMatchObject([{ msgId: held.msgId, run }])
})

test('many leases are taken over by one commit, so that a restart after a crash is quick', async () => {
  const before = await openSqliteStore({ path })
  const endpointId = await createEndpoint(before)
  await before.accept(Array.from({ length: 2_000 }, () => acceptance([endpointId], { lease: leaseOf(A) })))
  await before[Symbol.asyncDispose]()

  await using after = await openSqliteStore({ path })
  expect(await after.backlog(T0)).toMatchObject({ pending: 2_000 })
  // The log has each page of a commit once. A commit for each lease would write tens of megabytes.
  expect(statSync(`${path}-wal`).size).toBeLessThan(6_000_000)
})

test('an empty file becomes a database', async () => {
  writeFileSync(path, '')
  await using store = await openSqliteStore({ path })
  expect(await store.problem()).toBeNull()
})

test('directories on the way to the file are made', async () => {
  await using store = await openSqliteStore({ path: directory.file('a/b/c.db') })
  expect(await store.problem()).toBeNull()
})

test('a file that is not a database is refused in one line and left as it is', async () => {
  const garbage = Buffer.alloc(8_192, 'This is not a database. ')
  writeFileSync(path, garbage)
  const message = await refusal(path)
  expect(message).toMatch(/^\S+hookferry\.db is damaged or not a SQLite database \(.+\): restore it from a backup$/)
  expect(readFileSync(path).equals(garbage)).toBe(true)
})

test('a database whose header is damaged is refused in one line', async () => {
  await tamper('VACUUM')
  const bytes = readFileSync(path)
  bytes.fill(0xff, 0, 60)
  writeFileSync(path, bytes)
  expect(await refusal(path)).toMatch(
    /^\S+hookferry\.db is damaged or not a SQLite database \(.+\): restore it from a backup$/,
  )
})

test('a database of another program is refused in one line and left as it is', async () => {
  {
    using db = new DatabaseSync(path)
    db.exec("CREATE TABLE bookmark (url TEXT); INSERT INTO bookmark VALUES ('https://example.com')")
  }
  const before = readFileSync(path)
  expect(await refusal(path)).toBe(`${path} is a SQLite database of some other program`)
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('a database of a newer version is refused in one line, and opens again with the right one', async () => {
  await tamper('PRAGMA user_version = 999')
  expect(await refusal(path)).toMatch(
    /^\S+hookferry\.db was written by a newer Hookferry \(schema 999; this one knows \d+\): run that version$/,
  )
  {
    using db = new DatabaseSync(path)
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 999 })
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
  }
  await using store = await openSqliteStore({ path })
  expect(await store.problem()).toBeNull()
})

test('a path below a file is refused in one line', async () => {
  // Also for root, whom permissions do not stop.
  writeFileSync(path, '')
  const below = `${path}/data/hookferry.db`
  const message = await refusal(below)
  expect(message).toMatch(/hookferry\.db cannot be created \(.+\): check the path and its permissions$/)
  expect(message.split('\n')).toHaveLength(1)
})

test('a path that is a directory is refused in one line', async () => {
  await using _ = await openSqliteStore({ path: `${path}/inner.db` })
  expect(await refusal(path)).toBe(`${path} is a directory, not a file`)
})

test('a schema that is changed under a running gateway is a problem that it reports', async () => {
  await using opened = await openTempStore()
  expect(await opened.store.problem()).toBeNull()
  using db = new DatabaseSync(opened.path, { timeout: 5_000 })
  db.exec('PRAGMA user_version = 999')
  expect(await opened.store.problem()).toMatch(/^the schema is version 999, this gateway needs \d+$/)
})

test('commits are in a write-ahead log, which others can read while the gateway runs', async () => {
  await using opened = await openTempStore()
  const created = endpoint()
  await opened.store.createEndpoint(created)
  using db = new DatabaseSync(opened.path, { readOnly: true })
  expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  expect(db.prepare('SELECT id FROM endpoint').all()).toEqual([{ id: created.id }])
})

test.each([
  ['is gone', 'DELETE FROM lane'],
  ['is late', 'UPDATE lane SET wake_at = wake_at + 3600000, oldest_due_at = oldest_due_at + 3600000'],
])('a delivery whose lane %s is found by the sweep', async (_, sql) => {
  await using opened = await openTempStore()
  const { store } = opened
  const endpoints = [await createEndpoint(store), await createEndpoint(store)]
  for (const endpointId of endpoints) await acceptFor(store, endpointId)
  using db = new DatabaseSync(opened.path, { timeout: 5_000 })
  db.exec(sql)
  expect((await claim(store, A)).deliveries).toEqual([])
  expect(await store.sweep(T0, 100)).toEqual({ expired: 0, repaired: 2 })
  expect((await claim(store, A)).deliveries).toHaveLength(2)
  expect(await store.sweep(T0, 100)).toEqual({ expired: 0, repaired: 0 })
})
