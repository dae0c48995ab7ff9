/** Deliveries, newest first, read from the indexes that answer a filter. */
import { isExact, pageOf, type Walk, type Walked, walksOf } from '../shared/delivery-list.ts'
import { END } from '../shared/keyset.ts'
import type { DeliveryFilter, DeliveryPage, DeliveryPageQuery } from '../port/history.ts'
import { LISTED_DELIVERY_COLUMNS, listedDeliveryFrom, type ListedDeliveryRow } from '../rows/listed-delivery.ts'
import type { Database } from './database.ts'

export function listDeliveries(db: Database, filter: DeliveryFilter, page: DeliveryPageQuery): DeliveryPage {
  return db.snapshot(() =>
    pageOf(
      walksOf(filter).map((walk) => walked(db, { walk, filter, page })),
      page.limit,
    ),
  )
}

function walked(
  db: Database,
  { walk, filter, page }: { walk: Walk; filter: DeliveryFilter; page: DeliveryPageQuery },
): Walked {
  const { from, joined, id, endpointId, conditions, values } = sourceOf(walk, filter)
  const top = page.after ?? { msgId: END, endpointId: END }
  const floor =
    isExact(walk, filter) || walk.over === 'leased'
      ? null
      : (db.get<{ id: string }>(
          `SELECT ${id} AS id FROM ${from} WHERE ${conditions.index} AND ${id} >= ? AND ${id} < ?
           ORDER BY ${id} DESC LIMIT 1 OFFSET ?`,
          ...values.index,
          filter.from,
          top.msgId,
          page.walkMax - 1,
        )?.id ?? null)
  const rows = db.all<ListedDeliveryRow>(
    `SELECT ${LISTED_DELIVERY_COLUMNS} FROM ${from} ${joined}
     WHERE ${conditions.index} AND ${id} >= ? AND ${id} <= ? AND (${id} < ? OR coalesce(${endpointId}, '') < ?)
       ${conditions.row}
     ORDER BY ${id} DESC, ${endpointId} DESC LIMIT ?`,
    ...values.index,
    floor ?? filter.from,
    top.msgId,
    top.msgId,
    top.endpointId,
    ...values.row,
    page.limit + 1,
  )
  return { rows: rows.map(listedDeliveryFrom), floor }
}

interface Source {
  from: string
  joined: string
  /** The columns that the rows are ordered by. */
  id: string
  endpointId: string
  /** The condition by which the index is entered, and the one that is checked on each row. */
  conditions: { index: string; row: string }
  values: { index: string[]; row: string[] }
}

const OF_MESSAGE = 'd.app_id = m.app_id AND d.msg_id = m.id AND d.run = 0'

function sourceOf(walk: Walk, { appId, endpointId, eventType }: DeliveryFilter): Source {
  const isOfType = eventType === null ? [] : [eventType]
  if (walk.over === 'messages')
    return {
      from: eventType === null ? 'msg m' : 'msg m INDEXED BY msg_event_type',
      joined: `${walk.only === 'delivered' ? 'CROSS' : 'LEFT'} JOIN delivery d ON ${OF_MESSAGE}`,
      id: 'm.id',
      endpointId: 'd.endpoint_id',
      conditions: {
        index: `m.app_id = ? ${eventType === null ? '' : 'AND m.event_type = ?'}`,
        row: { delivered: "AND d.state = 'delivered'", filtered: 'AND d.endpoint_id IS NULL', any: '' }[
          walk.only ?? 'any'
        ],
      },
      values: { index: [appId, ...isOfType], row: [] },
    }
  const state = walk.over === 'leased' ? 'leased' : walk.state
  const tried = walk.isTried === null ? '' : `AND d.attempts ${walk.isTried ? '>' : '='} 0`
  const isOne = walk.over === 'leased' && endpointId !== null
  return {
    from: `delivery d INDEXED BY ${indexOf(walk)}`,
    joined: 'CROSS JOIN msg m ON m.app_id = d.app_id AND m.id = d.msg_id',
    id: 'd.msg_id',
    endpointId: 'd.endpoint_id',
    conditions: {
      index: `d.app_id = ? ${walk.over === 'endpoint' ? `AND d.endpoint_id = ? ${tried}` : ''}
        AND d.state = '${state}' AND d.run = 0`,
      row: `${walk.over === 'endpoint' ? '' : tried} ${isOne ? 'AND d.endpoint_id = ?' : ''}
        ${eventType === null ? '' : 'AND m.event_type = ?'}`,
    },
    values: {
      index: [appId, ...(walk.over === 'endpoint' ? [endpointId ?? ''] : [])],
      row: [...(isOne ? [endpointId] : []), ...isOfType],
    },
  }
}

function indexOf(walk: Exclude<Walk, { over: 'messages' }>): string {
  if (walk.over === 'leased') return 'delivery_leased'
  if (walk.over === 'state') return 'delivery_unfinished'
  if (walk.isTried) return 'delivery_tried'
  return walk.state === 'cancelled' ? 'delivery_untried' : 'delivery_unsent'
}
