/** Attempts that a request asks for, outside of the schedule. */
import type { DeliveryKey } from '../../domain/delivery.ts'
import type { Extras } from '../port/accept.ts'
import type { Database } from './database.ts'
import { READS } from './reads.ts'
import { addToLane } from './lanes.ts'
import { once } from './once.ts'

/** Inserts a row of the queue that is due now. */
export function insertDue(db: Database, key: DeliveryKey, now: number): void {
  db.run(
    "INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at) VALUES (?, ?, ?, ?, 'pending', ?)",
    key.appId,
    key.msgId,
    key.endpointId,
    key.run,
    now,
  )
  addToLane(db, { appId: key.appId, endpointId: key.endpointId, retry: 0 }, now)
}

/** True when the payload was removed; null when there is no such message. */
const isPayloadRemoved = (db: Database, appId: string, msgId: string): boolean | null => {
  const row = db.get<{ removed: number }>(
    'SELECT payload IS NULL AS removed FROM msg WHERE app_id = ? AND id = ?',
    appId,
    msgId,
  )
  return row === undefined ? null : row.removed === 1
}

/** Adds a manual attempt of a delivery whose payload is there. A manual attempt that waits already is not doubled. */
export function addManual(db: Database, key: Omit<DeliveryKey, 'run'>, now: number): { run: number } | null {
  const of = [key.appId, key.msgId, key.endpointId] as const
  const rows = db.all<{ run: number; state: string }>(
    'SELECT run, state FROM delivery WHERE app_id = ? AND msg_id = ? AND endpoint_id = ? ORDER BY run',
    ...of,
  )
  const last = rows.at(-1)
  if (last === undefined) return null
  const waiting = rows.find((row) => row.run > 0 && row.state === 'pending')
  if (waiting !== undefined) return { run: waiting.run }
  const run = last.run + 1
  insertDue(db, { ...key, run }, now)
  return { run }
}

export function resend(
  db: Database,
  key: Omit<DeliveryKey, 'run'>,
  now: number,
  extras?: Extras,
): { run: number } | 'unknown' | 'expired' | 'replayed' {
  let run = 0
  const result = once(db, extras, 'added', () => {
    const isRemoved = isPayloadRemoved(db, key.appId, key.msgId)
    if (isRemoved === null || READS.getEndpoint(db, key.appId, key.endpointId) === null) return 'unknown'
    if (isRemoved) return 'expired'
    const manual = addManual(db, key, now)
    if (manual === null) insertDue(db, { ...key, run }, now)
    else run = manual.run
    return 'added'
  })
  return result === 'added' ? { run } : result
}
