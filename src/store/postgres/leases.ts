import type { DeliveryKey } from '../../domain/delivery.ts'
import type { Lease } from '../port/lease.ts'
import { LANES_PER_SWEEP } from '../shared/constants.ts'
import { type Ask, type Pool, type Writing, type Session, statement } from './database.ts'
import { addEachToLanes, afterTaking, lockLanes, type LaneKey, repairLanes } from './lanes.ts'
import { noteDue } from './notify.ts'
import { numberArray, textArray } from './values.ts'

type Held = DeliveryKey & { tries: number }

const keyText = (key: DeliveryKey): string => `${key.appId} ${key.msgId} ${key.endpointId} ${key.run}`

/** Sorts by key: two batches that lock the same deliveries do so in the same order. */
const inOrder = <T extends DeliveryKey>(held: readonly T[]): T[] =>
  held.toSorted((a, b) => (keyText(a) < keyText(b) ? -1 : 1))

const heldValues = (held: readonly Held[]) => [
  textArray(held.map((one) => one.appId)),
  textArray(held.map((one) => one.msgId)),
  textArray(held.map((one) => one.endpointId)),
  numberArray(held.map((one) => one.run)),
  numberArray(held.map((one) => one.tries)),
]

const HELD =
  'unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::int[]) h (app_id, msg_id, endpoint_id, run, tries)'
const IS_HELD = `d.app_id = h.app_id AND d.msg_id = h.msg_id AND d.endpoint_id = h.endpoint_id AND d.run = h.run
  AND d.lease_owner = $6 AND d.tries = h.tries`

const RENEW = statement(
  'leases-renew',
  `UPDATE delivery d SET due_at = $7 FROM ${HELD} WHERE ${IS_HELD}
   RETURNING d.app_id AS "appId", d.msg_id AS "msgId", d.endpoint_id AS "endpointId", d.run, d.tries`,
)

/** Prolongs leases; returns the keys of those that this owner has lost. */
export const renew = ({ pool }: Writing, held: readonly Held[], lease: Lease): Promise<DeliveryKey[]> =>
  prolong((sql, ...values) => pool.write(sql, ...values), held, lease)

/** Prolongs leases, as a transaction or within one. */
export async function prolong(write: Ask, held: readonly Held[], lease: Lease): Promise<DeliveryKey[]> {
  if (held.length === 0) return []
  const kept = await write<Held>(RENEW, ...heldValues(inOrder(held)), lease.owner, lease.until)
  const nameOf = (one: Held) => `${keyText(one)} ${one.tries}`
  const isKept = new Set(kept.map(nameOf))
  return held.filter((one) => !isKept.has(nameOf(one)))
}

const RELEASE = statement(
  'leases-release',
  `WITH back AS (
     UPDATE delivery d SET state = 'pending', retry = CASE WHEN d.tries > 0 THEN 1 ELSE 0 END, due_at = $7,
       lease_owner = NULL
     FROM ${HELD} WHERE ${IS_HELD}
     RETURNING d.app_id, d.endpoint_id, d.retry, d.due_at
   ), lanes AS (${addEachToLanes('back')})
   SELECT 1 FROM (SELECT count(*) AS size FROM back) n WHERE n.size > 0 AND ${noteDue('$7::bigint::text')}`,
)

/** Puts leased deliveries back, untried. */
export async function release({ pool }: Writing, held: readonly Held[], owner: string, dueAt: number): Promise<void> {
  if (held.length > 0) await pool.write(RELEASE, ...heldValues(inOrder(held)), owner, dueAt)
}

const EXPIRE = statement(
  'leases-expire',
  `WITH ended AS (
     SELECT app_id, msg_id, endpoint_id, run FROM delivery
     WHERE state = 'leased' AND due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
   ), back AS (
     UPDATE delivery d SET state = 'pending', retry = CASE WHEN d.tries > 0 THEN 1 ELSE 0 END, due_at = $1,
       lease_owner = NULL
     FROM ended e
     WHERE d.app_id = e.app_id AND d.msg_id = e.msg_id AND d.endpoint_id = e.endpoint_id AND d.run = e.run
     RETURNING d.app_id, d.endpoint_id, d.retry, d.due_at
   ), lanes AS (${addEachToLanes('back')})
   SELECT n.size FROM (SELECT count(*) AS size FROM back) n
   WHERE n.size > 0 AND ${noteDue('$1::bigint::text')}`,
)

