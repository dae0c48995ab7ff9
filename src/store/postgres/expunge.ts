/** Expunges a payload: from the store, and from the memory of the nodes that hold deliveries of it. */
import type { AppId, MessageId } from '../../domain/ids.ts'
import { type Pool, type Writing, type Session, statement } from './database.ts'
import { lockLanesOf, removeFromLanes } from './lanes.ts'
import { noteExpunged } from './notify.ts'
import { READS } from './reads.ts'

const SERVER_NOW = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'
/** By then, leases that were not renewed have ended, and a node that renews has read the list. */
const KEPT_MS = 24 * 3_600_000

/** Also removes rows that no node needs any more. */
const NOTE = statement(
  'expunge-note',
  `WITH old AS (
     DELETE FROM expunged WHERE (app_id, msg_id) IN (
       SELECT app_id, msg_id FROM expunged WHERE at < ${SERVER_NOW} - ${KEPT_MS} AND msg_id <> $2
       ORDER BY at LIMIT 10 FOR UPDATE SKIP LOCKED)
   )
   INSERT INTO expunged (app_id, msg_id, at) VALUES ($1, $2, ${SERVER_NOW})
   ON CONFLICT (app_id, msg_id) DO UPDATE SET at = excluded.at`,
)

const RECENT = statement('expunge-recent', `SELECT msg_id FROM expunged WHERE at > ${SERVER_NOW} - $1`)

/** Compares times of the server, so that the clocks of the nodes need not agree. */
export const recentlyExpunged = async (pool: Pool, withinMs: number): Promise<MessageId[]> =>
  (await pool.read<{ msg_id: MessageId }>(RECENT, withinMs)).map((row) => row.msg_id)

/**
 * Removes the payload and cancels waiting deliveries. An attempt that is under way still has the payload, and may
 * succeed.
 */
export const expungeMessage = ({ pool }: Writing, appId: AppId, id: MessageId): Promise<{ heldBy: string[] } | null> =>
  pool.transaction(async (session) => {
    // Retention moves payloads only together with their messages: with this row locked, the payload stays where it is.
    const message = await session.get<{ expires_at: number }>(
      'SELECT expires_at FROM msg WHERE app_id = $1 AND id = $2 FOR UPDATE',
      appId,
      id,
    )
    if (message === undefined) return null
    // The time is written into the text, so that only its partition is opened.
    await session.run(
      `DELETE FROM payload WHERE app_id = $1 AND msg_id = $2 AND expires_at = ${message.expires_at}`,
      appId,
      id,
    )
    await endWaiting(session, appId, id)
    // Waiting deliveries are cancelled, and no new one can be added until this commits. A node that still holds one has
    // held it since before.
    const heldBy = await READS.holdersOf(session, appId, id)
    if (heldBy.length > 0) {
      await session.run(NOTE, appId, id)
      await noteExpunged(session, id)
    }
    return { heldBy }
  })

async function endWaiting(session: Session, appId: string, id: string): Promise<void> {
  const ended = await session.all<{ endpoint_id: string; retry: 0 | 1; size: number }>(END_WAITING, appId, id)
  if (ended.length === 0) return
  const lanes = await lockLanesOf(
    session,
    ended.map((row) => ({ appId, endpointId: row.endpoint_id, retry: row.retry })),
  )
  const sizeOf = new Map(ended.map((row) => [`${row.endpoint_id} ${row.retry}`, row.size]))
  await removeFromLanes(
    session,
    lanes.map((lane) => ({ ...lane, taken: sizeOf.get(`${lane.endpointId} ${lane.retry}`) ?? 0 })),
  )
}

/** Cancels the waiting deliveries of a message; a waiting manual attempt is removed. */
const END_WAITING = statement(
  'message-end-waiting',
  `WITH waiting AS (
     SELECT app_id, msg_id, endpoint_id, run FROM delivery
     WHERE app_id = $1 AND msg_id = $2 AND due_at IS NOT NULL AND lease_owner IS NULL
     ORDER BY endpoint_id, run FOR UPDATE
   ), cancelled AS (
     UPDATE delivery d SET state = 'cancelled', due_at = NULL FROM waiting w
     WHERE d.app_id = w.app_id AND d.msg_id = w.msg_id AND d.endpoint_id = w.endpoint_id AND d.run = w.run AND w.run = 0
     RETURNING d.endpoint_id, d.retry
   ), removed AS (
     DELETE FROM delivery d USING waiting w
     WHERE d.app_id = w.app_id AND d.msg_id = w.msg_id AND d.endpoint_id = w.endpoint_id AND d.run = w.run AND w.run > 0
     RETURNING d.endpoint_id, d.retry
   )
   SELECT endpoint_id, retry, count(*) AS size FROM (SELECT * FROM cancelled UNION ALL SELECT * FROM removed) c
   GROUP BY endpoint_id, retry`,
)
