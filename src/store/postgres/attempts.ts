/** The delivery log. */
import type { Attempt } from '../../domain/attempt.ts'
import { type AttemptFilter, EXPUNGED } from '../port/history.ts'
import { attemptRow } from '../rows/attempt.ts'
import type { Row } from '../shared/value.ts'
import type { Keyset } from '../port/page.ts'
import { stretchOf } from '../shared/keyset.ts'
import { labelsOf } from '../shared/labels.ts'
import { areFailures, hasOutcome } from '../shared/states.ts'
import type { Pool, Writing } from './database.ts'
import { inOrderOf, placed, type PlacedStretch, within } from './keyset.ts'
import { messageHas } from './labels.ts'
import { Parameters } from './parameters.ts'
import { textArray } from './values.ts'

/**
 * Walks the attempts of the message, or those of the endpoint; if only failures are asked for, the endpoint's failures.
 * Other conditions are checked row by row. So a page of something rare costs as much as the attempts of that endpoint
 * between `from` and `until`. Partitions are in the order of the ids, so they are read only as far as the limit goes.
 */
export async function listAttempts(pool: Pool, filter: AttemptFilter, page: Keyset): Promise<Attempt[]> {
  if (filter.eventTypes?.length === 0 || filter.outcomes?.length === 0) return []
  const parameters = new Parameters()
  const stretch = placed(stretchOf(page, filter), parameters)
  const rows = await pool.read<Row>(walk(filter, stretch, parameters), ...parameters.values)
  return rows.map(attemptRow.from)
}

/** The index to walk, with all conditions. */
function walk(filter: AttemptFilter, stretch: PlacedStretch, parameters: Parameters): string {
  const { appId, endpointId, msgId, outcomes } = filter
  const from = `SELECT a.* FROM attempt a WHERE a.app_id = ${parameters.add(appId)} AND ${within('a.id', stretch)}
    ${conditionsOf(filter, parameters)}`
  if (msgId !== null) {
    // An expression, so that the planner does not use the endpoint's index: its attempts are many, the message's are
    // few.
    const ofEndpoint = endpointId === null ? '' : `AND a.endpoint_id || '' = ${parameters.add(endpointId)}`
    return `${from} AND a.msg_id = ${parameters.add(msgId)} ${ofEndpoint} ${inOrderOf('a.id', stretch)}`
  }
  const ofEndpoint = `${from} AND a.endpoint_id = ${parameters.add(endpointId)}`
  if (!areFailures(outcomes)) return `${ofEndpoint} ${inOrderOf('a.id', stretch)}`
  return `SELECT w.* FROM unnest(${parameters.add(textArray(outcomes), 'text[]')}) f (outcome) CROSS JOIN LATERAL (
      ${ofEndpoint} AND a.outcome = f.outcome ${inOrderOf('a.id', stretch)}
    ) w ${inOrderOf('w.id', stretch)}`
}

function conditionsOf({ outcomes, statusCodes, eventTypes, ...filter }: AttemptFilter, parameters: Parameters): string {
  const parts = [hasOutcome(outcomes), messageHas('a', labelsOf(filter), eventTypes, parameters)]
  if (statusCodes !== null) {
    const [from, to] = [parameters.add(statusCodes.from, 'bigint'), parameters.add(statusCodes.below, 'bigint')]
    parts.push(`AND coalesce(a.status_code, 0) >= ${from} AND coalesce(a.status_code, 0) < ${to}`)
  }
  return parts.join(' ')
}

const OF_MESSAGE = 'app_id = $1 AND msg_id = $2 AND id = $3'

export async function expungeAttempt({ pool }: Writing, appId: string, msgId: string, id: string): Promise<boolean> {
  const text = `UPDATE attempt SET response = '${EXPUNGED}' WHERE ${OF_MESSAGE} RETURNING id`
  return (await pool.write(text, appId, msgId, id)).length > 0
}
