import type { ClockStep } from '../../domain/clock-step.ts'
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import type { QueuePlace } from '../port/queue.ts'
import { type WaitingRow, BEGINNING, dueOf, placeOf } from '../shared/clock-step.ts'
import type { Database } from './database.ts'
import type { LaneKey } from './lanes.ts'

/**
 * Puts right the times that were written by a clock that was ahead: first pauses, then waiting deliveries, in the order
 * of their index.
 */
export function putClockBack(
  db: Database,
  step: ClockStep,
  from: QueuePlace | null,
  max: number,
): { moved: number; next: QueuePlace | null } {
  if (from === null) endPausesEarlier(db, step)
  const rows = waitingBehind(db, from ?? BEGINNING, max)
  let moved = 0
  for (const row of rows) {
    const dueAt = dueOf(row, step)
    if (dueAt === row.due_at) continue
    move(db, row, dueAt)
    moved++
  }
  const last = rows.at(-1)
  if (rows.length === max && last !== undefined) return { moved, next: placeOf(last) }
  wakeLanesInTime(db, step.now)
  return { moved, next: null }
}

function endPausesEarlier(db: Database, { now, backMs }: ClockStep): void {
  db.run(
    `UPDATE endpoint SET paused_until = max(?1, paused_until - ?2) WHERE paused_until > ?1 AND paused_until < ${HELD_UNTIL}`,
    now,
    backMs,
  )
  db.run('UPDATE endpoint SET failing_since = ?1 WHERE failing_since > ?1', now)
  db.run('UPDATE endpoint SET given_up_since = ?1 WHERE given_up_since > ?1', now)
}

const waitingBehind = (
  db: Database,
  { appId, endpointId, retry, dueAt, msgId, run }: QueuePlace,
  max: number,
): WaitingRow[] =>
  db.all<WaitingRow>(
    `SELECT d.app_id, d.endpoint_id, d.retry, d.due_at, d.msg_id, d.run, m.received_at, d.last_attempt_at, e.paused_until
     FROM (SELECT * FROM delivery
           WHERE state = 'pending' AND (app_id, endpoint_id, retry, due_at, msg_id, run) > (?, ?, ?, ?, ?, ?)
           ORDER BY app_id, endpoint_id, retry, due_at, msg_id, run LIMIT ?) d
     JOIN msg m ON m.app_id = d.app_id AND m.id = d.msg_id
     LEFT JOIN endpoint e ON e.app_id = d.app_id AND e.id = d.endpoint_id
     ORDER BY d.app_id, d.endpoint_id, d.retry, d.due_at, d.msg_id, d.run`,
    appId,
    endpointId,
    retry,
    dueAt,
    msgId,
    run,
    max,
  )

function move(db: Database, row: WaitingRow, dueAt: number): void {
  db.run(
    'UPDATE delivery SET due_at = ? WHERE app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = ?',
    dueAt,
    row.app_id,
    row.msg_id,
    row.endpoint_id,
    row.run,
  )
  const lane: LaneKey = { appId: row.app_id, endpointId: row.endpoint_id, retry: row.retry }
  db.run(
    'UPDATE lane SET oldest_due_at = min(oldest_due_at, ?) WHERE app_id = ? AND endpoint_id = ? AND retry = ?',
    dueAt,
    lane.appId,
    lane.endpointId,
    lane.retry,
  )
}

/**
 * Lanes sleep until their oldest delivery is due and the pause is over; lanes that would sleep longer are woken then.
 */
function wakeLanesInTime(db: Database, now: number): void {
  db.run(
    `UPDATE lane SET wake_at = max(oldest_due_at,
       coalesce((SELECT paused_until FROM endpoint e WHERE e.app_id = lane.app_id AND e.id = lane.endpoint_id), 0))
     WHERE wake_at > ?1 AND wake_at > max(oldest_due_at,
       coalesce((SELECT paused_until FROM endpoint e WHERE e.app_id = lane.app_id AND e.id = lane.endpoint_id), 0))`,
    now,
  )
}
