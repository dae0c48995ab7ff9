/**
 * Opens the file, and checks the facts on which the gateway's promises rest.
 *
 * WAL with synchronous=FULL means that a commit is on disk when it returns. One process owns a file: SQLite would let
 * several write, but leases, caches and group commit assume one. Ownership is an exclusive lock on a file beside the
 * database. The operating system takes the lock back when the process dies, however it dies.
 */
import { existsSync, statSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import type { Value } from '../shared/value.ts'
import { MIGRATIONS, SCHEMA_VERSION } from './migrations.ts'
import { makeDirectory, makeFile, makePrivate } from './private-files.ts'

/** Marks the file as Hookferry's: "HkFy" (https://www.sqlite.org/fileformat.html, 1.3.8). */
const APPLICATION_ID = 0x48_6b_46_79

export type Row = Record<string, SQLInputValue>

/** Values of a statement of both engines, as SQLite takes them: it has neither booleans nor lists. */
export const bound = (values: readonly Value[]): SQLInputValue[] =>
  values.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    return isList(value) ? JSON.stringify(value) : value
  })

const isList = (value: Value): value is readonly string[] => Array.isArray(value)

/** A connection with its prepared statements, each compiled once. */
export class Database {
  readonly connection: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(connection: DatabaseSync) {
    this.connection = connection
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      // A statement of both engines has `$1` for its first value; SQLite would take `$1` for the name of a value.
      statement = this.connection.prepare(sql.replaceAll(/\$(\d+)/g, '?$1'))
      this.#statements.set(sql, statement)
    }
    return statement
  }

  /** Runs a statement and returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  /** The first row. `T` is what the statement selects; the schema is STRICT, so the types hold. */
  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#prepare(sql).get(...values) as T | undefined
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...values) as T[]
  }

  /** Runs queries that have to see the same state of the file. For readers: a writer is in a transaction already. */
  snapshot<T>(work: () => T): T {
    this.exec('BEGIN')
    try {
      return work()
    } finally {
      this.exec('COMMIT')
    }
  }

  exec(sql: string): void {
    this.connection.exec(sql)
  }

  close(): void {
    this.connection.close()
  }
}

