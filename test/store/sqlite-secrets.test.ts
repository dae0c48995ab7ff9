/** What of a SQLite file others may read: its rights, its key, and what is in it. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type EncryptionKey, encryptionKey } from '../../src/domain/encryption.ts'
import { MIGRATIONS } from '../../src/store/sqlite/migrations.ts'
import { readSecret } from '../../src/store/sqlite/read-secret.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { APP, endpoint } from '../conformance/builders.ts'
import { tempDirectory, type TempDirectory } from './temp-store.ts'

let directory: TempDirectory
let path: string
let umask: number

beforeEach(async () => {
  directory = await tempDirectory()
  path = directory.file('inner/hookferry.db')
  umask = process.umask(0o022)
})
afterEach(async () => {
  process.umask(umask)
  await directory[Symbol.asyncDispose]()
})

const modeOf = (file: string) => statSync(file).mode & 0o777
const FILES = ['', '-wal', '-shm', '.lock', '.key']
const [one, two] = [encryptionKey(Buffer.alloc(32, 1)), encryptionKey(Buffer.alloc(32, 2))]

interface Opened {
  notices: string[]
  encryptionKeys?: EncryptionKey[]
}

/** Opens, does something, and closes; returns what was said about the start. */
async function withStore(
  encryptionKeys: EncryptionKey[],
  work: (store: Awaited<ReturnType<typeof openSqliteStore>>) => unknown = () => {},
): Promise<Opened['notices']> {
  const notices: string[] = []
  await using store = await openSqliteStore({ path, encryptionKeys, onNotice: (notice) => notices.push(notice) })
  await work(store)
  return notices
}

const SECRET = 'whsec_Zm9yIHRoZSBkdW1wIHRlc3QgMDEyMzQ1Njc4'
const HEADER = 'Bearer only-the-receiver-knows'
const made = endpoint({
  secrets: [
    { secret: SECRET, expiresAt: null },
    { secret: 'replaced-one', expiresAt: 9 },
  ],
  headers: { authorization: HEADER },
})
const IN_THE_CLEAR = [SECRET, HEADER, 'replaced-one', 'signs-all-tokens']

const fill = async (store: Awaited<ReturnType<typeof openSqliteStore>>) => {
  await store.createEndpoint(made)
  await store.secret('jwt', () => 'signs-all-tokens')
}

/** Those of the texts that stand in one of the database's files. */
const readable = (texts: readonly string[]): string[] =>
  texts.filter((text) =>
    ['', '-wal', '-shm'].some((suffix) => existsSync(path + suffix) && readFileSync(path + suffix).includes(text)),
  )

/** A file of the version before encryption, with a secret in the clear, and another one that was replaced. */
function oldFile(): void {
  mkdirSync(dirname(path), { recursive: true })
  using db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA application_id = 1214989945')
  const before = MIGRATIONS.findIndex(({ sql }) => sql.includes('encryption_key'))
  for (const { version, sql } of MIGRATIONS.slice(0, before)) db.exec(`${sql}; PRAGMA user_version = ${version}`)
  db.prepare(
    `INSERT INTO endpoint (app_id, id, driver, url, description, disabled, headers, metadata, secrets, version, created_at, updated_at)
     VALUES (?, ?, 'http', 'https://a.example', '', 0, ?, '{}', ?, 1, 0, 0)`,
  ).run(APP, made.id, JSON.stringify(made.headers), JSON.stringify(made.secrets))
  db.exec("INSERT INTO meta VALUES ('jwt', 'signs-all-tokens'), ('copy_source', 'abc')")
}

describe('rights', () => {
  test('all files are the gateway’s alone, and so is the directory that it makes', async () => {
    await withStore([], async (store) => {
      await fill(store)
      expect(Object.fromEntries(FILES.map((suffix) => [suffix, modeOf(path + suffix)]))).toEqual(
        Object.fromEntries(FILES.map((suffix) => [suffix, 0o600])),
      )
    })
    expect(modeOf(dirname(path))).toBe(0o700)
  })

  test('files that everybody could read are made private, and a directory that was there stays as it is', async () => {
    await withStore([], fill)
    chmodSync(dirname(path), 0o755)
    for (const suffix of ['', '.lock', '.key']) chmodSync(path + suffix, 0o644)
    await withStore([], async (store) => {
      await store.createEndpoint(endpoint())
      for (const suffix of FILES) expect([suffix, modeOf(path + suffix)]).toEqual([suffix, 0o600])
    })
    expect(modeOf(dirname(path))).toBe(0o755)
  })

  test('the rights of another program’s database are not touched', async () => {
    mkdirSync(dirname(path))
    {
      using db = new DatabaseSync(path)
      db.exec('CREATE TABLE bookmark (url TEXT)')
    }
    chmodSync(path, 0o644)
    await expect(openSqliteStore({ path })).rejects.toThrow('of some other program')
    expect(modeOf(path)).toBe(0o644)
  })
})

