/** Holds endpoints until they are configured: their lanes sleep, and their waiting deliveries are not claimed. */
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import type { Database } from './database.ts'
import { pauseLanes, removeFromLane, wakeLanes } from './lanes.ts'

/** Holds a live endpoint, or lets it go again. False when it was in that state already. */
export function holdEndpoint(
  db: Database,
  { appId, id, held }: { appId: string; id: string; held: boolean },
  now: number,
): boolean {
  const changed = db.run(
    `UPDATE endpoint SET paused_until = ?1
     WHERE app_id = ?2 AND id = ?3 AND deleted_at IS NULL AND (coalesce(paused_until, 0) >= ${HELD_UNTIL}) <> ?4`,
    held ? HELD_UNTIL : null,
    appId,
    id,
    held ? 1 : 0,
  )
  if (changed === 0) return false
  if (held) pauseLanes(db, appId, id, HELD_UNTIL)
  else wakeLanes(db, appId, id, now)
  return true
}

/** Deliveries that wait for endpoints which are held. */
export const heldDeliveries = (db: Database): number =>
  db.get<{ size: number | null }>(`SELECT sum(size) AS size FROM lane WHERE wake_at >= ${HELD_UNTIL}`)?.size ?? 0

/** Ends the waiting deliveries of a message for held endpoints, as failed; a waiting manual attempt is removed. */
export function failHeld(db: Database, appId: string, msgId: string): void {
  const rows = db.all<{ endpoint_id: string; run: number; retry: 0 | 1 }>(
    `SELECT d.endpoint_id, d.run, d.retry FROM delivery d
     JOIN endpoint e ON e.app_id = d.app_id AND e.id = d.endpoint_id AND e.paused_until >= ${HELD_UNTIL}
     WHERE d.app_id = ? AND d.msg_id = ? AND d.state = 'pending'`,
    appId,
    msgId,
  )
  for (const { endpoint_id: endpointId, run, retry } of rows) {
    const sql =
      run === 0
        ? "UPDATE delivery SET state = 'failed', due_at = NULL WHERE"
        : "DELETE FROM delivery WHERE state = 'pending' AND"
    db.run(`${sql} app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = ?`, appId, msgId, endpointId, run)
    removeFromLane(db, { appId, endpointId, retry })
  }
}
