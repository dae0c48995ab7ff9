import type { ListedDelivery } from '../port/history.ts'
import { deliveryFrom, type DeliveryRow } from './delivery.ts'

/** A message with one of its deliveries. For a message without deliveries, the columns of the delivery are null. */
export interface ListedDeliveryRow extends Omit<DeliveryRow, 'endpoint_id'> {
  msg_id: string
  event_type: string
  received_at: number
  endpoint_id: string | null
}

/** The columns, from `msg m` and `delivery d`. */
export const LISTED_DELIVERY_COLUMNS = `m.id AS msg_id, m.event_type, m.received_at, d.endpoint_id, d.state, d.attempts,
  d.due_at, d.last_attempt_at`

export const listedDeliveryFrom = (row: ListedDeliveryRow): ListedDelivery => ({
  msgId: row.msg_id as ListedDelivery['msgId'],
  eventType: row.event_type,
  receivedAt: row.received_at,
  delivery: row.endpoint_id === null ? null : deliveryFrom({ ...row, endpoint_id: row.endpoint_id }),
})
