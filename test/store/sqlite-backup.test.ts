/** Copies of a file that is in use. test/acceptance/backup.test.ts has them under load, and starts a gateway from one. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encryptionKey } from '../../src/domain/encryption.ts'
import { backupSqlite, type BackupOptions, sayKey } from '../../src/store/sqlite/backup.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { acceptance, APP, endpoint } from '../conformance/builders.ts'
import { type TempDirectory, tempDirectory } from './temp-store.ts'

let directory: TempDirectory
let path: string
let target: string
let store: Store
beforeEach(async () => {
  directory = await tempDirectory()
  mkdirSync(directory.file('copies'))
  path = directory.file('hookferry.db')
  target = directory.file('copies/copy.db')
  store = await openSqliteStore({ path })
})
afterEach(async () => {
  await store[Symbol.asyncDispose]()
  await directory[Symbol.asyncDispose]()
})

const backup = (options: Partial<BackupOptions> = {}) =>
  backupSqlite({ path, target, isForced: false, keys: [], signal: new AbortController().signal, ...options })

async function accept(into = store) {
  const accepted = acceptance([])
  await into.accept([accepted])
  return accepted.message.id
}

const copies = () => readdirSync(directory.file('copies'))

test('a copy is a whole database with all that was committed, for its owner alone, and nothing is beside it', async () => {
  const ids = [await accept(), await accept()]
  const { bytes } = await backup()
  expect(copies()).toEqual(['copy.db'])
  expect(statSync(target)).toMatchObject({ size: bytes })
  expect(statSync(target).mode & 0o777).toBe(0o600)
  {
    using copied = new DatabaseSync(target, { readOnly: true })
    expect(copied.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  }
  // The original goes on.
  const later = await accept()
  writeFileSync(`${target}.key`, readFileSync(`${path}.key`))
  await using restored = await openSqliteStore({ path: target })
  for (const id of ids) expect(await restored.getMessage(APP, id)).not.toBeNull()
  expect(await restored.getMessage(APP, later)).toBeNull()
})

test('a copy can be made while no gateway runs', async () => {
  const id = await accept()
  await store[Symbol.asyncDispose]()
  await backup()
  writeFileSync(`${target}.key`, readFileSync(`${path}.key`))
  await using restored = await openSqliteStore({ path: target })
  expect(await restored.getMessage(APP, id)).not.toBeNull()
})

describe('what is at the place of the copy', () => {
  test('is replaced only by whoever says so', async () => {
    writeFileSync(target, 'yesterday')
    await expect(backup()).rejects.toThrow(/copy\.db exists.*--force/)
    expect(readFileSync(target, 'utf8')).toBe('yesterday')
    expect(copies()).toEqual(['copy.db'])
    chmodSync(target, 0o644)
    await backup({ isForced: true })
    expect(readFileSync(target, 'latin1')).toMatch(/^SQLite format 3/)
    expect(statSync(target).mode & 0o777).toBe(0o600)
    expect(copies()).toEqual(['copy.db'])
  })

  test.each(['', '-wal', '-shm', '-journal', '.lock', '.key'])(
    'is never the database itself: hookferry.db%s',
    async (suffix) => {
      const given = `${directory.file('copies/../hookferry.db')}${suffix}`
      await expect(backup({ target: given, isForced: true })).rejects.toThrow(/belongs to the database/)
      await accept()
    },
  )

  test('is not the database under another name', async () => {
    symlinkSync(path, target)
    await expect(backup({ isForced: true })).rejects.toThrow(/belongs to the database/)
    await accept()
  })

  test.each(['-wal', '-journal'])('is no other database that may be in use: copy.db%s', async (suffix) => {
    writeFileSync(`${target}${suffix}`, '')
    await expect(backup({ isForced: true })).rejects.toThrow(`${target}${suffix} exists`)
  })

  test.each([
    ['a directory', () => directory.file('copies'), /is a directory: name a file, such as \S+hookferry\.db$/],
    ['in no directory', () => directory.file('nowhere/copy.db'), /nowhere, where the copy should go, is no directory/],
  ])('is not %s', async (_, given, said) => {
    await expect(backup({ target: given() })).rejects.toThrow(said)
  })
})

describe('nothing is left behind', () => {
  test('when there is no room, which is found before anything is copied', async () => {
    await expect(backup({ freeBytes: () => 4_096 })).rejects.toThrow(/takes up to \d+ bytes.*room for 4096/)
    expect(copies()).toEqual([])
  })

  test('when the database is damaged', async () => {
    await store[Symbol.asyncDispose]()
    const bytes = readFileSync(path)
    bytes.fill(0xff, 4_096)
    writeFileSync(path, bytes)
    await expect(backup()).rejects.toThrow(/hookferry\.db is damaged/)
    expect(copies()).toEqual([])
  })

  test('when it is the database of some other program', async () => {
    using other = new DatabaseSync(directory.file('other.db'))
    other.exec('CREATE TABLE precious (id INTEGER)')
    await expect(backup({ path: directory.file('other.db') })).rejects.toThrow(/some other program/)
    expect(copies()).toEqual([])
  })

  test('when there is no database', async () => {
    await expect(backup({ path: directory.file('none.db') })).rejects.toThrow(/none\.db.* does not exist/)
    expect(existsSync(directory.file('none.db'))).toBe(false)
    expect(copies()).toEqual([])
  })

  test('when it is stopped', async () => {
    const stop = new AbortController()
    const stopped = backup({ signal: stop.signal })
    expect(copies()).toEqual([expect.stringMatching(/^copy\.db\.[0-9a-f]{8}\.partial$/)])
    stop.abort()
    expect(copies()).toEqual([])
    await expect(stopped).rejects.toThrow(/stopped/)
  })
})

describe('a copy says which key its secrets need', () => {
  const [one, other] = [encryptionKey(Buffer.alloc(32, 1)), encryptionKey(Buffer.alloc(32, 2))]
  const said = async (options: Partial<BackupOptions> = {}) => {
    const { key } = await backup(options)
    return { key, sentence: sayKey(key, path, target) }
  }

  test('that of the file beside the database', async () => {
    await store.createEndpoint(endpoint())
    const { key, sentence } = await said()
    expect(key).toEqual({ ids: [expect.stringMatching(/^[0-9a-f]{8}$/)], heldBy: 'file' })
    expect(sentence).toContain(`${key.ids[0]} in ${path}.key`)
    expect(sentence).toContain(`${target}.key`)
  })

  test('those of ENCRYPTION_KEY, or nobody has it here', async () => {
    await store[Symbol.asyncDispose]()
    rmSync(path)
    rmSync(`${path}.key`)
    store = await openSqliteStore({ path, encryptionKeys: [one] })
    const { key, sentence } = await said({ keys: [other, one] })
    expect(key).toEqual({ ids: [one.id], heldBy: 'environment' })
    expect(sentence).toContain(`the key ${one.id} of ENCRYPTION_KEY`)
    const unknown = await said({ keys: [other], isForced: true })
    expect(unknown.key).toEqual({ ids: [one.id], heldBy: null })
    expect(unknown.sentence).toContain(`neither ENCRYPTION_KEY nor ${path}.key`)
  })

  test('none, for a file from before secrets were encrypted', async () => {
    await store[Symbol.asyncDispose]()
    using old = new DatabaseSync(path)
    old.exec('DROP TABLE encryption_key')
    const { key, sentence } = await said()
    expect(key.ids).toEqual([])
    expect(sentence).toContain('in the clear')
  })
})
