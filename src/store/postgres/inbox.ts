/** The inbox: lists, searches and statistics. `accept.ts` stores the rows that a message adds to it. */
import { foldCase, type InboxMessage, type InboxQuery, type InboxStats, timestampKey } from '../../domain/inbox.ts'
import { systemClock } from '../../lib/clock.ts'
import { TOP_SENDERS } from '../shared/constants.ts'
import type { Pool, Value } from './database.ts'
import { COUNT_ALL, countOfSender, countSince, FRESH, NEW_SENDERS, topSenders } from './inbox-counts.ts'
import { textArray } from './values.ts'

interface InboxRow {
  message_id: string
  from_msisdn: string
  to_msisdn: string
  ts: string
  text: string | null
  created_at: string
}

export function listInbox(pool: Pool, query: InboxQuery): Promise<{ data: InboxMessage[]; total: number }> {
  // For one sender there is an index to walk; any other search has to read every text.
  return query.q !== null && query.from === null ? searchAll(pool, query) : listByIndex(pool, query)
}

const COLUMNS = 'message_id, from_msisdn, to_msisdn, ts, text, created_at'

/** The page and the number of all, seen at the same moment: one statement sees one state of the database. */
async function listByIndex(pool: Pool, query: InboxQuery): Promise<{ data: InboxMessage[]; total: number }> {
  const { where, values } = conditions(query)
  const next = values.length
  const rows = await pool.read<{ total: number } & (InboxRow | { message_id: null })>(
    `SELECT t.total, m.* FROM (SELECT ${total(query, where)} AS total) t
     LEFT JOIN LATERAL (
       SELECT ${COLUMNS}, ts_key FROM messages ${where} ORDER BY ts_key, message_id LIMIT $${next + 1} OFFSET $${next + 2}
     ) m ON TRUE
     ORDER BY m.ts_key, m.message_id`,
    ...values,
    query.limit,
    query.offset,
  )
  return { data: rows.flatMap((row) => (row.message_id === null ? [] : [fromRow(row)])), total: rows[0]?.total ?? 0 }
}

/** Number of matching messages: from the kept counts where these suffice. */
function total({ from, since, q }: InboxQuery, where: string): string {
  if (q === null && since === null) return from === null ? COUNT_ALL : countOfSender('$1')
  if (q === null && from === null) return countSince('$1')
  return `(SELECT count(*) FROM messages ${where})`
}

function conditions({ from, since, q }: InboxQuery): { where: string; values: Value[] } {
  const parts: [sql: (place: string) => string, value: Value][] = []
  if (from !== null) parts.push([(place) => `from_msisdn = ${place}::text`, from])
  if (since !== null) parts.push([(place) => `ts_key >= ${place}::text`, timestampKey(since)])
  if (q !== null) parts.push([(place) => `position(${place}::text IN coalesce(text_folded, text)) > 0`, foldCase(q)])
  return {
    where: parts.length === 0 ? '' : `WHERE ${parts.map(([sql], i) => sql(`$${i + 1}`)).join(' AND ')}`,
    values: parts.map(([, value]) => value),
  }
}

/** Blocks of 8 KB that a search reads before it yields the processor, and the length of that pause. */
const STRETCH_BLOCKS = 512
const BREATH_MS = 2

interface Place {
  place: string
  ts_key: string
  message_id: string
}

/**
 * Reads the whole table in the order in which it is stored, a stretch at a time. This is several times faster than
 * jumping from the index of times to each row. Rows never move, for they are never changed. Each stretch is a
 * transaction of its own, so that a long search does not keep vacuum from its work; then there is a pause.
 */
async function searchAll(pool: Pool, query: InboxQuery): Promise<{ data: InboxMessage[]; total: number }> {
  const { where, values } = conditions(query)
  const [size] = await pool.read<{ blocks: number }>(
    `SELECT pg_relation_size('messages') / current_setting('block_size')::int AS blocks`,
  )
  const wanted = query.offset + query.limit
  const next = values.length
  let total = 0
  let first: Place[] = []
  for (let from = 0; from < size!.blocks; from += STRETCH_BLOCKS) {
    if (from > 0) await new Promise<void>((resolve) => systemClock.after(BREATH_MS, resolve))
    const rows = await pool.read<Place & { found: number }>(
      `WITH found AS MATERIALIZED (
         SELECT ctid, ts_key, message_id FROM messages ${where} AND ctid >= $${next + 1}::tid AND ctid < $${next + 2}::tid
       )
       SELECT (SELECT count(*) FROM found) AS found, ctid::text AS place, ts_key, message_id FROM found
       ORDER BY ts_key, message_id LIMIT $${next + 3}`,
      ...values,
      `(${from},0)`,
      `(${from + STRETCH_BLOCKS},0)`,
      // At least one row, because the row carries the count.
      Math.max(wanted, 1),
    )
    total += rows[0]?.found ?? 0
    if (rows.length > 0) first = [...first, ...rows].sort(byTime).slice(0, wanted)
  }
  return { data: await readPlaces(pool, first.slice(query.offset)), total }
}

async function readPlaces(pool: Pool, places: readonly Place[]): Promise<InboxMessage[]> {
  if (places.length === 0) return []
  const rows = await pool.read<InboxRow>(
    `SELECT ${COLUMNS} FROM messages WHERE ctid = ANY ($1::tid[]) ORDER BY ts_key, message_id`,
    textArray(places.map(({ place }) => place)),
  )
  return rows.map(fromRow)
}

/** Compares bytes, as the database does. */
const compare = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)))

const byTime = (a: Place, b: Place): number => compare(a.ts_key, b.ts_key) || compare(a.message_id, b.message_id)

const fromRow = (row: InboxRow): InboxMessage => ({
  messageId: row.message_id,
  from: row.from_msisdn,
  to: row.to_msisdn,
  ts: row.ts,
  text: row.text,
  createdAt: Date.parse(row.created_at),
})

const edge = (direction: 'ASC' | 'DESC') =>
  `(SELECT ts FROM messages ORDER BY ts_key ${direction}, message_id ${direction} LIMIT 1)`

interface StatsRow {
  messages: number
  senders: number
  top: string
  first: string | null
  last: string | null
}

export async function inboxStats(pool: Pool): Promise<InboxStats> {
  const [row] = await pool.read<StatsRow>(
    `WITH ${FRESH}, top AS (${topSenders(TOP_SENDERS)})
     SELECT ${COUNT_ALL} AS messages, (SELECT senders FROM inbox_total) + ${NEW_SENDERS} AS senders,
       (SELECT coalesce(json_agg(t ORDER BY t.count DESC, t."from"), '[]')::text FROM top t) AS top,
       ${edge('ASC')} AS first, ${edge('DESC')} AS last`,
  )
  return {
    totalMessages: row!.messages,
    sendersCount: row!.senders,
    messagesPerSender: JSON.parse(row!.top) as InboxStats['messagesPerSender'],
    firstMessageTs: row!.first,
    lastMessageTs: row!.last,
  }
}
