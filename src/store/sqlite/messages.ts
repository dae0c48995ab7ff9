import type { Attempt, AttemptOutcome } from '../../domain/attempt.ts'
import type { DeliveryInfo } from '../../domain/delivery.ts'
import type { MessageInfo } from '../../domain/message.ts'
import type { Database } from './database.ts'

interface MessageRow {
  app_id: string
  id: string
  event_id: string | null
  event_type: string
  channels: string | null
  content_type: string
  received_at: number
  expires_at: number
  payload_removed: number
}

export function getMessage(db: Database, appId: string, id: string): MessageInfo | null {
  const row = db.get<MessageRow>(
    `SELECT app_id, id, event_id, event_type, channels, content_type, received_at, expires_at, payload IS NULL AS payload_removed
     FROM msg WHERE app_id = ? AND id = ?`,
    appId,
    id,
  )
  if (row === undefined) return null
  return {
    appId: row.app_id as MessageInfo['appId'],
    id: row.id as MessageInfo['id'],
    eventId: row.event_id,
    eventType: row.event_type,
    channels: row.channels === null ? null : (JSON.parse(row.channels) as string[]),
    contentType: row.content_type,
    receivedAt: row.received_at,
    expiresAt: row.expires_at,
    payloadRemoved: row.payload_removed === 1,
  }
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

interface DeliveryRow {
  endpoint_id: string
  state: DeliveryInfo['state']
  attempts: number
  due_at: number | null
  last_attempt_at: number | null
}

export const deliveriesOf = (db: Database, appId: string, msgId: string): DeliveryInfo[] =>
  db
    .all<DeliveryRow>(
      `SELECT endpoint_id, state, attempts, due_at, last_attempt_at FROM delivery
       WHERE app_id = ? AND msg_id = ? AND run = 0 ORDER BY endpoint_id`,
      appId,
      msgId,
    )
    .map((row) => ({
      endpointId: row.endpoint_id as DeliveryInfo['endpointId'],
      state: row.state,
      attempts: row.attempts,
      nextAttemptAt: row.state === 'pending' ? row.due_at : null,
      lastAttemptAt: row.last_attempt_at,
    }))

interface AttemptRow {
  app_id: string
  endpoint_id: string
  id: string
  msg_id: string
  number: number
  manual: number
  outcome: AttemptOutcome
  at: number
  url: string
  status_code: number | null
  error: string | null
  duration_ms: number
  response: string | null
}

const attemptFrom = (row: AttemptRow): Attempt => ({
  appId: row.app_id as Attempt['appId'],
  id: row.id as Attempt['id'],
  msgId: row.msg_id as Attempt['msgId'],
  endpointId: row.endpoint_id as Attempt['endpointId'],
  url: row.url,
  at: row.at,
  number: row.number,
  trigger: row.manual === 1 ? 'manual' : 'scheduled',
  outcome: row.outcome,
  statusCode: row.status_code,
  error: row.error,
  durationMs: row.duration_ms,
  response: row.response,
})

export const attemptsOfMessage = (db: Database, query: { appId: string; msgId: string; limit: number }): Attempt[] =>
  db
    .all<AttemptRow>(
      `SELECT a.* FROM (SELECT app_id, endpoint_id, id FROM attempt WHERE app_id = ? AND msg_id = ? ORDER BY id DESC LIMIT ?) k
       JOIN attempt a USING (app_id, endpoint_id, id) ORDER BY id DESC`,
      query.appId,
      query.msgId,
      query.limit,
    )
    .map(attemptFrom)

export function attemptsOfEndpoint(
  db: Database,
  query: { appId: string; endpointId: string; limit: number; outcome: AttemptOutcome | null },
): Attempt[] {
  const { source, filter } = withOutcome(query.outcome)
  return db
    .all<AttemptRow>(
      `SELECT * FROM ${source} WHERE app_id = ? AND endpoint_id = ? ${filter} ORDER BY id DESC LIMIT ?`,
      query.appId,
      query.endpointId,
      query.limit,
    )
    .map(attemptFrom)
}

/** Failures are few among many successes and have an index; the condition it was made with has to be said again to be used. */
function withOutcome(outcome: AttemptOutcome | null): { source: string; filter: string } {
  if (outcome === null) return { source: 'attempt', filter: '' }
  if (outcome === 'success') return { source: 'attempt', filter: "AND outcome = 'success'" }
  return { source: 'attempt INDEXED BY attempt_failed', filter: `AND outcome = '${outcome}' AND outcome <> 'success'` }
}
