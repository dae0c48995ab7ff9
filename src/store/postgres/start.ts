/** Opens a database, and checks the facts on which the gateway's promises rest. */
import { Client } from 'pg'
import { LIMITS } from '../../domain/limits.ts'
import { systemClock } from '../../lib/clock.ts'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import { connectionConfig } from './database.ts'
import { MIGRATIONS, SCHEMA_VERSION } from './migrations.ts'
import { reasonOf, sqlState } from './trouble.ts'

export interface StartOptions {
  url: string
  openTimeoutMs: number
  connectTimeoutMs: number
  /** For tests: accepts a server that would lose data in a crash. */
  allowUnsafeFsync: boolean
}

const VERSION_MIN = 14
/** "HkFy", as in SQLite's application id. */
const MIGRATION_LOCK = 0x48_6b_46_79
const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 2_000

/** Waits for the database, checks it, and brings its schema up to date. Returns the `synchronous_commit` to use. */
export async function prepareDatabase(options: StartOptions): Promise<{ synchronousCommit: string }> {
  const { url } = options
  if (!URL.canParse(url))
    throw new UnusableDatabase('the PostgreSQL URL cannot be read; is its password percent-encoded?')
  const client = await connect(options)
  try {
    const synchronousCommit = await checkServer(client, options)
    await migrate(client, url)
    return { synchronousCommit }
  } catch (error) {
    throw error instanceof UnusableDatabase ? error : explain(error, url)
  } finally {
    await client.end().catch(() => {})
  }
}

/** A database that is starting, or whose name is not known yet, is waited for; one that refuses is not. */
async function connect({ url, openTimeoutMs, connectTimeoutMs }: StartOptions): Promise<Client> {
  const deadline = performance.now() + openTimeoutMs
  for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(2 * waitMs, RETRY_MAX_MS)) {
    const settings = { lock_timeout: openTimeoutMs, statement_timeout: 0 }
    const client = new Client(connectionConfig({ url, settings, connectTimeoutMs }))
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      await client.end().catch(() => {})
      if (!isPassing(error) || performance.now() + waitMs > deadline) throw explain(error, url)
    }
    await new Promise<void>((resolve) => systemClock.after(waitMs, resolve))
  }
}

/**
 * True for passing trouble: starting up, shutting down, too many connections; or no answer at all, unless the address
 * or TLS is at fault.
 */
function isPassing(error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return state.startsWith('57P') || state.startsWith('53')
  return !/certificate|SSL|self.signed|password must be a string|SASL/i.test(reasonOf(error))
}

/**
 * Throws `UnusableDatabase` unless version, encoding and durability suffice. Returns the `synchronous_commit` to use.
 */
export async function checkServer(
  client: Client,
  { url, allowUnsafeFsync }: Pick<StartOptions, 'url' | 'allowUnsafeFsync'>,
): Promise<string> {
  const { rows } = await client.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings WHERE name IN
       ('server_version_num', 'server_version', 'server_encoding', 'synchronous_commit', 'fsync', 'full_page_writes',
        'in_hot_standby', 'transaction_read_only')`,
  )
  const setting = new Map(rows.map((row) => [row.name, row.setting]))
  const version = Number(setting.get('server_version_num'))
  const refuse = (why: string) => {
    throw new UnusableDatabase(`${nameOf(url)} cannot be used: ${why}`)
  }
  if (!(version >= VERSION_MIN * 10_000))
    refuse(`it is PostgreSQL ${setting.get('server_version')}, and ${VERSION_MIN} or newer is needed`)
  if (setting.get('server_encoding') !== 'UTF8')
    refuse(`its encoding is ${setting.get('server_encoding')}, and UTF8 is needed`)
  if (setting.get('in_hot_standby') === 'on') refuse('it is a standby, which takes no writes')
  if (setting.get('transaction_read_only') === 'on') refuse('its transactions are read only')
  for (const name of ['fsync', 'full_page_writes'])
    if (setting.get(name) !== 'on' && !allowUnsafeFsync)
      refuse(`its ${name} is off, so that a crash of its machine could lose what was acknowledged`)
  // Stronger than `on` is kept; anything weaker would acknowledge before the commit is on disk.
  return setting.get('synchronous_commit') === 'remote_apply' ? 'remote_apply' : 'on'
}

/**
 * Migrates under a lock, so that nodes that start together make the schema once. A step is done completely or not at
 * all.
 */
async function migrate(client: Client, url: string): Promise<void> {
  await client.query('BEGIN')
  await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
  await client.query('CREATE TABLE IF NOT EXISTS hookferry_schema (version INTEGER NOT NULL)')
  const { rows } = await client.query<{ version: number }>('SELECT version FROM hookferry_schema')
  const version = rows[0]?.version ?? 0
  if (version > SCHEMA_VERSION)
    throw new UnusableDatabase(
      `${nameOf(url)} was written by a newer Hookferry (schema ${version}; this one knows ${SCHEMA_VERSION}): run that version`,
    )
  for (const migration of MIGRATIONS) if (migration.version > version) await client.query(migration.sql)
  if (version < SCHEMA_VERSION) {
    await client.query('DELETE FROM hookferry_schema')
    await client.query('INSERT INTO hookferry_schema VALUES ($1)', [SCHEMA_VERSION])
  }
  await client.query('COMMIT')
}

/** The query for the schema's version, and the problem with a version; null when it is the one that is needed. */
export const SCHEMA_VERSION_NOW = `SELECT version FROM hookferry_schema`
export const schemaProblem = (version: number | undefined): string | null =>
  version === SCHEMA_VERSION ? null : `the schema is version ${version}, this gateway needs ${SCHEMA_VERSION}`

/** Server and database, without user and password. */
export function nameOf(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  return `the PostgreSQL database ${hostname === '' ? 'localhost' : hostname}${port === '' ? '' : `:${port}`}${pathname}`
}

const DUPLICATE_TABLE = '42P07'

/** Turns a failure to open into one line that says what to do, and that never holds the password. */
export function explain(error: unknown, url: string): UnusableDatabase {
  const { password } = new URL(url)
  let reason = reasonOf(error)
  for (const secret of [password, decodeURIComponent(password)])
    if (secret !== '') reason = reason.replaceAll(secret, '…')
  const advice =
    sqlState(error) === DUPLICATE_TABLE ? ': it has tables of some other program, and needs to be Hookferry’s own' : ''
  return new UnusableDatabase(`${nameOf(url)} cannot be opened: ${reason}${advice}`, { cause: error })
}

/** Settings of every session, in milliseconds. */
export const sessionSettings = (synchronousCommit: string) => ({
  synchronous_commit: synchronousCommit,
  // A node that is frozen in the middle of a transaction must not hold its locks for long.
  idle_in_transaction_session_timeout: 10_000,
  lock_timeout: 10_000,
  statement_timeout: LIMITS.writeTimeoutMs,
  jit: 'off',
  max_parallel_workers_per_gather: 0,
  default_transaction_isolation: String.raw`read\ committed`,
})

/**
 * Statements by key have one good plan, by index, whatever the tables' statistics say at the moment. A plan that was
 * made while a table was empty must not survive its growth, and planning each time would cost more than many of the
 * statements do.
 */
export const BY_INDEX = {
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
}
export const PLANNED_ONCE = { plan_cache_mode: 'force_generic_plan' }
