/** What only happens to whole processes: they are killed in the middle of a commit, and the disk fills up. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import type { MessageId } from '../../src/domain/ids.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { APP } from '../conformance/builders.ts'
import { type Child, CHILD, startChild } from './start-child.ts'
import { type FromChild, stormEvent } from './store-child.ts'
import { tempDirectory } from './temp-store.ts'

// ---- kill -9 --------------------------------------------------------------------------------------------------------

const AT_ONCE = 64
const acknowledgedBy = (reports: readonly FromChild[]) =>
  reports.flatMap((report) => (report.is === 'acknowledged' ? [report.event] : []))

/** Lets a process accept events from `first` on, kills it after so many acknowledgements, and returns all of those. */
async function stormUntilKilled(path: string, first: number, acknowledgements: number): Promise<number[]> {
  await using child = startChild([...CHILD, path])
  expect(await child.next()).toEqual({ is: 'open' })
  child.send({ do: 'storm', first, atOnce: AT_ONCE })
  const reports: FromChild[] = []
  while (reports.length < acknowledgements) reports.push(await child.next())
  return acknowledgedBy([...reports, ...(await child.kill())])
}

interface StoredEvent {
  event_id: string
  payload: Uint8Array
  deliveries: number
  records: number
}

/** Every stored event with what was stored along with it. */
function storedEvents(path: string): Map<number, StoredEvent> {
  using db = new DatabaseSync(path, { readOnly: true })
  const rows = db
    .prepare(
      `SELECT event_id, payload,
              (SELECT count(*) FROM delivery d WHERE d.app_id = m.app_id AND d.msg_id = m.id) AS deliveries,
              (SELECT count(*) FROM idempotency i WHERE i.app_id = m.app_id AND i.msg_id = m.id) AS records
       FROM msg m`,
    )
    .all() as unknown as StoredEvent[]
  const events = new Map(rows.map((row) => [Number(row.event_id.slice('event '.length)), row]))
  expect(events.size).toBe(rows.length)
  expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
  return events
}

function expectWhole(events: ReadonlyMap<number, StoredEvent>): void {
  for (const [event, { payload, deliveries, records }] of events) {
    expect({ deliveries, records }).toEqual({ deliveries: 2, records: 1 })
    expect(Buffer.from(payload).equals(stormEvent(event).message.payload)).toBe(true)
  }
}

/** Sends everything again as a careful sender would; returns the events that were news. */
async function sendAgain(store: Store, events: readonly number[]): Promise<number[]> {
  const answers = await Promise.all(events.map((event) => store.accept([stormEvent(event)])))
  return events.filter((_, i) => !answers[i]![0]!.duplicate)
}

test('a process killed in a storm of events has stored every one that it acknowledged, whole and once', async () => {
  await using directory = await tempDirectory()
  const path = directory.file('hookferry.db')
  const acknowledged: number[] = []
  for (const [round, count] of [37, 400, 1_501].entries()) {
    const first = round * 1_000_000
    const ofThisRound = await stormUntilKilled(path, first, count)
    acknowledged.push(...ofThisRound)

    await using store = await openSqliteStore({ path })
    const stored = storedEvents(path)
    expectWhole(stored)
    expect(acknowledged.filter((event) => !stored.has(event))).toEqual([])
    // What the process held is due again, and nothing was lost from sight.
    expect((await store.backlog(Date.now())).pending).toBe(2 * stored.size)
    expect(await store.sweep(Date.now(), 10)).toEqual({ expired: 0, repaired: 0 })

    const last = Math.max(...ofThisRound) + AT_ONCE
    const all = Array.from({ length: last - first + 1 }, (_, i) => first + i)
    const news = await sendAgain(store, all)
    expect(news.filter((event) => stored.has(event))).toEqual([])
    expect(storedEvents(path).size).toBe(stored.size + news.length)
  }
})

// ---- a full disk ----------------------------------------------------------------------------------------------------

const canRun = (command: readonly string[]): boolean => spawnSync(command[0]!, command.slice(1)).status === 0

/** A disk of 3 MB, 1 MB of it taken by a file that can be removed. It is mounted for the child alone, which takes no root. */
const SMALL_DISK = 'mount -t tmpfs -o size=3m none "$0" && cd "$0" && exec "$@"'
const unshare = (directory: string, command: readonly string[]) =>
  ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', SMALL_DISK, directory, ...command] as const

/** No file may grow beyond 1.5 MB (3 MB where sh counts in kilobytes); the limit can be lifted while the process runs. */
const SMALL_FILES = 'ulimit -S -f 3072 && exec "$0" "$@"'

async function accept(child: Child, count: number, bytes: number) {
  child.send({ do: 'accept', count, bytes })
  const report = await child.next()
  if (report.is !== 'accepted') throw new Error(`the child reported ${report.is}`)
  return report
}

