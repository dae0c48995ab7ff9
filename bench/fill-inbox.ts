// An inbox that has been in use, written straight into the tables of a gateway that is stopped, with the counts that the
// gateway itself would have kept.

import { closeSync, fsyncSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { timestampKey } from '../src/domain/inbox.ts'
import { servePeer } from './peer.ts'

const SENDERS = 1_000
const FIRST_AT = Date.UTC(2025, 0, 1)
const SPREAD_MS = 300 * 86_400_000
const ROWS_PER_TRANSACTION = 100_000
const WORDS =
  'the order for blue red shirts shoes size arrived late please tell me when it will be here thanks again'.split(' ')

export interface InboxFill {
  databaseFile: string
  rows: number
}

export const senderOf = (row: number): string => `+9198765${String(row % SENDERS).padStart(5, '0')}`

function fill({ databaseFile, rows }: InboxFill): void {
  using db = new DatabaseSync(databaseFile)
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144')
  const insert = db.prepare(
    `INSERT INTO messages (message_id, from_msisdn, to_msisdn, ts, text, created_at, ts_key, msg_id)
     VALUES (?, ?, '+14155550100', ?, ?, ?, ?, '')`,
  )
  for (let row = 0; row < rows; row++) {
    if (row % ROWS_PER_TRANSACTION === 0) db.exec(row === 0 ? 'BEGIN' : 'COMMIT; BEGIN')
    const ts = new Date(FIRST_AT + Math.floor((row / rows) * SPREAD_MS)).toISOString()
    const word = (n: number) => WORDS[(row * 31 + n * 7) % WORDS.length]
    const text = `${word(0)} ${word(1)} ${word(2)} ${word(3)} ${word(4)} number ${row}`
    insert.run(`f${String(row).padStart(9, '0')}`, senderOf(row), ts, text, ts, timestampKey(ts))
  }
  db.exec(`COMMIT;
    INSERT INTO inbox_sender (from_msisdn, count) SELECT from_msisdn, count(*) FROM messages GROUP BY 1;
    INSERT INTO inbox_hour (hour, count) SELECT substr(ts_key, 1, 13), count(*) FROM messages GROUP BY 1;
    UPDATE inbox_total SET messages = ${rows}, senders = (SELECT count(*) FROM inbox_sender);
    PRAGMA wal_checkpoint(TRUNCATE)`)
  const file = openSync(databaseFile, 'r+')
  fsyncSync(file)
  closeSync(file)
}

const handlers = { fill }

export type InboxFillHandlers = typeof handlers

if (process.send !== undefined) servePeer(handlers)
