import type { ClockStep } from '../../domain/clock-step.ts'
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import type { QueuePlace } from '../port/queue.ts'
import { type WaitingRow, BEGINNING, dueOf, placeOf } from '../shared/clock-step.ts'
import { type Pool, type Writing, type Session, statement } from './database.ts'
import { numberArray, textArray } from './values.ts'

/**
 * Puts right the times that were written by a clock that was ahead: first pauses, then waiting deliveries, in the order
 * of their index.
 */
export async function putClockBack(
  { pool }: Writing,
  step: ClockStep,
  from: QueuePlace | null,
  max: number,
): Promise<{ moved: number; next: QueuePlace | null }> {
  if (from === null) await endPausesEarlier(pool, step)
  const { rows, moved } = await pool.transaction((session) => moveBehind(session, step, from ?? BEGINNING, max))
  const last = rows.at(-1)
  if (rows.length === max && last !== undefined) return { moved, next: placeOf(last) }
  await pool.write(WAKE, step.now)
  return { moved, next: null }
}

async function endPausesEarlier(pool: Pool, { now, backMs }: ClockStep): Promise<void> {
  await pool.write(
    `UPDATE endpoint SET paused_until = greatest($1::bigint, paused_until - $2::bigint)
     WHERE paused_until > $1::bigint AND paused_until < ${HELD_UNTIL}`,
    now,
    backMs,
  )
  await pool.write('UPDATE endpoint SET failing_since = $1 WHERE failing_since > $1', now)
  await pool.write('UPDATE endpoint SET given_up_since = $1 WHERE given_up_since > $1', now)
}

const BEHIND = statement(
  'clock-behind',
  `SELECT app_id, endpoint_id, retry, due_at, msg_id, run FROM delivery
   WHERE state = 'pending' AND (app_id, endpoint_id, retry, due_at) >= ($1, $2, $3::smallint, $4::bigint)
     AND (app_id, endpoint_id, retry, due_at, msg_id, run) > ($1, $2, $3::smallint, $4::bigint, $5, $6::int)
   ORDER BY app_id, endpoint_id, retry, due_at, msg_id, run LIMIT $7`,
)

/**
 * Locks in the order of the keys, as every transaction does. A delivery that is claimed at this moment is not pending
 * any more.
 */
const LOCK = statement(
  'clock-lock',
  `SELECT d.app_id, d.endpoint_id, d.retry, d.due_at, d.msg_id, d.run, d.last_attempt_at, m.received_at, e.paused_until
   FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) g (app_id, msg_id, endpoint_id, run)
   JOIN delivery d ON d.app_id = g.app_id AND d.msg_id = g.msg_id AND d.endpoint_id = g.endpoint_id AND d.run = g.run
   JOIN msg m ON m.app_id = d.app_id AND m.id = d.msg_id
   LEFT JOIN endpoint e ON e.app_id = d.app_id AND e.id = d.endpoint_id
   WHERE d.state = 'pending'
   ORDER BY d.app_id, d.msg_id, d.endpoint_id, d.run FOR UPDATE OF d SKIP LOCKED`,
)

const MOVE = statement(
  'clock-move',
  `UPDATE delivery d SET due_at = g.due_at
   FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bigint[]) g (app_id, msg_id, endpoint_id, run, due_at)
   WHERE d.app_id = g.app_id AND d.msg_id = g.msg_id AND d.endpoint_id = g.endpoint_id AND d.run = g.run`,
)

const LOWER = statement(
  'clock-lower',
  `WITH earliest AS (
     SELECT app_id, endpoint_id, retry, min(due_at) AS due_at
     FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[]) g (app_id, endpoint_id, retry, due_at)
     GROUP BY app_id, endpoint_id, retry
   ), locked AS (
     SELECT l.app_id, l.endpoint_id, l.retry, e.due_at FROM lane l
     JOIN earliest e ON e.app_id = l.app_id AND e.endpoint_id = l.endpoint_id AND e.retry = l.retry
     ORDER BY l.app_id, l.endpoint_id, l.retry FOR UPDATE OF l
   )
   UPDATE lane l SET oldest_due_at = least(l.oldest_due_at, k.due_at) FROM locked k
   WHERE l.app_id = k.app_id AND l.endpoint_id = k.endpoint_id AND l.retry = k.retry`,
)

async function moveBehind(
  session: Session,
  step: ClockStep,
  { appId, endpointId, retry, dueAt, msgId, run }: QueuePlace,
  max: number,
): Promise<{ rows: WaitingRow[]; moved: number }> {
  const rows = await session.all<WaitingRow>(BEHIND, appId, endpointId, retry, dueAt, msgId, run, max)
  const late = rows.filter((row) => row.due_at > step.now)
  const locked = await session.all<WaitingRow>(LOCK, ...keysOf(late))
  const moves = locked.map((row) => ({ row, to: dueOf(row, step) })).filter(({ row, to }) => to !== row.due_at)
  if (moves.length === 0) return { rows, moved: 0 }
  const moved = moves.map((one) => one.row)
  const times = numberArray(moves.map((one) => one.to))
  await session.run(MOVE, ...keysOf(moved), times)
  await session.run(
    LOWER,
    textArray(moved.map((row) => row.app_id)),
    textArray(moved.map((row) => row.endpoint_id)),
    numberArray(moved.map((row) => row.retry)),
    times,
  )
  return { rows, moved: moved.length }
}

const keysOf = (rows: readonly WaitingRow[]) => [
  textArray(rows.map((row) => row.app_id)),
  textArray(rows.map((row) => row.msg_id)),
  textArray(rows.map((row) => row.endpoint_id)),
  numberArray(rows.map((row) => row.run)),
]

/**
 * Lanes sleep until their oldest delivery is due and the pause is over; lanes that would sleep longer are woken then.
 */
const WAKE = statement(
  'clock-wake',
  `WITH late AS (
     SELECT l.app_id, l.endpoint_id, l.retry, greatest(l.oldest_due_at, coalesce(e.paused_until, 0)) AS wake_at
     FROM lane l LEFT JOIN endpoint e ON e.app_id = l.app_id AND e.id = l.endpoint_id
     WHERE l.wake_at > $1 AND l.wake_at > greatest(l.oldest_due_at, coalesce(e.paused_until, 0))
     ORDER BY l.app_id, l.endpoint_id, l.retry FOR UPDATE OF l
   )
   UPDATE lane l SET wake_at = k.wake_at FROM late k
   WHERE l.app_id = k.app_id AND l.endpoint_id = k.endpoint_id AND l.retry = k.retry`,
)
