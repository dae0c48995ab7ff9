/** Rotating the key of a database that is in use. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EncryptionKey, encryptionKey, keyIdOf } from '../../src/domain/encryption.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import { rekeyPostgres } from '../../src/store/postgres/rekey.ts'
import type { Rekeyed } from '../../src/store/rekey.ts'
import { rekeySqlite } from '../../src/store/sqlite/rekey.ts'
import type { Store } from '../../src/store/store.ts'
import { APP, endpoint, T0 } from '../conformance/builders.ts'
import { source } from '../conformance/store-sources.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { openStore } from './temp-postgres.ts'
import { tempDirectory } from './temp-store.ts'

const [old, fresh] = [encryptionKey(Buffer.alloc(32, 1)), encryptionKey(Buffer.alloc(32, 2))]

interface Database extends AsyncDisposable {
  open(keys: EncryptionKey[]): Promise<Store>
  rekey(keys: EncryptionKey[], onProgress?: () => void): Promise<Rekeyed>
  sql(text: string): Promise<Record<string, unknown>[]>
}

const ENDPOINTS = 450

const secretOf = (i: number) => `whsec_${Buffer.from(`secret number ${i}`).toString('base64')}`
const made = Array.from({ length: ENDPOINTS }, (_, i) =>
  endpoint({
    createdAt: T0 + i,
    secrets: [{ secret: secretOf(i), expiresAt: null }],
    headers: i % 2 === 0 ? {} : { authorization: `Bearer ${i}` },
  }),
)
const door = source({ secrets: [{ secret: 'of a door', expiresAt: null }] })
/** Each has secrets, every other one headers; there is a source, and the key that signs tokens. */
const TEXTS = ENDPOINTS + ENDPOINTS / 2 + 2

async function fill(store: Store): Promise<void> {
  await Promise.all(made.map((one) => store.createEndpoint(one)))
  await store.deleteEndpoint({ appId: APP, id: made[3]!.id }, T0)
  await store.createSource(door, 1)
  await store.secret('jwt', () => 'signs-all-tokens')
}

async function expectAll(store: Store): Promise<void> {
  const all = await Promise.all(made.map(({ id }) => store.getEndpoint(APP, id)))
  expect(all.map((one) => one?.secrets)).toEqual(made.map(({ secrets }, i) => (i === 3 ? undefined : secrets)))
  expect(await store.getSource(door.id)).toEqual(door)
  expect(await store.secret('jwt', () => 'x')).toBe('signs-all-tokens')
}

const idsOf = (rows: Record<string, unknown>[]) => new Set(rows.map(({ secrets }) => keyIdOf(String(secrets))))
const idsInUse = async (database: Database) =>
  idsOf(await database.sql('SELECT secrets FROM endpoint UNION ALL SELECT secrets FROM source'))
const registered = async (database: Database) =>
  (await database.sql('SELECT id FROM encryption_key ORDER BY id')).map(({ id }) => String(id))

