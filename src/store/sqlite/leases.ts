import type { DeliveryKey } from '../../domain/delivery.ts'
import type { Lease } from '../port/lease.ts'
import { LANES_PER_SWEEP } from '../shared/constants.ts'
import type { Database } from './database.ts'
import { addToLane, afterTaking, repairLanes, type LaneKey } from './lanes.ts'

type Held = DeliveryKey & { tries: number }

const KEY = 'app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = ?'
const keyOf = (held: DeliveryKey) => [held.appId, held.msgId, held.endpointId, held.run] as const

/** Prolongs leases; returns the keys of those that this owner has lost. */
export function renew(db: Database, held: readonly Held[], lease: Lease): DeliveryKey[] {
  return held.filter(
    (one) =>
      db.run(
        `UPDATE delivery SET due_at = ? WHERE ${KEY} AND state = 'leased' AND lease_owner = ? AND tries = ?`,
        lease.until,
        ...keyOf(one),
        lease.owner,
        one.tries,
      ) === 0,
  )
}

/** Puts leased deliveries back, untried. */
export function release(db: Database, held: readonly Held[], owner: string, dueAt: number): void {
  for (const one of held) {
    const changed = db.run(
      `UPDATE delivery SET state = 'pending', due_at = ?, lease_owner = NULL
       WHERE ${KEY} AND state = 'leased' AND lease_owner = ? AND tries = ?`,
      dueAt,
      ...keyOf(one),
      owner,
      one.tries,
    )
    if (changed > 0)
      addToLane(db, { appId: one.appId, endpointId: one.endpointId, retry: one.tries > 0 ? 1 : 0 }, dueAt)
  }
}

interface ExpiredRow {
  app_id: string
  msg_id: string
  endpoint_id: string
  run: number
  retry: 0 | 1
}

/** Makes deliveries due whose lease ended at `now` or before. */
export function expireLeases(db: Database, now: number, max: number): number {
  const rows = db.all<ExpiredRow>(
    `SELECT app_id, msg_id, endpoint_id, run, tries > 0 AS retry FROM delivery
     WHERE state = 'leased' AND due_at <= ? ORDER BY due_at LIMIT ?`,
    now,
    max,
  )
  for (const row of rows) {
    db.run(
      `UPDATE delivery SET state = 'pending', retry = ?, due_at = ?, lease_owner = NULL WHERE ${KEY}`,
      row.retry,
      now,
      row.app_id,
      row.msg_id,
      row.endpoint_id,
      row.run,
    )
    addToLane(db, { appId: row.app_id, endpointId: row.endpoint_id, retry: row.retry }, now)
  }
  return rows.length
}

const repairCursors = new WeakMap<Database, LaneKey | null>()

export function sweep(db: Database, now: number, max: number): { expired: number; repaired: number } {
  const expired = expireLeases(db, now, max)
  const { repaired, cursor } = repairLanes(db, repairCursors.get(db) ?? null, LANES_PER_SWEEP)
  repairCursors.set(db, cursor)
  return { expired, repaired }
}

/** One process owns the file: a delivery that is leased when the file is opened was held by a process that is gone. */
export function takeOverLeases(db: Database, now: number): void {
  const end = Number.MAX_SAFE_INTEGER
  db.run("UPDATE delivery SET due_at = 0 WHERE state = 'leased' AND due_at < ?", end)
  while (expireLeases(db, now, 1_000) > 0);
}

/** Cancels a pending delivery; a waiting manual attempt is removed. The caller changes the lane. */
export function endWaiting(
  db: Database,
  row: { app_id: string; msg_id: string; endpoint_id: string; run: number },
): void {
  const key = [row.app_id, row.msg_id, row.endpoint_id, row.run] as const
  if (row.run === 0) db.run(`UPDATE delivery SET state = 'cancelled', due_at = NULL WHERE ${KEY}`, ...key)
  else db.run(`DELETE FROM delivery WHERE ${KEY}`, ...key)
}

/** Cancels waiting deliveries of an endpoint, one step of them. */
export function cancelWaiting(
  db: Database,
  appId: string,
  endpointId: string,
  { max, what }: { max: number; what: 'all' | 'scheduled' },
): number {
  let cancelled = 0
  for (const retry of [0, 1] as const) {
    const rows = db.all<{ msg_id: string; run: number }>(
      `SELECT msg_id, run FROM delivery WHERE state = 'pending' AND app_id = ? AND endpoint_id = ? AND retry = ? AND run <= ?
       ORDER BY due_at LIMIT ?`,
      appId,
      endpointId,
      retry,
      what === 'all' ? Number.MAX_SAFE_INTEGER : 0,
      max - cancelled,
    )
    for (const row of rows) endWaiting(db, { app_id: appId, endpoint_id: endpointId, ...row })
    if (rows.length > 0) afterTaking(db, { appId, endpointId, retry }, rows.length, 0)
    cancelled += rows.length
  }
  return cancelled
}
