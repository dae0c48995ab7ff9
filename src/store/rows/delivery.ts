import type { DeliveryInfo } from '../../domain/delivery.ts'

export interface DeliveryRow {
  endpoint_id: string
  state: DeliveryInfo['state']
  attempts: number
  due_at: number | null
  last_attempt_at: number | null
}

/** Maps a row. `due_at` of a delivery that is under way is the end of its lease. */
export const deliveryFrom = (row: DeliveryRow): DeliveryInfo => ({
  endpointId: row.endpoint_id as DeliveryInfo['endpointId'],
  state: row.state,
  attempts: row.attempts,
  nextAttemptAt: row.state === 'pending' ? row.due_at : null,
  lastAttemptAt: row.last_attempt_at,
})
