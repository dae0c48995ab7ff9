/**
 * Copies a SQLite file into PostgreSQL, for the day on which one machine is not enough. The file is only read, apart
 * from a name that it gets. No other process may use it meanwhile. Each step writes some rows, and the position that
 * the copy has reached, in one transaction. So a copy that was interrupted is simply started again. At the end all
 * tables are counted on both sides.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { Client } from 'pg'
import type { Encryption, EncryptionKey } from '../../domain/encryption.ts'
import { recoder } from '../keys.ts'
import { type Database, openWriter } from '../sqlite/database.ts'
import { checkKeys, fileKeys, usedKeys } from '../sqlite/encryption.ts'
import { connectionConfig, Pool } from '../postgres/database.ts'
import { prepareEncryption } from '../postgres/encryption.ts'
import { ATTEMPT, Partitions, PAYLOAD } from '../postgres/partitions.ts'
import { prepareDatabase, sessionSettings, type StartOptions } from '../postgres/start.ts'
import { insert, type Columns, readColumns } from './insert.ts'
import { type Table, TABLES } from './tables.ts'

export interface CopyOptions {
  /** Path of the SQLite file. */
  path: string
  /** URL of the PostgreSQL database. */
  url: string
  /**
   * The keys of ENCRYPTION_KEY, newest first. The first one encrypts in the target; without any, secrets are in the
   * clear there.
   */
  encryptionKeys?: readonly EncryptionKey[]
  /** Called with each fact that the operator has to know, one sentence each. */
  onNotice?: (notice: string) => void
  /** Called after every step. */
  onProgress: (done: { table: string; rows: number }) => void
  /** For tests: accepts a server that would lose data in a crash. */
  allowUnsafeFsync?: boolean
  /** For tests: stops as if the process were killed. */
  signal?: AbortSignal
}

/** The position of a copy: the table that is being copied, and the key of its last row that is in the target. */
interface Progress {
  source: string
  table: string
  after: unknown[] | null
  isDone: boolean
}

const PROGRESS = 'copy'
const STEP = { rows: 1_000, bytes: 4 * 1_048_576 }

/** Returns the number of rows of each table. Throws when the target holds something else, or when the counts differ. */
export async function copyToPostgres(options: CopyOptions): Promise<Record<string, number>> {
  const start: StartOptions = {
    url: options.url,
    openTimeoutMs: 30_000,
    connectTimeoutMs: 5_000,
    allowUnsafeFsync: options.allowUnsafeFsync ?? false,
  }
  // Opening would make an empty file, and a copy of that would look like success.
  if (!existsSync(options.path)) throw new Error(`${options.path} does not exist`)
  const { synchronousCommit } = await prepareDatabase(start)
  const { db, lock } = openWriter(options.path)
  const settings = { ...sessionSettings(synchronousCommit), statement_timeout: 0 }
  const target = new Client({ ...connectionConfig({ ...start, settings }), pipeline: false })
  // The query that waits for an answer is told of a lost connection; without a listener the error would end the
  // process.
  target.on('error', () => {})
  const pool = new Pool({ ...start, settings, max: 1, queryTimeoutMs: 60_000, onTrouble: () => {} })
  const partitions = new Partitions(pool, () => {})
  try {
    const recode = recoder(sourceEncryption(db, options), await targetEncryption(pool, options))
    await target.connect()
    await partitions.maintain()
    const source = nameOf(db)
    let progress = await begin(target, source)
    const columns = await readColumns(target)
    for (const table of TABLES.slice(TABLES.findIndex(({ name }) => name === progress.table))) {
      const after = table.name === progress.table ? progress.after : null
      for (const step of stepsOf(db, table, after)) {
        options.signal?.throwIfAborted()
        progress = { source, table: table.name, after: step.at(-1)!.key, isDone: false }
        const rows = step.map(({ row }) => recode(table.name, row))
        // Rows of the default partitions would have to be looked through for each partition that is made later.
        if (table.name === 'msg') await partitions.ready(PAYLOAD, timesOf(rows, 'expires_at'))
        if (table.name === 'attempt') await partitions.ready(ATTEMPT, timesOf(rows, 'at'))
        await write(target, { table, rows, progress, columns })
        options.onProgress({ table: table.name, rows: step.length })
      }
    }
    return await finish(target, db, { ...progress, isDone: true })
  } finally {
    await target.end().catch(() => {})
    await pool.close().catch(() => {})
    db.close()
    lock.close()
  }
}

/** Encryption of the source. A key file belongs to the SQLite file and is tried too, whatever keys the target has. */
function sourceEncryption(db: Database, { path, encryptionKeys = [] }: CopyOptions): Encryption {
  const used = usedKeys(db)
  const hasAll = used.every((id) => encryptionKeys.some((key) => key.id === id))
  return checkKeys(path, hasAll ? encryptionKeys : [...fileKeys(path), ...encryptionKeys], used)
}

async function targetEncryption(
  pool: Pool,
  { encryptionKeys = [], onNotice = () => {} }: CopyOptions,
): Promise<Encryption> {
  const { encryption, notices } = await prepareEncryption(pool, encryptionKeys)
  for (const notice of notices) onNotice(notice)
  return encryption
}

