/**
 * The list of deliveries, newest first: it chooses the indexes that answer a filter, and makes one page of their rows.
 *
 * A page is put together from several walks. Each walk goes down one index, and looks at a bounded number of entries.
 * So a page ends early where few rows match, and says where the next one goes on.
 */
import type { DeliveryState, MessageStatus } from '../../domain/delivery.ts'
import type { DeliveryFilter, DeliveryPage, DeliveryPlace, ListedDelivery } from '../port/history.ts'

/** An index that is walked. `isTried` null is both. */
export type Walk =
  /** All messages with their deliveries; only delivered ones; only messages without any. */
  | { over: 'messages'; only: 'delivered' | 'filtered' | null }
  | { over: 'state'; state: 'pending' | 'failed' | 'cancelled'; isTried: boolean | null }
  | { over: 'endpoint'; state: Exclude<DeliveryState, 'leased'>; isTried: boolean }
  /** The deliveries that nodes hold in memory. Their number is bounded: all of them are looked at. */
  | { over: 'leased'; isTried: boolean | null }

export function walksOf({ status, endpointId }: Pick<DeliveryFilter, 'status' | 'endpointId'>): Walk[] {
  if (endpointId !== null) return ofEndpoint(status)
  switch (status) {
    case null:
    case 'delivered':
    case 'filtered':
      return [{ over: 'messages', only: status }]
    case 'failed':
    case 'cancelled':
      return [{ over: 'state', state: status, isTried: null }]
    case 'queued':
    case 'delivering':
      return [
        { over: 'state', state: 'pending', isTried: status === 'delivering' },
        { over: 'leased', isTried: status === 'delivering' },
      ]
    default:
      return status satisfies never
  }
}

const OF_ENDPOINT = ['queued', 'delivering', 'delivered', 'failed', 'cancelled'] as const

function ofEndpoint(status: MessageStatus | null): Walk[] {
  if (status === null) return OF_ENDPOINT.flatMap((one) => ofEndpoint(one))
  switch (status) {
    case 'filtered':
      return []
    case 'delivered':
      return [{ over: 'endpoint', state: 'delivered', isTried: true }]
    case 'failed':
    case 'cancelled':
      return [true, false].map((isTried) => ({ over: 'endpoint', state: status, isTried }))
    case 'queued':
    case 'delivering':
      return [
        { over: 'endpoint', state: 'pending', isTried: status === 'delivering' },
        { over: 'leased', isTried: status === 'delivering' },
      ]
    default:
      return status satisfies never
  }
}

/** True when each entry of the walk is a row of the list: then the length of the page alone is the bound. */
export const isExact = (walk: Walk, { eventType }: Pick<DeliveryFilter, 'eventType'>): boolean =>
  walk.over === 'messages' ? walk.only === null : walk.over === 'endpoint' && eventType === null

/** The result of one walk: up to one row more than a page has, newest first. */
export interface Walked {
  rows: readonly ListedDelivery[]
  /** The message up to which the walk looked, with all deliveries of that message; null when it reached the end. */
  floor: string | null
}

const placeOf = ({ msgId, delivery }: ListedDelivery): DeliveryPlace => ({
  msgId,
  endpointId: delivery?.endpointId ?? '',
})

/** Negative when `a` is listed before `b`. */
function compare(a: DeliveryPlace, b: DeliveryPlace): number {
  if (a.msgId !== b.msgId) return a.msgId > b.msgId ? -1 : 1
  if (a.endpointId === b.endpointId) return 0
  return a.endpointId > b.endpointId ? -1 : 1
}

/** Makes one page of several walks from the same place. The page ends where the first of the walks stopped looking. */
export function pageOf(walked: readonly Walked[], limit: number): DeliveryPage {
  const ends = walked.flatMap(({ rows, floor }) => {
    if (rows.length > limit) return [placeOf(rows.at(-1)!)]
    return floor === null ? [] : [{ msgId: floor, endpointId: '' }]
  })
  const end = ends.toSorted(compare)[0] ?? null
  const rows = walked
    .flatMap((one) => one.rows)
    .filter((row) => end === null || compare(placeOf(row), end) <= 0)
    .toSorted((a, b) => compare(placeOf(a), placeOf(b)))
  if (rows.length <= limit) return { rows, next: end }
  const page = rows.slice(0, limit)
  return { rows: page, next: placeOf(page.at(-1)!) }
}
