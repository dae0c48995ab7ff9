import type { DeliveryInfo } from '../../domain/delivery.ts'
import type { MessageId } from '../../domain/ids.ts'
import type { MessageInfo } from '../../domain/message.ts'
import type { Database } from './database.ts'
import { removeFromLane } from './lanes.ts'
import { endWaiting } from './leases.ts'

export interface MessageRow {
  app_id: string
  id: string
  event_id: string | null
  event_type: string
  channels: string | null
  tags: string | null
  content_type: string
  received_at: number
  expires_at: number
  deliver_at: number | null
  payload_removed: number
}

/** Of `msg m`: reading them leaves the payload where it is. `deliver_at` is behind it, but a null there takes no bytes. */
export const MESSAGE_COLUMNS = `m.app_id, m.id, m.event_id, m.event_type, m.channels, m.tags, m.content_type, m.received_at,
  m.expires_at, m.deliver_at, m.payload IS NULL AS payload_removed`

const words = (json: string | null): string[] | null => (json === null ? null : (JSON.parse(json) as string[]))

export const messageFrom = (row: MessageRow): MessageInfo => ({
  appId: row.app_id as MessageInfo['appId'],
  id: row.id as MessageInfo['id'],
  eventId: row.event_id,
  eventType: row.event_type,
  channels: words(row.channels),
  tags: words(row.tags),
  contentType: row.content_type,
  receivedAt: row.received_at,
  expiresAt: row.expires_at,
  deliverAt: row.deliver_at,
  payloadRemoved: row.payload_removed === 1,
})

export function getMessage(db: Database, appId: string, id: string): MessageInfo | null {
  const row = db.get<MessageRow>(`SELECT ${MESSAGE_COLUMNS} FROM msg m WHERE m.app_id = ? AND m.id = ?`, appId, id)
  return row === undefined ? null : messageFrom(row)
}

export function findMessage(db: Database, appId: string, idOrEventId: string): MessageInfo | null {
  const byId = getMessage(db, appId, idOrEventId)
  if (byId !== null) return byId
  const row = db.get<MessageRow>(
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

export interface DeliveryRow {
  endpoint_id: string
  state: DeliveryInfo['state']
  attempts: number
  due_at: number | null
  last_attempt_at: number | null
}

export const deliveryFrom = (row: DeliveryRow): DeliveryInfo => ({
  endpointId: row.endpoint_id as DeliveryInfo['endpointId'],
  state: row.state,
  attempts: row.attempts,
  nextAttemptAt: row.state === 'pending' ? row.due_at : null,
  lastAttemptAt: row.last_attempt_at,
})

export const deliveriesOf = (db: Database, appId: string, msgId: string): DeliveryInfo[] =>
  db
    .all<DeliveryRow>(
      `SELECT endpoint_id, state, attempts, due_at, last_attempt_at FROM delivery
       WHERE app_id = ? AND msg_id = ? AND run = 0 ORDER BY endpoint_id`,
      appId,
      msgId,
    )
    .map(deliveryFrom)

/** Takes the payload away and cancels what waits. An attempt that is under way still has it, and may succeed. */
export function expungeMessage(db: Database, appId: string, id: string): { heldBy: string[] } | null {
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
  return { heldBy: holdersOf(db, appId, id) }
}

export const holdersOf = (db: Database, appId: string, id: string): string[] =>
  db
    .all<{ lease_owner: string }>(
      'SELECT DISTINCT lease_owner FROM delivery WHERE app_id = ? AND msg_id = ? AND lease_owner IS NOT NULL',
      appId,
      id,
    )
    .map((row) => row.lease_owner)

/** One process owns the file: who expunges knows it. */
export const recentlyExpunged = (): MessageId[] => []
