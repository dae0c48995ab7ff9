/** The inbox and its counts. Every message is counted by the transaction that stores it, so the counts are exact. */
import type { SQLInputValue } from 'node:sqlite'
import { foldCase, type InboxMessage, type InboxQuery, type InboxStats, timestampKey } from '../../domain/inbox.ts'
import type { Message } from '../../domain/message.ts'
import { HOUR_CHARS, TOP_SENDERS } from '../shared/constants.ts'
import type { Database } from './database.ts'

/** Returns false when there is a message with this id already; nothing is changed then. */
export function insertInbox(db: Database, inbox: InboxMessage, announcedBy: Message): boolean {
  const key = timestampKey(inbox.ts)
  const folded = inbox.text === null ? null : foldCase(inbox.text)
  const inserted = db.run(
    `INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text, created_at, ts_key, text_folded, msg_id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING`,
    inbox.messageId,
    inbox.from,
    inbox.to,
    inbox.ts,
    inbox.text,
    new Date(inbox.createdAt).toISOString(),
    key,
    // Most texts are kept once: a folded text is stored only if folding changed it.
    folded === inbox.text ? null : folded,
    announcedBy.id,
  )
  if (inserted === 0) return false
  const sender = db.get<{ count: number }>(
    'INSERT INTO inbox_sender (from_msisdn, count) VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count',
    inbox.from,
  )
  db.run(
    'INSERT INTO inbox_hour (hour, count) VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1',
    key.slice(0, HOUR_CHARS),
  )
  db.run('UPDATE inbox_total SET messages = messages + 1, senders = senders + ?', sender?.count === 1 ? 1 : 0)
  return true
}

/** The event that brought the stored message of this id, and the number of its deliveries. */
export const inboxAnnouncedBy = (db: Database, { messageId }: InboxMessage, { appId }: Message) =>
  db.get<{ msg_id: string; deliveries: number }>(
    `SELECT msg_id, (SELECT count(*) FROM delivery d WHERE d.app_id = ? AND d.msg_id = m.msg_id AND d.run = 0) AS deliveries
     FROM messages m WHERE message_id = ?`,
    appId,
    messageId,
  ) ?? null

interface InboxRow {
  message_id: string
  from_msisdn: string
  to_msisdn: string
  ts: string
  text: string | null
  created_at: string
}

export function listInbox(db: Database, query: InboxQuery): { data: InboxMessage[]; total: number } {
  return db.snapshot(() => {
    // For one sender there is an index to walk; any other search has to read every text.
    if (query.q !== null && query.from === null) return searchAll(db, query)
    const total = count(db, query)
    const data = query.offset >= total ? [] : page(db, query)
    return { data, total }
  })
}

/** Rows that a search reads before it yields the processor to the other threads, and the length of that pause. */
const STRETCH_ROWS = 10_000
const BREATH_MS = 2
const pauseCell = new Int32Array(new SharedArrayBuffer(4))

/**
 * Reads the whole table, a stretch at a time, in the order in which it is stored. This is several times faster than
 * jumping from the index of times to each row. Between two stretches it pauses, so that a machine with few processors
 * still stores messages as fast as without the search.
 */
function searchAll(db: Database, query: InboxQuery): { data: InboxMessage[]; total: number } {
  const { where, values } = conditions(query)
  const end = db.get<{ last: number | null }>('SELECT max(rowid) AS last FROM messages')?.last ?? 0
  const wanted = query.offset + query.limit
  let total = 0
  let first: { ts_key: string; message_id: string; rowid: number }[] = []
  for (let from = 0; from < end; from += STRETCH_ROWS) {
    if (from > 0) Atomics.wait(pauseCell, 0, 0, BREATH_MS)
    const stretch = `${where} AND rowid > ? AND rowid <= ?`
    const bounds = [...values, from, from + STRETCH_ROWS]
    const found = db.get<{ n: number }>(`SELECT count(*) AS n FROM messages ${stretch}`, ...bounds)!.n
    total += found
    if (found === 0) continue
    const rows = db.all<{ ts_key: string; message_id: string; rowid: number }>(
      `SELECT ts_key, message_id, rowid FROM messages ${stretch} ORDER BY +ts_key, message_id LIMIT ?`,
      ...bounds,
      wanted,
    )
    first = [...first, ...rows].sort(byTime).slice(0, wanted)
  }
  const data = first
    .slice(query.offset)
    .map(({ rowid }) => db.get<InboxRow>(`${SELECT_MESSAGE} WHERE rowid = ?`, rowid)!)
  return { data: data.map(fromRow), total }
}

