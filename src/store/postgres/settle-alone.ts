/**
 * Settles single attempts that the common statement does not cover. Each settlement begins by locking the delivery, so
 * that repeats wait for each other.
 */
import type { AttemptOutcome } from '../../domain/attempt.ts'
import { attemptInsert } from '../rows/attempt.ts'
import type { Settled, Settlement } from '../port/queue.ts'
import type { Session } from './database.ts'
import type { Waiting } from './lanes.ts'

/**
 * The result of a settlement. `waiting` is the delivery that became pending and has to be added to its lane.
 * `endsFailures` marks a success at an endpoint whose failures are on record.
 */
export type Progress = Pick<Settled, 'held' | 'number' | 'outcome'> & {
  isRepeat?: true
  waiting?: Waiting
  endsFailures?: true
}

const OF_DELIVERY = 'app_id = $1 AND msg_id = $2 AND endpoint_id = $3'
const keyOf = ({ key }: Settlement) => [key.appId, key.msgId, key.endpointId] as const

/** Settles a manual attempt, or a scheduled one whose lease is not held any more. */
export async function settleAlone(session: Session, settlement: Settlement): Promise<Progress> {
  await session.run(`SELECT 1 FROM delivery WHERE ${OF_DELIVERY} AND run = 0 FOR UPDATE`, ...keyOf(settlement))
  const progress =
    settlement.key.run === 0
      ? ((await recordedBefore(session, settlement)) ?? { held: false, ...(await countAttempt(session, settlement)) })
      : await settleManual(session, settlement)
  if (settlement.attempt !== null && progress.isRepeat !== true) await insertAttempt(session, settlement, progress)
  return progress
}

/** The row of a manual attempt lives until the attempt is made; its result is written to the delivery itself. */
async function settleManual(session: Session, settlement: Settlement): Promise<Progress> {
  const { key, owner, to } = settlement
  const isHeld = `${OF_DELIVERY} AND run = $4 AND lease_owner = $5`
  const where = [...keyOf(settlement), key.run, owner]
  if (to.state === 'pending') {
    const held = await session.run(
      `UPDATE delivery SET state = 'pending', due_at = $6, lease_owner = NULL WHERE ${isHeld}`,
      ...where,
      to.dueAt,
    )
    const waiting = { appId: key.appId, endpointId: key.endpointId, retry: 0 as const, dueAt: to.dueAt, size: 1 }
    return { held: held > 0, number: 0, outcome: null, ...(held > 0 ? { waiting } : {}) }
  }
  const held = (await session.run(`DELETE FROM delivery WHERE ${isHeld}`, ...where)) > 0
  const before = held ? null : await recordedBefore(session, settlement)
  return before ?? { held, ...(await countAttempt(session, settlement)) }
}

/**
 * The record of an earlier settlement of the same attempt. A caller that does not know whether its commit succeeded
 * settles again.
 */
async function recordedBefore(session: Session, { key, attempt }: Settlement): Promise<Progress | null> {
  if (attempt === null) return null
  const row = await session.get<{ number: number; outcome: AttemptOutcome }>(
    'SELECT number, outcome FROM attempt WHERE app_id = $1 AND endpoint_id = $2 AND id = $3',
    key.appId,
    key.endpointId,
    attempt.id,
  )
  return row === undefined ? null : { held: true, number: row.number, outcome: row.outcome, isRepeat: true }
}

/** Counts an attempt that does not move the schedule: a manual one, or one whose lease was lost. */
async function countAttempt(session: Session, settlement: Settlement): Promise<Omit<Progress, 'held'>> {
  const { key, attempt } = settlement
  if (attempt === null) return { number: 0, outcome: null }
  const row = await session.get<{ attempts: number; state: string }>(
    `UPDATE delivery SET attempts = attempts + 1, last_attempt_at = greatest(last_attempt_at, $4),
       state = CASE WHEN $5 AND state IN ('failed', 'cancelled') THEN 'delivered' ELSE state END
     WHERE ${OF_DELIVERY} AND run = 0 RETURNING attempts, state`,
    ...keyOf(settlement),
    attempt.at,
    key.run > 0 && attempt.outcome === 'success',
  )
  const isOpen = row !== undefined && (row.state === 'pending' || row.state === 'leased')
  const outcome: AttemptOutcome = attempt.outcome === 'success' ? 'success' : isOpen ? 'failed_attempt' : 'failure'
  return { number: row?.attempts ?? 1, outcome }
}

const INSERT = `INSERT INTO attempt (${attemptInsert.names}) VALUES (${attemptInsert.places()}) ON CONFLICT DO NOTHING`

async function insertAttempt(session: Session, { key, attempt }: Settlement, progress: Progress): Promise<void> {
  if (attempt === null) return
  const { appId, endpointId, msgId } = key
  const { number, outcome } = progress
  const row = { ...attempt, appId, endpointId, msgId, number, outcome: outcome ?? attempt.outcome }
  await session.run(INSERT, ...attemptInsert.values(row))
}
