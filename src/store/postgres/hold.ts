/** Holds endpoints until they are configured: their lanes sleep, and their waiting deliveries are not claimed. */
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import type { AppId, EndpointId } from '../../domain/ids.ts'
import { type Pool, type Writing, type Session, statement } from './database.ts'
import { pauseLanes } from './effects.ts'
import { lockLanesOf, removeFromLanes, wakeLanes } from './lanes.ts'
import { noteChanged } from './notify.ts'
import { textArray } from './values.ts'

/** Holds a live endpoint, or lets it go again. False when it was in that state already. */
export const holdEndpoint = (
  { pool }: Writing,
  { appId, id, held }: { appId: AppId; id: EndpointId; held: boolean },
  now: number,
): Promise<boolean> =>
  pool.transaction(async (session) => {
    const changed = await session.run(
      `UPDATE endpoint SET paused_until = $1
       WHERE app_id = $2 AND id = $3 AND deleted_at IS NULL AND (coalesce(paused_until, 0) >= ${HELD_UNTIL}) <> $4::bool`,
      held ? HELD_UNTIL : null,
      appId,
      id,
      String(held),
    )
    if (changed === 0) return false
    if (held) await pauseLanes(session, [{ appId, endpointId: id, until: HELD_UNTIL }])
    else await wakeLanes(session, appId, id, now)
    await noteChanged(session, { appId, id })
    return true
  })

/** Deliveries that wait for endpoints which are held. */
export async function heldDeliveries(pool: Pool): Promise<number> {
  const [row] = await pool.read<{ size: number }>(
    `SELECT coalesce(sum(size), 0)::bigint AS size FROM lane WHERE wake_at >= ${HELD_UNTIL}`,
  )
  return row?.size ?? 0
}

const FAIL = statement(
  'hold-fail',
  `WITH held AS (
     SELECT d.app_id, d.msg_id, d.endpoint_id, d.run
     FROM unnest($1::text[], $2::text[]) k (app_id, msg_id)
     JOIN delivery d ON d.app_id = k.app_id AND d.msg_id = k.msg_id AND d.state = 'pending'
     JOIN endpoint e ON e.app_id = d.app_id AND e.id = d.endpoint_id AND e.paused_until >= ${HELD_UNTIL}
     ORDER BY d.app_id, d.msg_id, d.endpoint_id, d.run FOR UPDATE OF d
   ), failed AS (
     UPDATE delivery d SET state = 'failed', due_at = NULL FROM held h
     WHERE d.app_id = h.app_id AND d.msg_id = h.msg_id AND d.endpoint_id = h.endpoint_id AND d.run = h.run AND h.run = 0
     RETURNING d.app_id, d.endpoint_id, d.retry
   ), removed AS (
     DELETE FROM delivery d USING held h
     WHERE d.app_id = h.app_id AND d.msg_id = h.msg_id AND d.endpoint_id = h.endpoint_id AND d.run = h.run AND h.run > 0
     RETURNING d.app_id, d.endpoint_id, d.retry
   )
   SELECT app_id, endpoint_id, retry, count(*) AS taken FROM (SELECT * FROM failed UNION ALL SELECT * FROM removed) o
   GROUP BY app_id, endpoint_id, retry`,
)

/**
 * Ends the waiting deliveries of these messages for held endpoints, as failed; a waiting manual attempt is removed.
 * Deliveries are locked before the lanes, as everywhere but in a claim.
 */
export async function failHeld(session: Session, rows: readonly { app_id: string; msg_id: string }[]): Promise<void> {
  if (rows.length === 0) return
  const ended = await session.all<{ app_id: string; endpoint_id: string; retry: 0 | 1; taken: number }>(
    FAIL,
    textArray(rows.map((row) => row.app_id)),
    textArray(rows.map((row) => row.msg_id)),
  )
  if (ended.length === 0) return
  const counts = ended.map((row) => ({
    appId: row.app_id,
    endpointId: row.endpoint_id,
    retry: row.retry,
    taken: row.taken,
  }))
  const locked = await lockLanesOf(session, counts)
  const taken = locked.map((lane) => {
    const count = counts.find((one) => one.endpointId === lane.endpointId && one.retry === lane.retry)
    return { ...lane, taken: count?.taken ?? 0 }
  })
  await removeFromLanes(session, taken)
}