/** Compares bytes, as SQLite does. */
const compare = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)))

const byTime = (a: { ts_key: string; message_id: string }, b: { ts_key: string; message_id: string }): number =>
  compare(a.ts_key, b.ts_key) || compare(a.message_id, b.message_id)

const SELECT_MESSAGE = 'SELECT message_id, from_msisdn, to_msisdn, ts, text, created_at FROM messages'

const fromRow = (row: InboxRow): InboxMessage => ({
  messageId: row.message_id,
  from: row.from_msisdn,
  to: row.to_msisdn,
  ts: row.ts,
  text: row.text,
  createdAt: Date.parse(row.created_at),
})

function page(db: Database, query: InboxQuery): InboxMessage[] {
  const { where, values } = conditions(query)
  return db
    .all<InboxRow>(
      `${SELECT_MESSAGE} ${where} ORDER BY ts_key, message_id LIMIT ? OFFSET ?`,
      ...values,
      query.limit,
      query.offset,
    )
    .map(fromRow)
}

/** Number of matching messages: from the kept counts where these suffice. */
function count(db: Database, query: InboxQuery): number {
  const { from, since, q } = query
  if (q === null && since === null)
    return from === null
      ? db.get<{ messages: number }>('SELECT messages FROM inbox_total')!.messages
      : (db.get<{ count: number }>('SELECT count FROM inbox_sender WHERE from_msisdn = ?', from)?.count ?? 0)
  if (q === null && from === null && since !== null) return countSince(db, timestampKey(since))
  const { where, values } = conditions(query)
  return db.get<{ n: number }>(`SELECT count(*) AS n FROM messages ${where}`, ...values)!.n
}

/** Counts whole hours from their counts, and the rest of the first hour row by row. */
function countSince(db: Database, key: string): number {
  const hour = key.slice(0, HOUR_CHARS)
  const row = db.get<{ n: number }>(
    `SELECT (SELECT coalesce(sum(count), 0) FROM inbox_hour WHERE hour > ?1)
          + (SELECT count(*) FROM messages WHERE ts_key >= ?2 AND ts_key < ?1 || ';') AS n`,
    hour,
    key,
  )
  return row!.n
}

function conditions({ from, since, q }: InboxQuery): { where: string; values: SQLInputValue[] } {
  const parts: [string, SQLInputValue][] = []
  if (from !== null) parts.push(['from_msisdn = ?', from])
  if (since !== null) parts.push(['ts_key >= ?', timestampKey(since)])
  if (q !== null) parts.push(['instr(coalesce(text_folded, text), ?) > 0', foldCase(q)])
  return {
    where: parts.length === 0 ? '' : `WHERE ${parts.map(([sql]) => sql).join(' AND ')}`,
    values: parts.map(([, value]) => value),
  }
}

export function inboxStats(db: Database): InboxStats {
  return db.snapshot(() => {
    const total = db.get<{ messages: number; senders: number }>('SELECT messages, senders FROM inbox_total')!
    const edge = (direction: 'ASC' | 'DESC') =>
      db.get<{ ts: string }>(`SELECT ts FROM messages ORDER BY ts_key ${direction}, message_id ${direction} LIMIT 1`)
        ?.ts ?? null
    return {
      totalMessages: total.messages,
      sendersCount: total.senders,
      messagesPerSender: db.all<{ from: string; count: number }>(
        'SELECT from_msisdn AS "from", count FROM inbox_sender ORDER BY count DESC, from_msisdn LIMIT ?',
        TOP_SENDERS,
      ),
      firstMessageTs: edge('ASC'),
      lastMessageTs: edge('DESC'),
    }
  })
}
