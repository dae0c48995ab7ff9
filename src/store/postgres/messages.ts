import type { Attempt, AttemptOutcome } from '../../domain/attempt.ts'
import type { DeliveryInfo } from '../../domain/delivery.ts'
import type { MessageInfo } from '../../domain/message.ts'
import { type Pool, statement } from './database.ts'
import { payloadsOf } from './payloads.ts'

interface MessageRow {
  app_id: string
  id: string
  event_id: string | null
  event_type: string
  channels: string | null
  tags: string | null
  content_type: string
  received_at: number
  expires_at: number
}

const GET = statement(
  'message-get',
  `SELECT app_id, id, event_id, event_type, channels, tags, content_type, received_at, expires_at
   FROM msg WHERE app_id = $1 AND id = $2`,
)

/** The payload is there, at its time or where retention has moved it meanwhile. Planned with its values: see payloads.ts. */
const HAS_PAYLOAD = 'SELECT 1 AS found FROM payload WHERE app_id = $1 AND msg_id = $2 AND expires_at = $3'

export async function getMessage(pool: Pool, appId: string, id: string): Promise<MessageInfo | null> {
  let row: MessageRow | undefined
  for (;;) {
    const [now] = await pool.read<MessageRow>(GET, appId, id)
    if (now === undefined) return null
    if (now.expires_at === row?.expires_at) return toMessage(row, true)
    row = now
    const found = await pool.read(HAS_PAYLOAD, appId, id, row.expires_at)
    if (found.length > 0) return toMessage(row, false)
  }
}

const words = (json: string | null): string[] | null => (json === null ? null : (JSON.parse(json) as string[]))

const toMessage = (row: MessageRow, payloadRemoved: boolean): MessageInfo => ({
  appId: row.app_id as MessageInfo['appId'],
  id: row.id as MessageInfo['id'],
  eventId: row.event_id,
  eventType: row.event_type,
  channels: words(row.channels),
  tags: words(row.tags),
  contentType: row.content_type,
  receivedAt: row.received_at,
  expiresAt: row.expires_at,
  payloadRemoved,
})

export async function getPayload(
  pool: Pool,
  appId: string,
  id: string,
): Promise<{ payload: Uint8Array; contentType: string } | null> {
  const [row] = await pool.read<MessageRow>(GET, appId, id)
  if (row === undefined) return null
  const [payload] = await payloadsOf(pool, [{ app_id: appId, msg_id: id, expires_at: row.expires_at }])
  return payload === undefined ? null : { payload, contentType: row.content_type }
}

interface DeliveryRow {
  endpoint_id: string
  state: DeliveryInfo['state']
  attempts: number
  due_at: number | null
  last_attempt_at: number | null
}

const DELIVERIES = statement(
  'message-deliveries',
  `SELECT endpoint_id, state, attempts, due_at, last_attempt_at FROM delivery
   WHERE app_id = $1 AND msg_id = $2 AND run = 0 ORDER BY endpoint_id`,
)

export async function deliveriesOf(pool: Pool, appId: string, msgId: string): Promise<DeliveryInfo[]> {
  const rows = await pool.read<DeliveryRow>(DELIVERIES, appId, msgId)
  return rows.map((row) => ({
    endpointId: row.endpoint_id as DeliveryInfo['endpointId'],
    state: row.state,
    attempts: row.attempts,
    nextAttemptAt: row.state === 'pending' ? row.due_at : null,
    lastAttemptAt: row.last_attempt_at,
  }))
}

interface AttemptRow {
  app_id: string
  endpoint_id: string
  id: string
  msg_id: string
  number: number
  manual: boolean
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
  trigger: row.manual ? 'manual' : 'scheduled',
  outcome: row.outcome,
  statusCode: row.status_code,
  error: row.error,
  durationMs: row.duration_ms,
  response: row.response,
})

/** Partitions are in the order of the ids, so that they are read newest first and only as far as the limit goes. */
export async function attemptsOfMessage(
  pool: Pool,
  query: { appId: string; msgId: string; limit: number },
): Promise<Attempt[]> {
  const rows = await pool.read<AttemptRow>(
    'SELECT * FROM attempt WHERE app_id = $1 AND msg_id = $2 ORDER BY id DESC LIMIT $3',
    query.appId,
    query.msgId,
    query.limit,
  )
  return rows.map(attemptFrom)
}

export async function attemptsOfEndpoint(
  pool: Pool,
  query: { appId: string; endpointId: string; limit: number; outcome: AttemptOutcome | null },
): Promise<Attempt[]> {
  const rows = await pool.read<AttemptRow>(
    `SELECT * FROM attempt WHERE app_id = $1 AND endpoint_id = $2 ${withOutcome(query.outcome)} ORDER BY id DESC LIMIT $3`,
    query.appId,
    query.endpointId,
    query.limit,
  )
  return rows.map(attemptFrom)
}

/** Failures are few among many successes and have an index; the condition it was made with has to be said again to be used. */
function withOutcome(outcome: AttemptOutcome | null): string {
  if (outcome === null) return ''
  return outcome === 'success' ? "AND outcome = 'success'" : `AND outcome = '${outcome}' AND outcome <> 'success'`
}
