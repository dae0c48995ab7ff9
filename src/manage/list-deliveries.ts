/** Lists the deliveries of an application, newest first, a page at a time. */
import { startId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { DeliveryFilter, DeliveryPage, DeliveryPlace, History } from '../store/port/history.ts'

export interface DeliveriesAsked extends Pick<DeliveryFilter, 'appId' | 'status' | 'endpointId' | 'eventType'> {
  /** Start of the range, ms, inclusive; null is all. */
  since: number | null
  limit: number
  after: DeliveryPlace | null
}

export async function listDeliveries(
  store: Pick<History, 'listDeliveries'>,
  { since, limit, after, ...filter }: DeliveriesAsked,
): Promise<DeliveryPage> {
  const from = since === null ? '' : startId('msg', since)
  const page = await store.listDeliveries({ ...filter, from }, { limit, after, walkMax: LIMITS.deliveriesWalked })
  // An id gives its time to within a few milliseconds only.
  return { ...page, rows: page.rows.filter((row) => row.receivedAt >= (since ?? -Infinity)) }
}