/** Does all of `work`, or nothing of it. */
export function transaction<T>(db: Database, work: () => T): T {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    // Some errors, a full disk among them, have rolled back already.
    if (db.connection.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** The value of a pragma. */
export const pragma = (connection: DatabaseSync, name: string) =>
  Object.values(connection.prepare(`PRAGMA ${name}`).get() ?? {})[0]

/**
 * Opens the file for writing, creates or migrates it, and checks that commits will be durable. `exposed` are files that
 * other users may read and that could not be made private.
 */
export function openWriter(path: string): { db: Database; lock: DatabaseSync; exposed: string[] } {
  try {
    makeDirectory(path)
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
      throw new UnusableDatabase(`${path} is a directory, not a file`)
    const lock = takeLock(path)
    try {
      makeFile(path)
      const connection = new DatabaseSync(path, { timeout: 5_000 })
      checkFile(connection, path)
      configure(connection, path)
      migrate(connection)
      const exposed = makePrivate(path)
      return { db: new Database(connection), lock, exposed }
    } catch (error) {
      lock.close()
      throw error
    }
  } catch (error) {
    throw explain(error, path)
  }
}

/** Opens the file for reading beside the writer. */
export function openReader(path: string): Database {
  const connection = new DatabaseSync(path, { readOnly: true, timeout: 5_000 })
  connection.exec('PRAGMA query_only = ON; PRAGMA cache_size = -32768')
  return new Database(connection)
}

/**
 * Opens a file for writing beside the gateway that owns it: for small transactions on rows that the gateway does not
 * cache.
 */
export function openBeside(path: string): Database {
  try {
    const connection = new DatabaseSync(path, { timeout: 30_000 })
    checkFile(connection, path)
    const version = Number(pragma(connection, 'user_version'))
    if (version < SCHEMA_VERSION)
      throw new UnusableDatabase(`${path} was written by an older Hookferry: start the gateway of this version once`)
    connection.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    return new Database(connection)
  } catch (error) {
    throw explain(error, path)
  }
}

/** Two processes that start at the same time may block each other for a moment: one of them has to get the lock. */
const LOCK_TIMEOUT_MS = 500

function takeLock(path: string): DatabaseSync {
  makeFile(`${path}.lock`)
  const lock = new DatabaseSync(`${path}.lock`, { timeout: LOCK_TIMEOUT_MS })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (isCode(error, SQLITE_BUSY))
      throw new UnusableDatabase(`${path} is in use by another running gateway; one process owns a SQLite file`)
    throw error
  }
}

/** Throws `UnusableDatabase` unless this is a database of a Hookferry that is not newer than this one. */
export function checkFile(connection: DatabaseSync, path: string): void {
  const applicationId = pragma(connection, 'application_id')
  const version = Number(pragma(connection, 'user_version'))
  const isEmpty = Number(pragma(connection, 'schema_version')) === 0
  if (!isEmpty && applicationId !== APPLICATION_ID)
    throw new UnusableDatabase(`${path} is a SQLite database of some other program`)
  if (version > SCHEMA_VERSION)
    throw new UnusableDatabase(
      `${path} was written by a newer Hookferry (schema ${version}; this one knows ${SCHEMA_VERSION}): run that version`,
    )
}

function configure(connection: DatabaseSync, path: string): void {
  connection.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA journal_size_limit = 67108864;
  `)
  const mode = pragma(connection, 'journal_mode')
  const synchronous = pragma(connection, 'synchronous')
  if (mode !== 'wal' || synchronous !== 2)
    throw new UnusableDatabase(
      `${path} cannot be used durably: journal_mode is ${String(mode)} (wal is needed), synchronous is ${String(synchronous)} (2, FULL, is needed)`,
    )
}

function migrate(connection: DatabaseSync): void {
  // Text that a step removes must not stay behind in free space of the file.
  connection.exec('PRAGMA secure_delete = ON; BEGIN IMMEDIATE')
  try {
    const version = Number(pragma(connection, 'user_version'))
    for (const migration of MIGRATIONS) if (migration.version > version) connection.exec(migration.sql)
    if (version < SCHEMA_VERSION)
      connection.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
    connection.exec('COMMIT')
  } catch (error) {
    if (connection.isTransaction) connection.exec('ROLLBACK')
    throw error
  }
  connection.exec('PRAGMA secure_delete = OFF')
}

// https://www.sqlite.org/rescode.html; the low byte of an extended code is its primary code.
const SQLITE_BUSY = 5
const SQLITE_IOERR = 10
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_CANTOPEN = 14
const SQLITE_READONLY = 8
const SQLITE_NOTADB = 26

const isCode = (error: unknown, code: number) =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === code

/** The whole file is in trouble, so that trying the commands one by one would fail as well. */
export const isFileTrouble = (error: unknown) =>
  [SQLITE_BUSY, SQLITE_IOERR, SQLITE_CORRUPT, SQLITE_FULL, SQLITE_READONLY].some((code) => isCode(error, code))

/** The disk is full. */
export const isFull = (error: unknown): boolean => isCode(error, SQLITE_FULL)

/** Turns a failure to open into one line that says what to do. */
export function explain(error: unknown, path: string): Error {
  if (error instanceof UnusableDatabase) return error
  if (!(error instanceof Error)) return new UnusableDatabase(`${path} cannot be opened: ${String(error)}`)
  const cause = { cause: error }
  if (isCode(error, SQLITE_NOTADB) || isCode(error, SQLITE_CORRUPT))
    return new UnusableDatabase(
      `${path} is damaged or not a SQLite database (${error.message}): restore it from a backup`,
      cause,
    )
  if (isCode(error, SQLITE_FULL)) return new UnusableDatabase(`there is no space left to write ${path}`, cause)
  if (isCode(error, SQLITE_READONLY) || isCode(error, SQLITE_CANTOPEN) || 'syscall' in error)
    return new UnusableDatabase(
      `${path} cannot be ${existsSync(path) ? 'written' : 'created'} (${error.message}): check the path and its permissions`,
      cause,
    )
  return new UnusableDatabase(`${path} cannot be opened: ${error.message}`, cause)
}