async function existing(child: Child, ids: readonly MessageId[]): Promise<number> {
  let count = 0
  for (const id of ids) {
    child.send({ do: 'exists', id })
    const report = await child.next()
    if (report.is === 'exists' && report.exists) count++
  }
  return count
}

/** Fills the disk, and sees that the store refuses without storing, reads, and goes on when there is room again. */
async function survivesFullDisk(child: Child, makeRoom: () => Promise<void>): Promise<MessageId[]> {
  expect(await child.next()).toEqual({ is: 'open' })
  const stored: MessageId[] = []
  let refused: { id: MessageId; code: string }[] = []
  for (let i = 0; i < 100 && refused.length === 0; i++) {
    const report = await accept(child, 1, 100_000)
    stored.push(...report.ids)
    refused = report.refused
  }
  expect(stored.length).toBeGreaterThan(3)
  expect(refused).toHaveLength(1)

  const together = await accept(child, 20, 100_000)
  expect(together.ids).toEqual([])
  refused.push(...together.refused)
  expect(new Set(refused.map((one) => one.code))).toEqual(new Set(['store_unavailable']))
  const ids = refused.map((one) => one.id)
  expect(await existing(child, ids)).toBe(0)
  expect(await existing(child, stored)).toBe(stored.length)

  await makeRoom()
  const after = await accept(child, 5, 100_000)
  expect(after.refused).toEqual([])
  stored.push(...after.ids)
  expect(await existing(child, stored)).toBe(stored.length)
  expect(await existing(child, ids)).toBe(0)
  return stored
}

test('on a full disk events are refused and not stored; with space again, all goes on', async ({ skip }) => {
  await using directory = await tempDirectory()
  const command = unshare(directory.file('.'), [...CHILD, directory.file('small.db'), '1000000'])
  skip(!canRun(unshare(directory.file('.'), ['true'])), 'this system does not let a test mount a small disk')
  await using child = startChild(command)
  await survivesFullDisk(child, async () => {
    child.send({ do: 'free' })
    expect(await child.next()).toEqual({ is: 'free' })
  })
})

test('at the limit of the size of files events are refused and not stored; without it, all goes on', async ({
  skip,
}) => {
  skip(!canRun(['prlimit', '--version']), 'this system has no prlimit to lift the limit of a running process')
  await using directory = await tempDirectory()
  const path = directory.file('hookferry.db')
  const child = startChild(['sh', '-c', SMALL_FILES, ...CHILD, path])
  const stored = await survivesFullDisk(child, async () => {
    expect(canRun(['prlimit', '--pid', String(child.pid), '--fsize=unlimited:'])).toBe(true)
  })
  await child.kill()

  await using store = await openSqliteStore({ path })
  for (const id of stored) expect(await store.getPayload(APP, id)).not.toBeNull()
  using db = new DatabaseSync(path, { readOnly: true })
  expect(db.prepare('SELECT count(*) AS n FROM msg').get()).toEqual({ n: stored.length })
  expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
})

test('a disk without any space is named as the reason why a store cannot be opened', async ({ skip }) => {
  await using directory = await tempDirectory()
  const path = directory.file('small.db')
  skip(!canRun(unshare(directory.file('.'), ['true'])), 'this system does not let a test mount a small disk')
  await using child = startChild(unshare(directory.file('.'), [...CHILD, path, String(3_145_728 - 8_192)]))
  expect(await child.next()).toEqual({ is: 'failed', message: `there is no space left to write ${path}` })
})

/** A database with leases to take over, which was closed by its process. */
async function withLeases(path: string): Promise<void> {
  await using store = await openSqliteStore({ path })
  await store.accept(Array.from({ length: 1_000 }, (_, event) => stormEvent(event)))
}

const inside = (script: string, path: string) =>
  ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, path, ...CHILD, path] as const

test.for([
  {
    what: 'a disk that is full before the leases of the last process are taken over',
    script: 'cat /dev/zero > "$0.filler" 2>/dev/null; truncate -s -100000 "$0.filler" && exec "$@"',
    said: (path: string) => `there is no space left to write ${path}`,
  },
  {
    what: 'a file that may only be read',
    script: 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"',
    said: (path: string) =>
      `${path} cannot be written (attempt to write a readonly database): check the path and its permissions`,
  },
])('$what is named as the reason why a store cannot be opened', async ({ script, said }, { skip }) => {
  await using directory = await tempDirectory()
  const path = directory.file('disk/small.db')
  mkdirSync(directory.file('disk'))
  skip(!canRun(unshare(directory.file('.'), ['true'])), 'this system does not let a test mount a small disk')
  await withLeases(directory.file('original.db'))
  const prepare =
    'mount -t tmpfs -o size=8m none "${0%/*}" && cp "${0%/*}/../original.db" "$0" && cp "${0%/*}/../original.db.key" "$0.key" && '
  await using child = startChild(inside(prepare + script, path))
  expect(await child.next()).toEqual({ is: 'failed', message: said(path) })
})
