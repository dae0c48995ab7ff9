/** Deliveries, newest first, read from the indexes that answer a filter. */
import { isExact, pageOf, type Walk, walksOf } from '../shared/delivery-list.ts'
import { END } from '../shared/keyset.ts'
import type { DeliveryFilter, DeliveryPage, DeliveryPageQuery } from '../port/history.ts'
import { LISTED_DELIVERY_COLUMNS, listedDeliveryFrom, type ListedDeliveryRow } from '../rows/listed-delivery.ts'
import type { Pool } from './database.ts'
import { Parameters } from './parameters.ts'

/** A walk without results gives one row, whose other columns are null. */
type Row = { walk: number; floor: string | null } & (ListedDeliveryRow | { msg_id: null })

/** All walks are one statement, so that no delivery changes its state between two of them. */
export async function listDeliveries(
  pool: Pool,
  filter: DeliveryFilter,
  page: DeliveryPageQuery,
): Promise<DeliveryPage> {
  const walks = walksOf(filter)
  if (walks.length === 0) return { rows: [], next: null }
  const parameters = new Parameters()
  const given = placed(filter, page, parameters)
  const parts = walks.map((walk, i) => partOf(walk, i, { filter, given }))
  const rows = await pool.read<Row>(parts.map((part) => `(${part})`).join(' UNION ALL '), ...parameters.values)
  return pageOf(
    walks.map((_, i) => {
      const own = rows.filter((row) => row.walk === i)
      return { rows: own.filter((row) => row.msg_id !== null).map(listedDeliveryFrom), floor: own[0]?.floor ?? null }
    }),
    page.limit,
  )
}

type Placed = ReturnType<typeof placed>

/** The places of the values in the statement. */
function placed(filter: DeliveryFilter, { limit, after, walkMax }: DeliveryPageQuery, parameters: Parameters) {
  return {
    appId: parameters.add(filter.appId),
    from: parameters.add(filter.from),
    topMsg: parameters.add(after?.msgId ?? END),
    topEndpoint: parameters.add(after?.endpointId ?? END),
    limit: parameters.add(limit + 1, 'bigint'),
    /** Added only where a walk is cut off: PostgreSQL wants each value to be used. */
    skip: () => parameters.add(walkMax - 1, 'bigint'),
    endpointId: filter.endpointId === null ? null : parameters.add(filter.endpointId),
    eventType: filter.eventType === null ? null : parameters.add(filter.eventType),
  }
}

function partOf(walk: Walk, index: number, { filter, given }: { filter: DeliveryFilter; given: Placed }): string {
  const { from, joined, id, entered, asked } = sourceOf(walk, given)
  const floor =
    isExact(walk, filter) || walk.over === 'leased'
      ? 'NULL::text'
      : `(SELECT ${id} FROM ${from} WHERE ${entered} AND ${id} >= ${given.from} AND ${id} < ${given.topMsg}
          ORDER BY ${id} DESC LIMIT 1 OFFSET ${given.skip()})`
  return `SELECT ${index} AS walk, f.floor, r.* FROM (SELECT ${floor} AS floor) f LEFT JOIN LATERAL (
      SELECT ${LISTED_DELIVERY_COLUMNS} FROM ${from} ${joined}
      WHERE ${entered} AND ${id} >= coalesce(f.floor, ${given.from}) AND ${id} <= ${given.topMsg}
        AND (${id} < ${given.topMsg} OR coalesce(d.endpoint_id, '') < ${given.topEndpoint}) ${asked}
      ORDER BY ${id} DESC, d.endpoint_id DESC LIMIT ${given.limit}
    ) r ON true`
}

interface Source {
  from: string
  joined: string
  /** The column that the index is ordered by. */
  id: string
  /** The condition by which the index is entered, and the one that is checked on each row. */
  entered: string
  asked: string
}

function sourceOf(walk: Walk, { appId, endpointId, eventType }: Placed): Source {
  const isOfType = eventType === null ? '' : `AND m.event_type = ${eventType}`
  if (walk.over === 'messages')
    return {
      from: 'msg m',
      joined: `${walk.only === 'delivered' ? '' : 'LEFT'} JOIN delivery d
        ON d.app_id = m.app_id AND d.msg_id = m.id AND d.run = 0`,
      id: 'm.id',
      entered: `m.app_id = ${appId} ${isOfType}`,
      asked: { delivered: "AND d.state = 'delivered'", filtered: 'AND d.endpoint_id IS NULL', any: '' }[
        walk.only ?? 'any'
      ],
    }
  const tried = walk.isTried === null ? '' : `AND d.attempts ${walk.isTried ? '>' : '='} 0`
  const from = 'delivery d'
  const joined = 'JOIN msg m ON m.app_id = d.app_id AND m.id = d.msg_id'
  const ofEndpoint = endpointId === null ? '' : `AND d.endpoint_id = ${endpointId}`
  // Conditions on expressions, so that the planner can use only the small index of leased deliveries.
  if (walk.over === 'leased')
    return {
      from,
      joined: `JOIN msg m ON m.app_id = ${appId} AND m.id = d.msg_id`,
      id: "(d.msg_id || '')",
      entered: `d.app_id || '' = ${appId} AND d.state = 'leased' AND d.run = 0`,
      asked: `${tried} ${endpointId === null ? '' : `AND d.endpoint_id || '' = ${endpointId}`} ${isOfType}`,
    }
  const entered = `d.app_id = ${appId} AND d.state = '${walk.state}' AND d.run = 0`
  if (walk.over === 'state') return { from, joined, id: 'd.msg_id', entered, asked: `${tried} ${isOfType}` }
  return { from, joined, id: 'd.msg_id', entered: `${entered} ${ofEndpoint} ${tried}`, asked: isOfType }
}
