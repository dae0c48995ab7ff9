/**
 * Retention: partitions that are past it are dropped; rows in the default partitions are deleted. One node at a time
 * does this, whichever comes first; the others have nothing to do.
 */
import { startId } from '../../domain/ids.ts'
import { POSTPONE_MS } from '../shared/constants.ts'
import { pruneAnswers } from './answers.ts'
import { type Pool, type Writing, type Session, statement } from './database.ts'
import { failHeld } from './hold.ts'
import { foldCounts } from './inbox-counts.ts'
import type { Writer } from './once.ts'
import { ATTEMPT, type Partition, PARTITIONS_LOCK, partitionsOf, PAYLOAD } from './partitions.ts'
import type { PayloadStep } from '../port/retention.ts'
import { PAYLOAD_GRACE_MS } from './payloads.ts'
import { sqlState } from './trouble.ts'
import { textArray } from './values.ts'

const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Runs `work` unless another node does. A drop waits for readers only briefly: all later readers would wait behind it.
 */
const alone = async <T>(pool: Pool, otherwise: T, work: (session: Session) => Promise<T>): Promise<T> => {
  try {
    return await pool.transaction(async (session) => {
      await session.run("SET LOCAL lock_timeout = '300ms'")
      const lock = await session.get<{ free: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS free', PARTITIONS_LOCK)
      return lock?.free === true ? await work(session) : otherwise
    })
  } catch (error) {
    // A reader holds the table that should be dropped: a later step drops it.
    if (sqlState(error) === LOCK_NOT_AVAILABLE) return otherwise
    throw error
  }
}

const PRUNE_ATTEMPTS = statement(
  'prune-attempts',
  `DELETE FROM attempt_default WHERE (app_id, endpoint_id, id) IN (
     SELECT app_id, endpoint_id, id FROM attempt_default WHERE id < $1 ORDER BY id LIMIT $2)`,
)

/** Removes attempts made before `before`: a partition of them, or some of those outside of all partitions. */
export async function pruneAttempts({ pool, partitions }: Writer, before: number, max: number): Promise<number> {
  await partitions.maintain()
  return alone(pool, 0, async (session) => {
    for (const { name, end } of await partitionsOf(session, ATTEMPT)) {
      if (end > before) break
      const rows = await rowsIn(session, name)
      await session.run(`DROP TABLE ${name}`)
      if (rows > 0) return rows
    }
    return session.run(PRUNE_ATTEMPTS, startId('atmpt', before), max)
  })
}

/**
 * The approximate number of rows of a partition: the server's estimate, or a count where it made none because there are
 * few.
 */
async function rowsIn(session: Session, name: string): Promise<number> {
  if ((await session.run(`SELECT 1 FROM ${name} LIMIT 1`)) === 0) return 0
  const known = await session.get<{ rows: number }>(
    'SELECT reltuples AS rows FROM pg_class WHERE oid = $1::regclass',
    name,
  )
  if (known !== undefined && known.rows >= 1) return Math.round(known.rows)
  const counted = await session.get<{ rows: string }>(`SELECT count(*) AS rows FROM ${name}`)
  return Number(counted?.rows ?? 1)
}

/** Payloads of a partition that one step looks at, for each that it may move. */
const LOOKED_AT = 20

interface Expired {
  app_id: string
  msg_id: string
  open: boolean
}

const IS_OPEN = `EXISTS (SELECT 1 FROM delivery d
  WHERE d.app_id = p.app_id AND d.msg_id = p.msg_id AND d.state IN ('pending', 'leased'))`

/** A request for a manual attempt holds the message as well: such a message is skipped until a later step. */
const HOLD_EXPIRED_IN_DEFAULT = statement(
  'prune-payloads-hold',
  `SELECT p.app_id, p.msg_id FROM payload_default p JOIN msg m ON m.app_id = p.app_id AND m.id = p.msg_id
   WHERE p.expires_at + 0 <= $1 ORDER BY p.expires_at + 0 LIMIT $2 FOR UPDATE OF m SKIP LOCKED`,
)

/** A statement of its own, so that it sees the data committed before the messages were locked. */
const ARE_OPEN = statement(
  'prune-payloads-look',
  `SELECT p.app_id, p.msg_id, ${IS_OPEN} AS open FROM unnest($1::text[], $2::text[]) p (app_id, msg_id)`,
)

/** The rows with open deliveries, after those that only wait for held endpoints have been given up. */
async function stillOpen(session: Session, rows: readonly Expired[]): Promise<Expired[]> {
  const open = rows.filter((row) => row.open)
  if (open.length === 0) return []
  await failHeld(session, open)
  const left = await session.all<Expired>(
    ARE_OPEN,
    textArray(open.map((row) => row.app_id)),
    textArray(open.map((row) => row.msg_id)),
  )
  return left.filter((row) => row.open)
}

interface PayloadCursor {
  partition: string
  app_id: string
  msg_id: string
}

/** The position of the look through a partition. Every node has its own, and begins anew when it takes over. */
export interface PruneMemory {
  prunedUpTo: PayloadCursor | null
}

const NOTHING: PayloadStep = { dealt: 0, removed: 0 }

/** Removes payloads that expired and that no delivery needs any more. A step handles messages or a partition. */
export async function prunePayloads(
  { pool, memory }: Writing & { memory: PruneMemory },
  now: number,
  max: number,
): Promise<PayloadStep> {
  await foldCounts(pool)
  const cursor = memory.prunedUpTo
  let next = cursor
  const step = await alone(pool, NOTHING, async (session) => {
    const oldest = await oldestPayloads(session, now - PAYLOAD_GRACE_MS)
    if (oldest === undefined) return pruneDefault(session, now, max)
    const from = cursor?.partition === oldest.name ? cursor : { partition: oldest.name, app_id: '', msg_id: '' }
    const rows = await session.all<Expired>(
      `SELECT p.app_id, p.msg_id, ${IS_OPEN} AS open FROM ${oldest.name} p
       WHERE (p.app_id, p.msg_id) > ($1, $2) ORDER BY p.app_id, p.msg_id LIMIT $3`,
      from.app_id,
      from.msg_id,
      max * LOOKED_AT,
    )
    const kept = await stillOpen(session, rows)
    await postpone(session, kept, now + POSTPONE_MS)
    const last = rows.at(-1)
    next = last === undefined ? null : { partition: oldest.name, app_id: last.app_id, msg_id: last.msg_id }
    // All payloads of the partition were looked at: no delivery needs those that are left.
    if (last === undefined) await session.run(`DROP TABLE ${oldest.name}`)
    // Payloads that are not moved are removed with the partition.
    return { dealt: Math.max(rows.length, 1), removed: rows.length - kept.length }
  })
  memory.prunedUpTo = next
  return step
}

/** The oldest partition that has expired; empty ones on the way to it are dropped. */
async function oldestPayloads(session: Session, before: number): Promise<Partition | undefined> {
  for (const partition of await partitionsOf(session, PAYLOAD)) {
    if (partition.end > before) return undefined
    if ((await session.run(`SELECT 1 FROM ${partition.name} LIMIT 1`)) > 0) return partition
    await session.run(`DROP TABLE ${partition.name}`)
  }
  return undefined
}

async function pruneDefault(session: Session, now: number, max: number): Promise<PayloadStep> {
  const held = await session.all<Omit<Expired, 'open'>>(HOLD_EXPIRED_IN_DEFAULT, now, max)
  if (held.length === 0) return NOTHING
  const rows = await session.all<Expired>(
    ARE_OPEN,
    textArray(held.map((row) => row.app_id)),
    textArray(held.map((row) => row.msg_id)),
  )
  const open = new Set((await stillOpen(session, rows)).map((row) => `${row.app_id} ${row.msg_id}`))
  const done = rows.filter((row) => !open.has(`${row.app_id} ${row.msg_id}`))
  await postpone(
    session,
    rows.filter((row) => open.has(`${row.app_id} ${row.msg_id}`)),
    now + POSTPONE_MS,
  )
  if (done.length > 0)
    await session.run(
      `DELETE FROM payload_default p USING unnest($1::text[], $2::text[]) k (app_id, msg_id)
       WHERE p.app_id = k.app_id AND p.msg_id = k.msg_id AND p.expires_at <= $3`,
      textArray(done.map((row) => row.app_id)),
      textArray(done.map((row) => row.msg_id)),
      now,
    )
  return { dealt: rows.length, removed: done.length }
}

/** Moves payloads to a later partition, together with their messages' expiry. */
async function postpone(session: Session, rows: readonly Expired[], until: number): Promise<void> {
  if (rows.length === 0) return
  await session.run(
    `WITH k AS (
       UPDATE msg m SET expires_at = $3 FROM unnest($1::text[], $2::text[]) k (app_id, msg_id), msg old
       WHERE m.app_id = k.app_id AND m.id = k.msg_id AND old.app_id = k.app_id AND old.id = k.msg_id
       RETURNING m.app_id, m.id, old.expires_at
     )
     UPDATE payload p SET expires_at = $3 FROM k
     WHERE p.app_id = k.app_id AND p.msg_id = k.id AND p.expires_at = k.expires_at`,
    textArray(rows.map((row) => row.app_id)),
    textArray(rows.map((row) => row.msg_id)),
    until,
  )
}

const PRUNE_IDEMPOTENCY = statement(
  'prune-idempotency',
  `WITH old AS (
     SELECT app_id, scope, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
   )
   DELETE FROM idempotency i USING old o WHERE i.app_id = o.app_id AND i.scope = o.scope AND i.key = o.key
   RETURNING 1 AS done`,
)

/** Removes both kinds of first answers: those of messages and those of requests. */
export async function pruneIdempotency({ pool }: Writing, now: number, max: number): Promise<number> {
  const { length: count } = await pool.write(PRUNE_IDEMPOTENCY, now, max)
  return count + (count < max ? await pruneAnswers(pool, now, max - count) : 0)
}
