import { attemptRow } from '../rows/attempt.ts'
import { deliveryFrom, type DeliveryRow } from '../rows/delivery.ts'
import { every, first, type Read } from './read.ts'

const getAttempt: Read<'getAttempt'> = {
  sql: ({ by }) =>
    `SELECT ${attemptRow.names()} FROM attempt ${by('attempt_msg')} WHERE app_id = $1 AND msg_id = $2 AND id = $3`,
  values: (appId, msgId, id) => [appId, msgId, id],
  result: first(attemptRow.from),
}

const deliveriesOf: Read<'deliveriesOf'> = {
  name: 'message-deliveries',
  sql: () =>
    `SELECT endpoint_id, state, attempts, due_at, last_attempt_at FROM delivery
     WHERE app_id = $1 AND msg_id = $2 AND run = 0 ORDER BY endpoint_id`,
  values: (appId, id) => [appId, id],
  result: every((row) => deliveryFrom(row as unknown as DeliveryRow)),
}

const holdersOf: Read<'holdersOf'> = {
  name: 'message-holders',
  sql: () => 'SELECT DISTINCT lease_owner FROM delivery WHERE app_id = $1 AND msg_id = $2 AND lease_owner IS NOT NULL',
  values: (appId, id) => [appId, id],
  result: every((row) => row['lease_owner'] as string),
}

const getAnswer: Read<'getAnswer'> = {
  name: 'answer-get',
  sql: () => 'SELECT status, body FROM answer WHERE org_id = $1 AND key = $2 AND expires_at > $3',
  values: (orgId, key, now) => [orgId, key, now],
  result: first((row) => ({ status: row['status'] as number, body: row['body'] as string })),
}

export const historyReads = { getAttempt, deliveriesOf, holdersOf, getAnswer }
