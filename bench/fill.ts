// A store that has been in use: many delivered messages, written straight into the tables of a gateway that is stopped,
// because sending them would take longer than everything else. Nothing here needs to survive a crash, but all of it has to
// be on disk before the gateway starts, or the first commits would wait for a gigabyte that is not theirs.

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { DEFAULT_APP } from '../src/domain/application.ts'
import { createIds } from '../src/domain/ids.ts'
import { eventBody } from './event.ts'
import { servePeer } from './peer.ts'

const SPREAD_MS = 3_600_000
const ROWS_PER_TRANSACTION = 50_000
const KEPT_MS = 90 * 24 * 3_600_000

export interface Fill {
  databaseFile: string
  subscription: string
  targetUrl: string
  /** How many messages; each gets one delivery and one successful attempt, all within the last hour. */
  rows: number
}

function fill({ databaseFile, subscription, targetUrl, rows }: Fill): void {
  using db = new DatabaseSync(databaseFile)
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -65536')
  const message = db.prepare(
    `INSERT INTO msg (app_id, id, event_type, content_type, received_at, expires_at, payload)
     VALUES (?, ?, 'order.created', 'application/json', ?, ?, ?)`,
  )
  const delivery = db.prepare(
    `INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, tries, attempts, last_attempt_at)
     VALUES (?, ?, ?, 0, 'delivered', 1, 1, ?)`,
  )
  const attempt = db.prepare(
    `INSERT INTO attempt (app_id, endpoint_id, id, msg_id, number, manual, outcome, at, url, status_code, duration_ms, response)
     VALUES (?, ?, ?, ?, 1, 0, 'success', ?, ?, 204, 3, '')`,
  )
  const firstAt = Date.now() - SPREAD_MS
  let at = firstAt
  const ids = createIds({ now: () => at, randomBytes })
  for (let row = 0; row < rows; row++) {
    if (row % ROWS_PER_TRANSACTION === 0) db.exec(row === 0 ? 'BEGIN' : 'COMMIT; BEGIN')
    at = firstAt + Math.floor((row / rows) * SPREAD_MS)
    const id = ids.next('msg')
    message.run(DEFAULT_APP, id, at, at + KEPT_MS, eventBody)
    delivery.run(DEFAULT_APP, id, subscription, at)
    attempt.run(DEFAULT_APP, subscription, ids.next('atmpt'), id, at, targetUrl)
  }
  db.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  const file = openSync(databaseFile, 'r+')
  fsyncSync(file)
  closeSync(file)
}

const handlers = { fill }

export type FillHandlers = typeof handlers

servePeer(handlers)