function rekeying(open: () => Promise<Database>): void {
  test('a key is replaced while a gateway works, and the old one may go afterwards', async () => {
    await using database = await open()
    await using store = await database.open([old])
    await fill(store)
    await store[Symbol.asyncDispose]()

    await using running = await database.open([fresh, old])
    expect(await idsInUse(database)).toEqual(new Set([old.id]))
    let edits: Promise<unknown>[] = []
    const rekeyed = await database.rekey([fresh, old], () => {
      // Whatever the gateway writes meanwhile is not lost.
      const one = made[ENDPOINTS - 1 - edits.length]!
      edits = [
        ...edits,
        running.updateEndpoint({ ...one, description: 'edited', updatedAt: T0 + 9_999 }, one.updatedAt),
      ]
    })
    expect(edits.length).toBeGreaterThan(2)
    expect(new Set(await Promise.all(edits))).toEqual(new Set(['updated']))
    expect(rekeyed).toEqual({
      newest: fresh.id,
      counts: new Map([[fresh.id, TEXTS]]),
      unused: [old.id],
      problems: [],
    })
    expect(await idsInUse(database)).toEqual(new Set([fresh.id]))
    await expectAll(running)
    await running[Symbol.asyncDispose]()

    await using after = await database.open([fresh])
    await expectAll(after)
    expect((await after.getEndpoint(APP, made.at(-1)!.id))!.description).toBe('edited')
  })

  test('a run that was interrupted goes on where it was', async () => {
    await using database = await open()
    await using store = await database.open([old])
    await fill(store)
    await store[Symbol.asyncDispose]()
    await (await database.open([fresh, old]))[Symbol.asyncDispose]()
    const interrupted = database.rekey([fresh, old], () => {
      throw new Error('killed')
    })
    await expect(interrupted).rejects.toThrow('killed')
    expect(await idsInUse(database)).toEqual(new Set([old.id, fresh.id]))
    expect(new Set(await registered(database))).toEqual(new Set([old.id, fresh.id]))
    expect((await database.rekey([fresh, old])).unused).toEqual([old.id])
    expect(await registered(database)).toEqual([fresh.id])
  })

  test('a key that no gateway was started with encrypts nothing', async () => {
    await using database = await open()
    await using store = await database.open([old])
    await fill(store)
    await expect(database.rekey([fresh, old])).rejects.toThrow('start all of them with it')
    await expect(database.rekey([fresh])).rejects.toThrow(`encrypted with the key ${old.id}`)
    expect(await idsInUse(database)).toEqual(new Set([old.id]))
  })

  test('what cannot be decrypted is told, the rest is done, and the old key stays', async () => {
    await using database = await open()
    await using store = await database.open([old])
    await fill(store)
    await store[Symbol.asyncDispose]()
    const [one, two] = [made[10]!, made[20]!]
    await database.sql(
      `UPDATE endpoint SET secrets = (SELECT secrets FROM endpoint WHERE id = '${one.id}') WHERE id = '${two.id}'`,
    )
    await (await database.open([fresh, old]))[Symbol.asyncDispose]()
    const { counts, unused, problems } = await database.rekey([fresh, old])
    expect(problems).toEqual([`secrets of ${two.id} was changed, or belongs to another row`])
    expect(unused).toEqual([])
    expect(counts).toEqual(
      new Map([
        [fresh.id, TEXTS - 1],
        [old.id, 1],
      ]),
    )
    expect(await registered(database)).toHaveLength(2)
  })
}

describe('SQLite', () => {
  rekeying(async () => {
    const directory = await tempDirectory()
    const path = directory.file('hookferry.db')
    return {
      open: (encryptionKeys) => openSqliteStore({ path, encryptionKeys }),
      rekey: (keys, onProgress = () => {}) => rekeySqlite(path, keys, onProgress),
      async sql(text) {
        using db = new DatabaseSync(path, { timeout: 5_000 })
        return db.prepare(text).all()
      },
      [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
    }
  })
})

describe.skipIf(missingPostgres() !== null)('PostgreSQL', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  const open = async (): Promise<Database> => {
    const url = await server!.createDatabase()
    return {
      open: (encryptionKeys) => openStore(url, { encryptionKeys }),
      rekey: (keys, onProgress = () => {}) => rekeyPostgres(url, keys, onProgress),
      sql: (text) => server!.sql(url, text),
      [Symbol.asyncDispose]: async () => {},
    }
  }
  rekeying(open)

  test('what was stored in the clear is encrypted', async () => {
    await using database = await open()
    {
      await using store = await database.open([])
      await fill(store)
    }
    expect(await idsInUse(database)).toEqual(new Set([null]))
    await using store = await database.open([fresh])
    await expectAll(store)
    expect(await database.rekey([fresh])).toMatchObject({ counts: new Map([[fresh.id, TEXTS]]), unused: [] })
    expect(await idsInUse(database)).toEqual(new Set([fresh.id]))
    await expectAll(store)
  })

  test('nothing is done without a key', async () => {
    await using database = await open()
    await expect(database.rekey([])).rejects.toThrow('ENCRYPTION_KEY is not set')
  })
})
