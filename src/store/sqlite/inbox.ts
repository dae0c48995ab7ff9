/** The inbox and its counts. Every message is counted by the transaction that stores it, so the counts are exact. */
import type { SQLInputValue } from 'node:sqlite'
import { foldCase, type InboxMessage, type InboxQuery, type InboxStats, timestampKey } from '../../domain/inbox.ts'
import type { Message } from '../../domain/message.ts'
import type { Database } from './database.ts'

/** `2025-01-15T10`: the length of a key that names an hour. */
const HOUR_CHARS = 13
const TOP_SENDERS = 10

/** False when there is a message with this id already; nothing is changed then. */
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
    // Most texts are kept once: only what folding changed is stored beside them.
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
    const total = count(db, query)
    const data = query.offset >= total ? [] : page(db, query)
    return { data, total }
  })
}

function page(db: Database, query: InboxQuery): InboxMessage[] {
  const { where, values } = conditions(query)
  // A search reads every text anyway: in the table's own order, with a sort of what it found, it does so much faster
  // than by jumping from the index of times to each row. The plus keeps that index out of it.
  const order = query.q === null || query.from !== null ? 'ts_key, message_id' : '+ts_key, message_id'
  return db
    .all<InboxRow>(
      `SELECT message_id, from_msisdn, to_msisdn, ts, text, created_at FROM messages ${where}
       ORDER BY ${order} LIMIT ? OFFSET ?`,
      ...values,
      query.limit,
      query.offset,
    )
    .map((row) => ({
      messageId: row.message_id,
      from: row.from_msisdn,
      to: row.to_msisdn,
      ts: row.ts,
      text: row.text,
      createdAt: Date.parse(row.created_at),
    }))
}

/** How many messages match: from the kept counts where they can tell. */
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

/** Whole hours from their counts, and the rest of the first one by counting. */
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
