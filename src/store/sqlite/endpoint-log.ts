/** Deliveries and their results, by message and by endpoint. */
import type { DeliveryInfo, DeliveryState } from '../../domain/delivery.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import { startId } from '../../domain/ids.ts'
import { type DeliveryStatus, statusOf } from '../port/history.ts'
import { candidateRow } from '../rows/endpoint.ts'
import { deliveryFrom, type DeliveryRow } from '../rows/delivery.ts'
import type { Row } from '../shared/value.ts'
import type { Keyset } from '../port/page.ts'
import { stretchOf } from '../shared/keyset.ts'
import type { Database } from './database.ts'

type AttemptedRow = Row & { id: string } & Omit<DeliveryRow, 'endpoint_id'>

export function listAttemptedEndpoints(
  db: Database,
  appId: string,
  msgId: string,
  page: Keyset,
): { endpoint: Candidate; delivery: DeliveryInfo; status: DeliveryStatus }[] {
  const { above, below, direction, limit } = stretchOf(page)
  return db
    .all<AttemptedRow>(
      `SELECT e.*, d.state, d.attempts, d.due_at, d.last_attempt_at FROM delivery d
       CROSS JOIN endpoint e ON e.app_id = d.app_id AND e.id = d.endpoint_id
       WHERE d.app_id = ? AND d.msg_id = ? AND d.endpoint_id > ? AND d.endpoint_id < ? AND d.run = 0 AND d.attempts > 0
       ORDER BY d.endpoint_id ${direction} LIMIT ?`,
      appId,
      msgId,
      above,
      below,
      limit,
    )
    .map((row) => ({
      endpoint: candidateRow.from(row),
      delivery: deliveryFrom({ ...row, endpoint_id: row.id }),
      status: statusOf(row),
    }))
}

interface Window {
  appId: string
  endpointId: string
  since: number
  until: number
}

/**
 * Counts deliveries by status. Deliveries that were tried, or cancelled untried, have an index: their count costs as
 * much as the window holds. Waiting deliveries have no index by message: their count costs as much as waits for the
 * endpoint and is leased in all.
 */
export function countDeliveries(
  db: Database,
  { appId, endpointId, since, until }: Window,
): Record<DeliveryStatus, number> {
  const within = [appId, endpointId, startId('msg', since), startId('msg', until)] as const
  const count = (sql: string, ...values: readonly string[]) =>
    db.get<{ n: number }>(
      `SELECT count(*) AS n FROM delivery INDEXED BY ${sql} AND app_id = ? AND endpoint_id = ? AND msg_id >= ? AND msg_id < ?`,
      ...values,
      ...within,
    )!.n
  const tried = (state: DeliveryState) => count('delivery_tried WHERE run = 0 AND attempts > 0 AND state = ?', state)
  return db.snapshot(() => {
    const sending = tried('pending') + tried('leased')
    const open =
      count("delivery_pending WHERE run = 0 AND state = 'pending'") +
      count("delivery_leased WHERE run = 0 AND state = 'leased'")
    return {
      success: tried('delivered'),
      pending: open - sending,
      sending,
      fail: tried('failed'),
      canceled: tried('cancelled') + count("delivery_untried WHERE run = 0 AND attempts = 0 AND state = 'cancelled'"),
    }
  })
}