/** Makes deliveries due whose lease ended at `now` or before. */
const expireLeases = async (pool: Pool, now: number, max: number): Promise<number> =>
  (await pool.write<{ size: number }>(EXPIRE, now, max))[0]?.size ?? 0

/** The place where the comparison of lanes goes on. */
export interface SweepMemory {
  sweptUpTo: LaneKey | null
}

export async function sweep(
  { pool, memory }: Writing & { memory: SweepMemory },
  now: number,
  max: number,
): Promise<{ expired: number; repaired: number }> {
  const expired = await expireLeases(pool, now, max)
  const { repaired, cursor } = await pool.transaction((session) =>
    repairLanes(session, memory.sweptUpTo, LANES_PER_SWEEP),
  )
  memory.sweptUpTo = cursor
  return { expired, repaired }
}

/**
 * Reads from the oldest due time that the lane knows: before it there are only index entries of deliveries that are not
 * pending any more.
 */
const WAITING_OF = (retry: 0 | 1, limit: string) => `
  SELECT app_id, msg_id, endpoint_id, run FROM delivery
  WHERE state = 'pending' AND app_id = $1 AND endpoint_id = $2 AND retry = ${retry} AND run <= $4
    AND due_at >= coalesce((SELECT oldest_due_at FROM lane
                            WHERE app_id = $1 AND endpoint_id = $2 AND retry = ${retry}), 0)
  ORDER BY due_at LIMIT ${limit} FOR UPDATE`

/**
 * Deliveries are locked before the lanes, as everywhere but in a claim. A delivery that was claimed meanwhile is not
 * pending any more.
 */
const CANCEL = statement(
  'leases-cancel',
  `WITH firsts AS (${WAITING_OF(0, '$3')}), retries AS (${WAITING_OF(1, '$3 - (SELECT count(*) FROM firsts)')}
   ), waiting AS (
     SELECT * FROM firsts UNION ALL SELECT * FROM retries
   ), cancelled AS (
     UPDATE delivery d SET state = 'cancelled', due_at = NULL FROM waiting w
     WHERE d.app_id = w.app_id AND d.msg_id = w.msg_id AND d.endpoint_id = w.endpoint_id AND d.run = w.run AND w.run = 0
     RETURNING d.retry
   ), removed AS (
     DELETE FROM delivery d USING waiting w
     WHERE d.app_id = w.app_id AND d.msg_id = w.msg_id AND d.endpoint_id = w.endpoint_id AND d.run = w.run AND w.run > 0
     RETURNING d.retry
   )
   SELECT retry, count(*) AS size FROM (SELECT retry FROM cancelled UNION ALL SELECT retry FROM removed) c
   GROUP BY retry`,
)

const INT_MAX = 2_147_483_647

/** Cancels the waiting deliveries of an endpoint; a waiting manual attempt is removed. */
export const cancelWaiting = (
  { pool }: Writing,
  appId: string,
  endpointId: string,
  { max, what }: { max: number; what: 'all' | 'scheduled' },
): Promise<number> =>
  pool.transaction(async (session) => {
    const runMax = what === 'all' ? INT_MAX : 0
    const counts = await session.all<{ retry: 0 | 1; size: number }>(CANCEL, appId, endpointId, max, runMax)
    await takeOffLanes(session, { appId, endpointId }, counts)
    return counts.reduce((sum, { size }) => sum + size, 0)
  })

async function takeOffLanes(
  session: Session,
  { appId, endpointId }: Omit<LaneKey, 'retry'>,
  counts: readonly { retry: 0 | 1; size: number }[],
): Promise<void> {
  if (counts.length === 0) return
  const lanes = await lockLanes(session, appId, endpointId)
  const taken = lanes.flatMap((lane) => {
    const count = counts.find(({ retry }) => retry === lane.retry)
    return count === undefined ? [] : [{ ...lane, taken: count.size }]
  })
  await afterTaking(session, taken, 0)
}
