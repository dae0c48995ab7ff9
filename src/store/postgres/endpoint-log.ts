/** Deliveries and their results, by message and by endpoint. */
import type { DeliveryState } from '../../domain/delivery.ts'
import { startId } from '../../domain/ids.ts'
import { type AttemptedEndpoint, type DeliveryStatus, statusOf } from '../port/history.ts'
import { candidateRow } from '../rows/endpoint.ts'
import { deliveryFrom, type DeliveryRow } from '../rows/delivery.ts'
import type { Row } from '../shared/value.ts'
import type { Keyset } from '../port/page.ts'
import { stretchOf } from '../shared/keyset.ts'
import type { Pool } from './database.ts'
import { inOrderOf, placed, within } from './keyset.ts'
import { Parameters } from './parameters.ts'

type AttemptedRow = Row & { id: string } & Omit<DeliveryRow, 'endpoint_id'>

export async function listAttemptedEndpoints(
  pool: Pool,
  appId: string,
  msgId: string,
  page: Keyset,
): Promise<AttemptedEndpoint[]> {
  const parameters = new Parameters()
  const stretch = placed(stretchOf(page), parameters)
  const rows = await pool.read<AttemptedRow>(
    `SELECT e.*, p.state, p.attempts, p.due_at, p.last_attempt_at FROM (
       SELECT d.* FROM delivery d
       WHERE d.app_id = ${parameters.add(appId)} AND d.msg_id = ${parameters.add(msgId)}
         AND ${within('d.endpoint_id', stretch)} AND d.run = 0 AND d.attempts + 0 > 0
       ${inOrderOf('d.endpoint_id', stretch)}
     ) p JOIN endpoint e ON e.app_id = p.app_id AND e.id = p.endpoint_id ORDER BY e.id ${stretch.direction}`,
    ...parameters.values,
  )
  return rows.map((row) => ({
    endpoint: candidateRow.from(row),
    delivery: deliveryFrom({ ...row, endpoint_id: row.id }),
    status: statusOf(row),
  }))
}

const count = (state: DeliveryState, index: 'attempts > 0' | 'attempts = 0') =>
  `(SELECT count(*) FROM delivery WHERE app_id = $1 AND endpoint_id = $2 AND msg_id >= $3 AND msg_id < $4
    AND run = 0 AND state = '${state}' AND ${index})`
const tried = (state: DeliveryState) => count(state, 'attempts > 0')
const untried = (state: DeliveryState) => count(state, 'attempts = 0')

/**
 * Deliveries that were tried, or cancelled untried, have an index: their count costs as much as the window holds.
 * Waiting deliveries have no index by message: their count costs as much as waits for the endpoint and is leased in
 * all.
 */
const COUNT = `SELECT ${tried('delivered')} AS success, ${untried('pending')} + ${untried('leased')} AS pending,
  ${tried('pending')} + ${tried('leased')} AS sending, ${tried('failed')} AS fail,
  ${tried('cancelled')} + ${untried('cancelled')} AS canceled`

export async function countDeliveries(
  pool: Pool,
  { appId, endpointId, since, until }: { appId: string; endpointId: string; since: number; until: number },
): Promise<Record<DeliveryStatus, number>> {
  const [counts] = await pool.read<Record<DeliveryStatus, number>>(
    COUNT,
    appId,
    endpointId,
    startId('msg', since),
    startId('msg', until),
  )
  return counts!
}
