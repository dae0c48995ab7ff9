import type { AppId, MessageId } from '../../domain/ids.ts'
import type { MessageInfo } from '../../domain/message.ts'
import { messageRow } from '../rows/message.ts'
import type { Row } from '../shared/value.ts'
import type { Database } from './database.ts'
import { removeFromLane } from './lanes.ts'
import { READS } from './reads.ts'
import { endWaiting } from './leases.ts'

/**
 * The columns, from `msg m`. The payload is not read. `deliver_at` lies behind the payload, but a null there takes no
 * bytes.
 */
export const MESSAGE_COLUMNS = `${messageRow.names('m')}, m.payload IS NULL AS payload_removed`

export const messageFrom = (row: Row): MessageInfo => ({
  ...messageRow.from(row),
  payloadRemoved: row['payload_removed'] === 1,
})

export function getMessage(db: Database, appId: string, id: string): MessageInfo | null {
  const row = db.get<Row>(`SELECT ${MESSAGE_COLUMNS} FROM msg m WHERE m.app_id = ? AND m.id = ?`, appId, id)
  return row === undefined ? null : messageFrom(row)
}

export function findMessage(db: Database, appId: string, idOrEventId: string): MessageInfo | null {
  const byId = getMessage(db, appId, idOrEventId)
  if (byId !== null) return byId
  const row = db.get<Row>(
    `SELECT ${MESSAGE_COLUMNS} FROM msg m WHERE m.app_id = ? AND m.event_id = ?`,
    appId,
    idOrEventId,
  )
  return row === undefined ? null : messageFrom(row)
}

export function getPayload(
  db: Database,
  appId: string,
  id: string,
): { payload: Uint8Array; contentType: string } | null {
  const row = db.get<{ payload: Uint8Array | null; content_type: string }>(
    'SELECT payload, content_type FROM msg WHERE app_id = ? AND id = ?',
    appId,
    id,
  )
  return row?.payload ? { payload: row.payload, contentType: row.content_type } : null
}

export function getShownPayload(db: Database, appId: string, id: string): Uint8Array | null {
  const row = db.get<{ shown: Uint8Array | null }>(
    'SELECT coalesce(shown, payload) AS shown FROM msg WHERE app_id = ? AND id = ?',
    appId,
    id,
  )
  return row?.shown ?? null
}

/**
 * Removes the payload and cancels waiting deliveries. An attempt that is under way still has the payload, and may
 * succeed.
 */
export function expungeMessage(db: Database, appId: AppId, id: MessageId): { heldBy: string[] } | null {
  if (db.run('UPDATE msg SET payload = NULL, shown = NULL WHERE app_id = ? AND id = ?', appId, id) === 0) return null
  const waiting = db.all<{ endpoint_id: string; run: number; retry: 0 | 1 }>(
    "SELECT endpoint_id, run, retry FROM delivery WHERE app_id = ? AND msg_id = ? AND state = 'pending'",
    appId,
    id,
  )
  for (const row of waiting) {
    endWaiting(db, { app_id: appId, msg_id: id, ...row })
    removeFromLane(db, { appId, endpointId: row.endpoint_id, retry: row.retry })
  }
  return { heldBy: READS.holdersOf(db, appId, id) }
}

/** Always empty: one process owns the file, and the process that expunges knows of it. */
export const recentlyExpunged = (): MessageId[] => []
