import type { MessageInfo } from '../../domain/message.ts'
import { messageRow } from '../rows/message.ts'
import type { Row } from '../shared/value.ts'
import { type Ask, type Pool, statement } from './database.ts'
import { arePresent, type PayloadKey, payloadsOf, shownOf } from './payloads.ts'

/** A message without its payload; the row names the place of the payload. */
export type MessageRow = Row & PayloadKey

/** The columns, from `msg m`. */
export const MESSAGE_COLUMNS = `${messageRow.names('m')}, m.id AS msg_id`

export const messageFrom = (row: MessageRow, payloadRemoved: boolean): MessageInfo => ({
  ...messageRow.from(row),
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

/** Adds whether the payload is still there. */
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
  return payload === undefined ? null : { payload, contentType: messageRow.from(row).contentType }
}

export async function getShownPayload(pool: Pool, appId: string, id: string): Promise<Uint8Array | null> {
  const row = await find(pool.ask, BY_ID, appId, id)
  if (row === undefined) return null
  const [shown] = await shownOf(pool.ask, [row])
  return shown ?? null
}
