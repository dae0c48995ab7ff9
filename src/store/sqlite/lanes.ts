/**
 * Lanes: one row for each endpoint with pending deliveries, first attempts and retries apart. A claim asks the lanes
 * whose turn it is instead of sorting all due deliveries. So a claim costs the same with a thousand due deliveries and
 * with ten million, and an endpoint with a million gets no more turns than one with three.
 *
 * `wake_at` is the time at which the lane has to be looked at. A lane that was served moves behind the others that are
 * due.
 */
import { END_OF_TIME } from '../shared/constants.ts'
import type { Database } from './database.ts'

export interface LaneKey {
  appId: string
  endpointId: string
  retry: 0 | 1
}

/** Counts one delivery that became pending, and wakes the lane in time for it. */
export function addToLane(db: Database, lane: LaneKey, dueAt: number): void {
  db.run(
    `INSERT INTO lane (app_id, endpoint_id, retry, wake_at, oldest_due_at, size)
     VALUES (?1, ?2, ?3, max(?4, coalesce((SELECT paused_until FROM endpoint WHERE app_id = ?1 AND id = ?2), 0)), ?4, 1)
     ON CONFLICT DO UPDATE SET
       wake_at = min(wake_at, excluded.wake_at), oldest_due_at = min(oldest_due_at, excluded.oldest_due_at), size = size + 1`,
    lane.appId,
    lane.endpointId,
    lane.retry,
    dueAt,
  )
}

/** Takes `taken` deliveries off the lane's count and sets when it is looked at next; an empty lane is removed. */
export function afterTaking(db: Database, lane: LaneKey, taken: number, now: number): void {
  const next = oldestOf(db, lane)
  if (next === undefined) {
    db.run(
      'DELETE FROM lane WHERE app_id = ? AND endpoint_id = ? AND retry = ?',
      lane.appId,
      lane.endpointId,
      lane.retry,
    )
    return
  }
  db.run(
    `UPDATE lane SET wake_at = max(?4, ?5), oldest_due_at = ?4, size = max(size - ?6, 1)
     WHERE app_id = ?1 AND endpoint_id = ?2 AND retry = ?3`,
    lane.appId,
    lane.endpointId,
    lane.retry,
    next.due_at,
    now,
    taken,
  )
}

/**
 * Takes one delivery that was not claimed off the lane. Unlike a claim, this uses up no turn of the lane and ends no
 * pause.
 */
export function removeFromLane(db: Database, lane: LaneKey): void {
  const of = [lane.appId, lane.endpointId, lane.retry] as const
  const next = oldestOf(db, lane)
  if (next === undefined) db.run('DELETE FROM lane WHERE app_id = ? AND endpoint_id = ? AND retry = ?', ...of)
  else
    db.run(
      `UPDATE lane SET wake_at = max(wake_at, ?4), oldest_due_at = ?4, size = max(size - 1, 1)
       WHERE app_id = ?1 AND endpoint_id = ?2 AND retry = ?3`,
      ...of,
      next.due_at,
    )
}

const oldestOf = (db: Database, lane: LaneKey) =>
  db.get<{ due_at: number }>(
    `SELECT due_at FROM delivery WHERE state = 'pending' AND app_id = ? AND endpoint_id = ? AND retry = ?
     ORDER BY due_at LIMIT 1`,
    lane.appId,
    lane.endpointId,
    lane.retry,
  )

/** Keeps an endpoint's lanes asleep until `until`. */
export function pauseLanes(db: Database, appId: string, endpointId: string, until: number): void {
  db.run('UPDATE lane SET wake_at = max(wake_at, ?) WHERE app_id = ? AND endpoint_id = ?', until, appId, endpointId)
}

/** Wakes an endpoint's lanes now: its deliveries can be tried, or have to be cancelled. */
export function wakeLanes(db: Database, appId: string, endpointId: string, now: number): void {
  db.run('UPDATE lane SET wake_at = max(oldest_due_at, ?) WHERE app_id = ? AND endpoint_id = ?', now, appId, endpointId)
}

/**
 * Compares the lanes with their deliveries, a stretch of them at a time. Repairs the dangerous difference: a pending
 * delivery that no lane will wake for. It should never find any.
 */
export function repairLanes(
  db: Database,
  cursor: LaneKey | null,
  max: number,
): { repaired: number; cursor: LaneKey | null } {
  let at = cursor ?? { appId: '', endpointId: '', retry: 0 as const }
  let repaired = 0
  for (let i = 0; i < max; i++) {
    const next = db.get<{ app_id: string; endpoint_id: string; retry: 0 | 1; due_at: number }>(
      `SELECT app_id, endpoint_id, retry, due_at FROM delivery
       WHERE state = 'pending' AND (app_id, endpoint_id, retry, due_at) > (?, ?, ?, ${END_OF_TIME})
       ORDER BY app_id, endpoint_id, retry, due_at LIMIT 1`,
      at.appId,
      at.endpointId,
      at.retry,
    )
    if (next === undefined) return { repaired, cursor: null }
    at = { appId: next.app_id, endpointId: next.endpoint_id, retry: next.retry }
    const lane = db.get<{ oldest_due_at: number }>(
      'SELECT oldest_due_at FROM lane WHERE app_id = ? AND endpoint_id = ? AND retry = ?',
      at.appId,
      at.endpointId,
      at.retry,
    )
    if (lane !== undefined && lane.oldest_due_at <= next.due_at) continue
    addToLane(db, at, next.due_at)
    repaired++
  }
  return { repaired, cursor: at }
}
