/** The delivery log. */
import type { Attempt } from '../../domain/attempt.ts'
import type { AppId, AttemptId, MessageId } from '../../domain/ids.ts'
import { type AttemptFilter, EXPUNGED } from '../port/history.ts'
import { attemptRow } from '../rows/attempt.ts'
import type { Row } from '../shared/value.ts'
import type { Keyset } from '../port/page.ts'
import { stretchOf } from '../shared/keyset.ts'
import { labelsOf } from '../shared/labels.ts'
import { areFailures, hasOutcome } from '../shared/states.ts'
import type { Database } from './database.ts'
import { merge } from './merge.ts'
import { READS } from './reads.ts'
import { type Condition, messageHas } from './labels.ts'

const OF_MESSAGE = 'FROM attempt a INDEXED BY attempt_msg WHERE a.app_id = ? AND a.msg_id = ?'
const OF_ENDPOINT = 'FROM attempt a WHERE a.app_id = ? AND a.endpoint_id = ?'

/**
 * Walks the attempts of the message, or those of the endpoint; if only failures are asked for, the endpoint's failures.
 * Other conditions are checked row by row. So a page of something rare costs as much as the attempts of that endpoint
 * between `from` and `until`.
 */
export function listAttempts(db: Database, filter: AttemptFilter, page: Keyset): Attempt[] {
  if (filter.eventTypes?.length === 0 || filter.outcomes?.length === 0) return []
  const stretch = stretchOf(page, filter)
  const conditions = conditionsOf(filter)
  const walk = (of: string, ...values: readonly (string | null)[]) =>
    db.all<Row>(
      `SELECT a.* ${of} AND a.id > ? AND a.id < ? ${conditions.sql} ORDER BY a.id ${stretch.direction} LIMIT ?`,
      ...values,
      stretch.above,
      stretch.below,
      ...conditions.values,
      stretch.limit,
    )
  return db.snapshot(() => {
    const rows = walks(filter).flatMap(([of, ...values]) => walk(of, ...values))
    const byId = new Map(rows.map((row) => [row['id'], row]))
    return merge([rows.map((row) => ({ id: row['id'] as string }))], stretch).map((id) =>
      attemptRow.from(byId.get(id)!),
    )
  })
}

/** Repeats the condition of the index, without which that index is not used. */
const OF_FAILURES = `FROM attempt a INDEXED BY attempt_failed
  WHERE a.outcome <> 'success' AND a.app_id = ? AND a.endpoint_id = ? AND a.outcome = ?`

/** The indexes to walk, with their values. */
function walks({ appId, endpointId, msgId, outcomes }: AttemptFilter): [of: string, ...values: (string | null)[]][] {
  if (msgId !== null && endpointId !== null) return [[`${OF_MESSAGE} AND a.endpoint_id = ?`, appId, msgId, endpointId]]
  if (msgId !== null) return [[OF_MESSAGE, appId, msgId]]
  if (areFailures(outcomes)) return outcomes.map((outcome) => [OF_FAILURES, appId, endpointId, outcome])
  return [[OF_ENDPOINT, appId, endpointId]]
}

function conditionsOf({ outcomes, statusCodes, eventTypes, ...filter }: AttemptFilter): Condition {
  const ofMessage = messageHas('a', labelsOf(filter), eventTypes)
  return {
    sql: [
      hasOutcome(outcomes),
      statusCodes === null ? '' : 'AND coalesce(a.status_code, 0) >= ? AND coalesce(a.status_code, 0) < ?',
      ofMessage.sql,
    ].join(' '),
    values: [...(statusCodes === null ? [] : [statusCodes.from, statusCodes.below]), ...ofMessage.values],
  }
}

export function expungeAttempt(db: Database, appId: AppId, msgId: MessageId, id: AttemptId): boolean {
  const attempt = READS.getAttempt(db, appId, msgId, id)
  if (attempt === null) return false
  db.run(
    'UPDATE attempt SET response = ? WHERE app_id = ? AND endpoint_id = ? AND id = ?',
    EXPUNGED,
    appId,
    attempt.endpointId,
    id,
  )
  return true
}
