import { toStored } from '../audience.ts'
import type { Message } from '../../domain/message.ts'
import type { Accepted, Acceptance } from '../port/accept.ts'
import { labelsOfMessage } from '../shared/labels.ts'
import { isReplay, keepAnswer } from './answers.ts'
import type { Database } from './database.ts'
import { addToLane } from './lanes.ts'
import { type Known, project } from './projections.ts'

/** Stores each message with its deliveries, its idempotency record and its answer, unless it was stored before. */
export function accept(db: Database, acceptances: readonly Acceptance[]): Accepted[] {
  return acceptances.map((acceptance) => acceptOne(db, acceptance))
}

function acceptOne(db: Database, acceptance: Acceptance): Accepted {
  const { message, deliveries, answer } = acceptance
  if (answer !== null && isReplay(db, answer))
    return { duplicate: true, replayed: true, messageId: message.id, deliveries: 0 }
  const known = repeated(db, acceptance)
  if (known !== null)
    return {
      duplicate: true,
      replayed: false,
      messageId: known.msg_id as Accepted['messageId'],
      deliveries: known.deliveries,
    }
  insertMessage(db, message)
  insertDeliveries(db, acceptance)
  if (acceptance.idempotency !== null) remember(db, acceptance, acceptance.idempotency)
  if (answer !== null) keepAnswer(db, answer)
  return { duplicate: false, replayed: false, messageId: message.id, deliveries: deliveries.length }
}

/** The message that this one repeats; null when it is new: its projected row has then been stored. */
const repeated = (db: Database, { message, idempotency, projected }: Acceptance): Known | null =>
  (idempotency && firstAnswer(db, message, idempotency)) ??
  (message.eventId === null ? null : sameEvent(db, message.appId, message.eventId)) ??
  (projected === undefined ? null : project(db, projected, message))

function insertMessage(db: Database, message: Message): void {
  db.run(
    `INSERT INTO msg (app_id, id, event_id, event_type, channels, tags, content_type, received_at, expires_at, payload, shown, hops,
       deliver_at, named)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    message.appId,
    message.id,
    message.eventId,
    message.eventType,
    message.channels && JSON.stringify(message.channels),
    message.tags && JSON.stringify(message.tags),
    message.contentType,
    message.receivedAt,
    message.expiresAt,
    message.payload,
    message.shownPayload,
    message.hops,
    message.deliverAt,
    toStored(message.audience),
  )
  if (message.channels === null && message.tags === null) return
  for (const label of labelsOfMessage(message))
    db.run('INSERT OR IGNORE INTO msg_label (app_id, label, msg_id) VALUES (?, ?, ?)', message.appId, label, message.id)
}

function insertDeliveries(db: Database, { message, deliveries }: Acceptance): void {
  for (const { endpointId, lease, dueAt } of deliveries) {
    db.run(
      'INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at, lease_owner) VALUES (?, ?, ?, 0, ?, ?, ?)',
      message.appId,
      message.id,
      endpointId,
      lease === null ? 'pending' : 'leased',
      lease === null ? dueAt : lease.until,
      lease === null ? null : lease.owner,
    )
    if (lease === null) addToLane(db, { appId: message.appId, endpointId, retry: 0 }, dueAt)
  }
}

const remember = (
  db: Database,
  { message, deliveries }: Acceptance,
  { scope, key, expiresAt }: NonNullable<Acceptance['idempotency']>,
): number =>
  db.run(
    `INSERT INTO idempotency (app_id, scope, key, msg_id, deliveries, expires_at) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET msg_id = excluded.msg_id, deliveries = excluded.deliveries, expires_at = excluded.expires_at`,
    message.appId,
    scope,
    key,
    message.id,
    deliveries.length,
    expiresAt,
  )

const firstAnswer = (db: Database, { appId, receivedAt }: Message, record: { scope: string; key: string }) =>
  db.get<Known>(
    'SELECT msg_id, deliveries FROM idempotency WHERE app_id = ? AND scope = ? AND key = ? AND expires_at > ?',
    appId,
    record.scope,
    record.key,
    receivedAt,
  ) ?? null

const sameEvent = (db: Database, appId: string, eventId: string) =>
  db.get<Known>(
    `SELECT id AS msg_id,
            (SELECT count(*) FROM delivery d WHERE d.app_id = m.app_id AND d.msg_id = m.id AND d.run = 0) AS deliveries
     FROM msg m WHERE app_id = ? AND event_id = ?`,
    appId,
    eventId,
  ) ?? null
