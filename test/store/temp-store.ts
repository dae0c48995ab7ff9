/** SQLite stores in directories of their own, which go away with them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { openSqliteStore, type SqliteOptions } from '../../src/store/sqlite/sqlite-store.ts'
import type { OpenedStore } from '../conformance/builders.ts'

// Each store starts up to four threads, and each of them compiles the same few files: the cache halves that.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'hookferry-compile-cache')

export interface TempDirectory extends AsyncDisposable {
  /** The path of a file in the directory. */
  file(name: string): string
}

export async function tempDirectory(): Promise<TempDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'hookferry-'))
  return {
    file: (name) => join(path, name),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

export interface TempStore extends OpenedStore {
  readonly path: string
}

/** An empty SQLite store; disposing closes it and removes its file. */
export async function openTempStore(options: Omit<SqliteOptions, 'path'> = {}): Promise<TempStore> {
  await using stack = new AsyncDisposableStack()
  const path = stack.use(await tempDirectory()).file('hookferry.db')
  let store = await openSqliteStore({ ...options, path })
  stack.defer(() => store[Symbol.asyncDispose]())
  const owned = stack.move()
  return {
    path,
    get store() {
      return store
    },
    async reopen() {
      await store[Symbol.asyncDispose]()
      store = await openSqliteStore({ ...options, path })
      return store
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface Pooled {
  opened: TempStore
  empty: () => void
}

async function openPooled(): Promise<Pooled> {
  const opened = await openTempStore()
  return { opened, empty: emptier(opened.path) }
}

export interface StorePool extends AsyncDisposable {
  open(): Promise<OpenedStore>
}

/**
 * Hands out empty stores. Starting four threads takes longer than most tests do, so that a store that was given back
 * is emptied and handed out again.
 */
export function storePool(): StorePool {
  const idle: Pooled[] = []
  return {
    async open() {
      const pooled = idle.pop() ?? (await openPooled())
      return {
        get store() {
          return pooled.opened.store
        },
        reopen: () => pooled.opened.reopen(),
        async [Symbol.asyncDispose]() {
          pooled.empty()
          idle.push(pooled)
        },
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(idle.map(({ opened }) => opened[Symbol.asyncDispose]()))
    },
  }
}

/** Puts a database back to the rows that it has now. */
function emptier(path: string): () => void {
  const withDatabase = <T>(work: (db: DatabaseSync) => T): T => {
    using db = new DatabaseSync(path, { timeout: 5_000 })
    return work(db)
  }
  const tables = withDatabase((db) =>
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .all()
      .map(({ name }) => ({ name: String(name), rows: db.prepare(`SELECT * FROM "${String(name)}"`).all() })),
  )
  const insert = (db: DatabaseSync, table: string, row: Record<string, SQLInputValue>) => {
    const values = Object.values(row)
    db.prepare(`INSERT INTO "${table}" VALUES (${values.map(() => '?').join(', ')})`).run(...values)
  }
  return () =>
    withDatabase((db) => {
      db.exec('PRAGMA synchronous = OFF; BEGIN IMMEDIATE')
      for (const { name } of tables) db.exec(`DELETE FROM "${name}"`)
      for (const { name, rows } of tables) for (const row of rows) insert(db, name, row)
      db.exec('COMMIT')
    })
}