describe('the key', () => {
  test('is made once, beside the file, and the start says so', async () => {
    expect(await withStore([], fill)).toEqual([
      `made ${path}.key, the key of the secrets in ${path}: without it a backup has no secrets`,
    ])
    const key = readFileSync(`${path}.key`, 'utf8')
    expect(key).toMatch(/^[A-Za-z0-9+/]{43}=\n$/)
    expect(await withStore([], async (store) => expect(await store.getEndpoint(APP, made.id)).toEqual(made))).toEqual(
      [],
    )
    expect(readFileSync(`${path}.key`, 'utf8')).toBe(key)
  })

  test('is not made when ENCRYPTION_KEY is set', async () => {
    expect(await withStore([one], fill)).toEqual([])
    expect(existsSync(`${path}.key`)).toBe(false)
  })

  test('that is missing keeps the file from being opened, and is named', async () => {
    await withStore([one], fill)
    await expect(withStore([])).rejects.toThrow(
      `${path} holds secrets that are encrypted with the key ${one.id}, and there is no key: restore ${path}.key from where it is backed up, or set ENCRYPTION_KEY`,
    )
    expect(existsSync(`${path}.key`)).toBe(false)
    await withStore([one], async (store) => expect(await store.getEndpoint(APP, made.id)).toEqual(made))
  })

  test('that is wrong keeps the file from being opened, and the right one is named', async () => {
    await withStore([one], fill)
    await expect(withStore([two])).rejects.toThrow(
      `encrypted with the key ${one.id}, and the newest key that was given is ${two.id}`,
    )
  })

  test('of the file beside the database is pointed at when ENCRYPTION_KEY lacks it', async () => {
    await withStore([], fill)
    await expect(withStore([one])).rejects.toThrow(`${path}.key has it; put what is in there behind the newest key`)
  })

  test('of another database is told apart', async () => {
    await withStore([], fill)
    renameSync(path, `${path}.kept`)
    rmSync(`${path}.key`)
    await withStore([], fill)
    renameSync(`${path}.kept`, path)
    await expect(withStore([])).rejects.toThrow(`${path}.key is another database's`)
  })

  test.each([
    ['', 'is empty: restore it from where it is backed up'],
    ['not a key', 'has as number 1 what is not base64 of 32 bytes'],
  ])('whose file holds "%s" is refused in one line', async (text, problem) => {
    await withStore([], fill)
    writeFileSync(`${path}.key`, text)
    await expect(withStore([])).rejects.toThrow(`${path}.key ${problem}`)
  })

  test('that is replaced stays readable as long as it is given behind the new one', async () => {
    await withStore([one], fill)
    await withStore([two, one], async (store) => {
      expect(await store.getEndpoint(APP, made.id)).toEqual(made)
      expect(await store.secret('jwt', () => 'x')).toBe('signs-all-tokens')
    })
    // The new one may be in use from now on.
    await expect(withStore([one])).rejects.toThrow(`encrypted with the key ${two.id}`)
  })
})

describe('secrets', () => {
  test('are in none of the files in the clear', async () => {
    await withStore([], async (store) => {
      await fill(store)
      expect(await store.getEndpoint(APP, made.id)).toEqual(made)
      expect((await store.listEndpoints({ appId: APP, limit: 9, offset: 0, disabled: null })).data).toEqual([made])
      expect(readable(IN_THE_CLEAR)).toEqual([])
      expect(readable([made.id])).toEqual([made.id])
    })
    expect(readable(IN_THE_CLEAR)).toEqual([])
  })

  test('of an older file are encrypted at the first start, and nothing of them stays behind', async () => {
    oldFile()
    expect(readable(IN_THE_CLEAR)).toEqual(IN_THE_CLEAR)
    const notices = await withStore([], async (store) => {
      expect(await store.getEndpoint(APP, made.id)).toMatchObject({ secrets: made.secrets, headers: made.headers })
      expect(readable(IN_THE_CLEAR)).toEqual([])
    })
    expect(notices).toEqual([
      expect.stringContaining('.key, the key of the secrets'),
      `encrypted what was secret and in the clear: 2 records. Older backups of ${path} still have them in the clear`,
    ])
    expect(readable(IN_THE_CLEAR)).toEqual([])
  })

  test('that were moved to another endpoint do not open there, and nothing else is harmed', async () => {
    const other = endpoint({ secrets: [{ secret: 'other-secret', expiresAt: null }] })
    await withStore([one], async (store) => {
      await fill(store)
      await store.createEndpoint(other)
    })
    {
      using db = new DatabaseSync(path)
      db.prepare('UPDATE endpoint SET secrets = (SELECT secrets FROM endpoint WHERE id = ?) WHERE id = ?').run(
        made.id,
        other.id,
      )
    }
    await withStore([one], async (store) => {
      await expect(store.getEndpoint(APP, other.id)).rejects.toMatchObject({ code: 'store_unavailable' })
      expect(await store.getEndpoint(APP, made.id)).toEqual(made)
      // Routing needs no secrets.
      expect(await store.endpointsOf(APP)).toHaveLength(2)
    })
  })

  test('are read for the token command with the key file, and with ENCRYPTION_KEY', async () => {
    await withStore([], fill)
    expect(readSecret(path, 'jwt', [])).toBe('signs-all-tokens')
    expect(() => readSecret(path, 'jwt', [one])).toThrow('.key has it')
    expect(readSecret(path, 'other', [])).toBeNull()
    expect(readSecret(`${path}.not`, 'jwt', [])).toBeNull()
  })
})

test('the directory data of the working directory is made private when nothing else is in it', async () => {
  const before = process.cwd()
  mkdirSync(directory.file('data'), { mode: 0o755 })
  process.chdir(dirname(directory.file('data')))
  try {
    const open = async () => (await openSqliteStore({ path: './data/hookferry.db' }))[Symbol.asyncDispose]()
    writeFileSync('data/notes.txt', '')
    await open()
    expect(modeOf('data')).toBe(0o755)
    rmSync('data/notes.txt')
    await open()
    expect(modeOf('data')).toBe(0o700)
  } finally {
    process.chdir(before)
  }
})