const timesOf = (rows: readonly Record<string, unknown>[], column: string): number[] => [
  ...new Set(rows.map((row) => Number(row[column]))),
]

/** Gives the file a name by which it is recognized later. */
function nameOf(db: Database): string {
  db.run('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)', 'copy_source', randomBytes(8).toString('hex'))
  return db.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', 'copy_source')!.value
}

const NOT_EMPTY =
  'the PostgreSQL database is in use already: copy into an empty one, and start the gateway on it afterwards'

async function begin(target: Client, source: string): Promise<Progress> {
  const { rows } = await target.query<{ value: string }>('SELECT value FROM meta WHERE name = $1', [PROGRESS])
  const known = rows[0] === undefined ? null : (JSON.parse(rows[0].value) as Progress)
  if (known !== null) {
    if (known.source !== source) throw new Error('the PostgreSQL database holds a copy of another file')
    if (known.isDone) throw new Error('this file was copied completely before')
    return known
  }
  const used = await target.query(
    `SELECT 1 FROM endpoint UNION ALL SELECT 1 FROM source UNION ALL SELECT 1 FROM msg
     UNION ALL SELECT 1 FROM messages UNION ALL SELECT 1 FROM answer
     UNION ALL (SELECT 1 FROM application OFFSET 1) LIMIT 1`,
  )
  if (used.rows.length > 0) throw new Error(NOT_EMPTY)
  // A gateway that was started once to try the connection has left names in the target that mean nothing yet.
  await target.query('DELETE FROM meta')
  return { source, table: TABLES[0]!.name, after: null, isDone: false }
}

interface Read {
  key: unknown[]
  row: Record<string, unknown>
}

/** The rows of a table behind `after`, one batch after the other, in the order of the key. */
function* stepsOf(db: Database, { name, key }: Table, after: unknown[] | null): Generator<Read[]> {
  const columns = key.join(', ')
  const where = after === null ? '' : `WHERE (${columns}) > (${key.map(() => '?').join(', ')})`
  const rows = db.connection
    .prepare(`SELECT * FROM "${name}" ${where} ORDER BY ${columns}`)
    .iterate(...((after ?? []) as string[]))
  let step: Read[] = []
  let bytes = 0
  for (const row of rows as Iterable<Record<string, unknown>>) {
    step.push({ key: key.map((column) => row[column]), row })
    for (const value of Object.values(row)) bytes += value instanceof Uint8Array ? value.byteLength : 32
    if (step.length < STEP.rows && bytes < STEP.bytes) continue
    yield step
    step = []
    bytes = 0
  }
  if (step.length > 0) yield step
}

async function write(
  target: Client,
  {
    table,
    rows,
    progress,
    columns,
  }: { table: Table; rows: Record<string, unknown>[]; progress: Progress; columns: Columns },
): Promise<void> {
  await inTransaction(target, async () => {
    for (const part of table.parts) await insert(target, part, rows.flatMap(part.rows), columns)
    await saveProgress(target, progress)
  })
}

async function inTransaction(target: Client, work: () => Promise<void>): Promise<void> {
  await target.query('BEGIN')
  try {
    await work()
    await target.query('COMMIT')
  } catch (error) {
    await target.query('ROLLBACK').catch(() => {})
    throw error
  }
}

const saveProgress = (target: Client, progress: Progress) =>
  target.query(
    'INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    [PROGRESS, JSON.stringify(progress)],
  )

/** Makes the lanes, compares the tables on both sides, and closes the copy. */
async function finish(target: Client, db: Database, progress: Progress): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const differences: string[] = []
  for (const { name } of TABLES) {
    const here = db.get<{ n: number }>(`SELECT count(*) AS n FROM "${name}"`)!.n
    const { rows } = await target.query<{ n: number }>(`SELECT count(*) AS n FROM "${name}"`)
    counts[name] = rows[0]!.n
    // The position of the copy is a row of its own in the target.
    const there = rows[0]!.n - (name === 'meta' ? 1 : 0)
    if (there !== here) differences.push(`${name} has ${there} rows instead of ${here}`)
  }
  if (differences.length > 0) throw new Error(`the copy is not complete: ${differences.join('; ')}`)
  await inTransaction(target, async () => {
    await target.query(
      `INSERT INTO lane (app_id, endpoint_id, retry, wake_at, oldest_due_at, size)
       SELECT d.app_id, d.endpoint_id, d.retry, greatest(min(d.due_at), max(coalesce(e.paused_until, 0))), min(d.due_at), count(*)
       FROM delivery d LEFT JOIN endpoint e ON e.app_id = d.app_id AND e.id = d.endpoint_id
       WHERE d.state = 'pending' GROUP BY d.app_id, d.endpoint_id, d.retry
       ON CONFLICT (app_id, endpoint_id, retry) DO UPDATE
         SET wake_at = excluded.wake_at, oldest_due_at = excluded.oldest_due_at, size = excluded.size`,
    )
    await saveProgress(target, progress)
  })
  await target.query('ANALYZE')
  return counts
}
