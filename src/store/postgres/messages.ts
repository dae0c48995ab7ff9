import type { DeliveryInfo } from '../../domain/delivery.ts'
import type { MessageInfo } from '../../domain/message.ts'
import { type Ask, type Pool, statement } from './database.ts'
import { arePresent, type PayloadKey, payloadsOf, shownOf } from './payloads.ts'

/** A message without its payload, of which it only says where to look for it. */
export interface MessageRow extends PayloadKey {
  event_id: string | null
  event_type: string
  channels: string | null
  tags: string | null
  content_type: string
  received_at: number
  deliver_at: number | null
}

/** Of `msg m`. */
export const MESSAGE_COLUMNS = `m.app_id, m.id AS msg_id, m.event_id, m.event_type, m.channels, m.tags, m.content_type,
  m.received_at, m.expires_at, m.deliver_at`

const words = (json: string | null): string[] | null => (json === null ? null : (JSON.parse(json) as string[]))

export const messageFrom = (row: MessageRow, payloadRemoved: boolean): MessageInfo => ({
  appId: row.app_id as MessageInfo['appId'],
  id: row.msg_id as MessageInfo['id'],
  eventId: row.event_id,
  eventType: row.event_type,
  channels: words(row.channels),
  tags: words(row.tags),
  contentType: row.content_type,
  receivedAt: row.received_at,
  expiresAt: row.expires_at,
  deliverAt: row.deliver_at,
  payloadRemoved,
})

const BY_ID = statement('message-get', `SELECT ${MESSAGE_COLUMNS} FROM msg m WHERE m.app_id = $1 AND m.id = $2`)
const BY_EVENT = statement(
  'message-find',
  `SELECT ${MESSAGE_COLUMNS} FROM msg m WHERE m.app_id = $1 AND m.event_id = $2`,
)

const find = async (ask: Ask, how: typeof BY_ID, appId: string, id: string): Promise<MessageRow | undefined> =>
  (await ask<MessageRow>(how, appId, id))[0]

export async function getMessage(pool: Pool, appId: string, id: string): Promise<MessageInfo | null> {
  const row = await find(pool.ask, BY_ID, appId, id)
  return row === undefined ? null : withPresence(pool.ask, row)
}

export async function findMessage(pool: Pool, appId: string, idOrEventId: string): Promise<MessageInfo | null> {
  const row = (await find(pool.ask, BY_ID, appId, idOrEventId)) ?? (await find(pool.ask, BY_EVENT, appId, idOrEventId))
  return row === undefined ? null : withPresence(pool.ask, row)
}

/** With the word whether its payload is still there. */
async function withPresence(ask: Ask, row: MessageRow): Promise<MessageInfo> {
  const [isPresent] = await arePresent(ask, [row])
  return messageFrom(row, !isPresent)
}

export async function getPayload(
  pool: Pool,
  appId: string,
  id: string,
): Promise<{ payload: Uint8Array; contentType: string } | null> {
  const row = await find(pool.ask, BY_ID, appId, id)
  if (row === undefined) return null
  const [payload] = await payloadsOf(pool.ask, [row])
  return payload === undefined ? null : { payload, contentType: row.content_type }
}

export async function getShownPayload(pool: Pool, appId: string, id: string): Promise<Uint8Array | null> {
  const row = await find(pool.ask, BY_ID, appId, id)
  if (row === undefined) return null
  const [shown] = await shownOf(pool.ask, [row])
  return shown ?? null
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

const DELIVERIES = statement(
  'message-deliveries',
  `SELECT endpoint_id, state, attempts, due_at, last_attempt_at FROM delivery
   WHERE app_id = $1 AND msg_id = $2 AND run = 0 ORDER BY endpoint_id`,
)

export async function deliveriesOf(pool: Pool, appId: string, msgId: string): Promise<DeliveryInfo[]> {
  const rows = await pool.read<DeliveryRow>(DELIVERIES, appId, msgId)
  return rows.map(deliveryFrom)
}
