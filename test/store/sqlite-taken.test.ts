/** Files that are taken away below an open store: nothing is acknowledged that went into what nobody will find again. */
import { copyFileSync, existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { acceptance, APP } from '../conformance/builders.ts'
import { type TempDirectory, tempDirectory } from './temp-store.ts'

const WAIT = { interval: 20, timeout: 10_000 }

let directory: TempDirectory
let path: string
beforeEach(async () => {
  directory = await tempDirectory()
  path = directory.file('inner/hookferry.db')
})
afterEach(() => directory[Symbol.asyncDispose]())

async function openWatched() {
  const deaths: string[] = []
  const store = await openSqliteStore({ path, onDeath: (error) => deaths.push(error.message) })
  return { store, deaths, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

async function accept(store: Store): Promise<ReturnType<typeof acceptance>['message']['id']> {
  const accepted = acceptance([])
  await store.accept([accepted])
  return accepted.message.id
}

const remove = (...suffixes: string[]) => {
  for (const suffix of suffixes) rmSync(path + suffix)
}

/** What can be done to the files, and what is said of it. */
const TAKEN: [what: string, take: () => void, said: RegExp][] = [
  ['all files are deleted', () => remove('', '-wal', '-shm'), /hookferry\.db was deleted or moved away/],
  ['the log is deleted', () => remove('-wal'), /hookferry\.db-wal was deleted or moved away/],
  ['the directory is deleted', () => rmSync(dirname(path), { recursive: true }), /hookferry\.db was deleted or moved/],
  [
    'the file is moved and another one is in its place',
    () => {
      renameSync(path, `${path}.old`)
      copyFileSync(`${path}.old`, path)
    },
    /hookferry\.db was replaced by another file/,
  ],
  [
    'another log is in its place',
    () => {
      remove('-wal')
      writeFileSync(`${path}-wal`, '')
    },
    /hookferry\.db-wal was replaced by another file/,
  ],
]

test.each(TAKEN)('once %s, no write is acknowledged, nothing is read, and the owner is told', async (_, take, said) => {
  await using opened = await openWatched()
  const { store, deaths } = opened
  const id = await accept(store)
  take()
  const results = await Promise.allSettled([accept(store), accept(store)])
  for (const result of results)
    expect(result).toMatchObject({
      status: 'rejected',
      reason: { code: 'store_unavailable', message: expect.stringContaining('the outcome is unknown') },
    })
  expect(deaths).toEqual([expect.stringMatching(said)])
  await expect(accept(store)).rejects.toMatchObject({ code: 'shutting_down' })
  await expect(store.getMessage(APP, id)).rejects.toMatchObject({ code: 'shutting_down' })
})

test('what was acknowledged before the log was deleted is in the file', async () => {
  const ids: Awaited<ReturnType<typeof accept>>[] = []
  {
    await using opened = await openWatched()
    for (let i = 0; i < 20; i++) ids.push(await accept(opened.store))
    remove('-wal')
    await expect(accept(opened.store)).rejects.toMatchObject({ code: 'store_unavailable' })
    // As kill -9 would leave it: the file as it is now, and no log.
    for (const suffix of ['', '.key']) copyFileSync(`${path}${suffix}`, `${path}.copy${suffix}`)
  }
  await using after = await openSqliteStore({ path: `${path}.copy` })
  for (const id of ids) expect(await after.getMessage(APP, id)).not.toBeNull()
})

test.each([
  ['the database is deleted', () => remove('', '-wal', '-shm'), /hookferry\.db was deleted/],
  ['the lock is deleted', () => remove('.lock'), /hookferry\.db\.lock was deleted/],
  ['the shared memory is deleted', () => remove('-shm'), /hookferry\.db-shm was deleted/],
])('that %s is noticed without any write', async (_, take, said) => {
  await using opened = await openWatched()
  take()
  await expect.poll(() => opened.deaths, WAIT).toEqual([expect.stringMatching(said)])
})

test('of two gateways on one file whose lock was deleted, the first one ends, and the second one goes on', async () => {
  await using first = await openWatched()
  const kept = await accept(first.store)
  remove('.lock')
  await using second = await openWatched()
  await expect.poll(() => first.deaths, WAIT).toHaveLength(1)
  await first[Symbol.asyncDispose]()
  expect(existsSync(`${path}-wal`)).toBe(true)
  const own = await accept(second.store)
  for (const id of [kept, own]) expect(await second.store.getMessage(APP, id)).not.toBeNull()
  expect(second.deaths).toEqual([])
})
