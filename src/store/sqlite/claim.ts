import { RETRY_SHARE } from '../../domain/retry-share.ts'
import { type Pass, passesOf, Takings } from '../shared/choose.ts'
import type { ClaimRequest, Claimed, LeasedDelivery } from '../port/queue.ts'
import type { Database } from './database.ts'
import { afterTaking, type LaneKey } from './lanes.ts'
import { endWaiting } from './leases.ts'

interface LaneRow {
  app_id: string
  endpoint_id: string
  retry: 0 | 1
  wake_at: number
}

interface DueRow {
  msg_id: string
  run: number
  tries: number
  spared: number
  last_attempt_at: number | null
  event_id: string | null
  event_type: string
  content_type: string
  received_at: number
  payload: Uint8Array | null
  hops: number
}

const turns = new WeakMap<Database, number>()

/** The deliveries that one claim has taken so far, and the lanes that it passes over. */
interface Taking {
  request: ClaimRequest
  skip: ReadonlySet<string>
  /** Applications that are passed over, or that have reached their share of this claim. */
  full: Set<string>
  takings: Takings
  deliveries: LeasedDelivery[]
}

/**
 * Takes due deliveries, lane by lane: first attempts before retries, and no more than the share of each endpoint and
 * application.
 */
export function claim(db: Database, request: ClaimRequest): Claimed {
  const turn = turns.get(db) ?? 0
  turns.set(db, (turn + 1) % RETRY_SHARE)
  const taking: Taking = {
    request,
    skip: new Set(request.skip),
    full: new Set(request.skipApplications),
    takings: new Takings(request),
    deliveries: [],
  }
  for (const pass of passesOf(request, turn)) takeFrom(db, pass, taking)
  return { deliveries: taking.deliveries, nextDueAt: nextWake(db, request) }
}

/**
 * Goes through the lanes. The lanes of an application that has had its turn may stand in front: then the others are
 * asked for.
 */
function takeFrom(db: Database, pass: Pass, taking: Taking): void {
  for (let full = -1; full < taking.full.size;) {
    full = taking.full.size
    takeFromLanes(db, lanesOf(db, pass, taking), pass, taking)
  }
}

/** The lanes whose turn it is. All columns that the condition needs are in the key of the index. */
function lanesOf(db: Database, pass: Pass, { request, skip, full, takings }: Taking): LaneRow[] {
  const room = takings.room(pass)
  if (room === 0) return []
  return db.all<LaneRow>(
    `SELECT app_id, endpoint_id, retry, wake_at FROM lane WHERE retry = ? AND wake_at <= ? ${NOT_OF}
     ORDER BY wake_at LIMIT ?`,
    pass.retry,
    request.now,
    JSON.stringify([...full]),
    room + skip.size + takings.endpoints,
  )
}

const NOT_OF = 'AND app_id NOT IN (SELECT value FROM json_each(?))'

function takeFromLanes(db: Database, lanes: readonly LaneRow[], pass: Pass, taking: Taking): void {
  const { request, skip, full, takings } = taking
  for (const row of lanes) {
    if (takings.room(pass) === 0) return
    const room = takings.roomOf(row.app_id, row.endpoint_id, pass)
    if (skip.has(row.endpoint_id) || full.has(row.app_id) || room === 0) continue
    const lane: LaneKey = { appId: row.app_id, endpointId: row.endpoint_id, retry: row.retry }
    const asked = takeFromLane(db, lane, pass, { taking, max: room })
    afterTaking(db, lane, asked, request.now)
    if (takings.roomOfApplication(row.app_id) <= 0) full.add(row.app_id)
  }
}

/** Leases up to `max` deliveries of the lane. Returns how many it asked for, cancelled ones included. */
function takeFromLane(
  db: Database,
  lane: LaneKey,
  pass: Pass,
  { taking, max }: { taking: Taking; max: number },
): number {
  const { request, takings, deliveries } = taking
  let asked = 0
  for (const due of dueOf(db, lane, request.now, max)) {
    if (takings.room(pass) === 0) break
    asked++
    const delivery = lease(db, lane, due, request)
    if (delivery === null) continue
    takings.take(lane.appId, lane.endpointId, delivery.payload.byteLength)
    deliveries.push(delivery)
  }
  return asked
}

const dueOf = (db: Database, lane: LaneKey, now: number, limit: number) =>
  db.all<DueRow>(
    `SELECT d.msg_id, d.run, d.tries, d.spared, d.last_attempt_at, m.event_id, m.event_type, m.content_type,
       m.received_at, m.payload, m.hops
     FROM (SELECT * FROM delivery WHERE state = 'pending' AND app_id = ? AND endpoint_id = ? AND retry = ? AND due_at <= ?
           ORDER BY due_at LIMIT ?) d
     JOIN msg m ON m.app_id = d.app_id AND m.id = d.msg_id`,
    lane.appId,
    lane.endpointId,
    lane.retry,
    now,
    limit,
  )

function lease(
  db: Database,
  lane: LaneKey,
  due: DueRow,
  { lease: { owner, until } }: ClaimRequest,
): LeasedDelivery | null {
  if (due.payload === null) {
    // The payload was removed while the delivery waited: nothing is left that could be delivered.
    endWaiting(db, { app_id: lane.appId, msg_id: due.msg_id, endpoint_id: lane.endpointId, run: due.run })
    return null
  }
  db.run(
    `UPDATE delivery SET state = 'leased', due_at = ?, lease_owner = ?
     WHERE app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = ?`,
    until,
    owner,
    lane.appId,
    due.msg_id,
    lane.endpointId,
    due.run,
  )
  return {
    appId: lane.appId as LeasedDelivery['appId'],
    msgId: due.msg_id as LeasedDelivery['msgId'],
    endpointId: lane.endpointId as LeasedDelivery['endpointId'],
    run: due.run,
    tries: due.tries,
    spared: due.spared,
    lastAttemptAt: due.last_attempt_at,
    leaseUntil: until,
    eventId: due.event_id,
    eventType: due.event_type,
    contentType: due.content_type,
    receivedAt: due.received_at,
    payload: due.payload,
    hops: due.hops,
  }
}

/** Time at which the first lane that may be served has to be looked at. */
function nextWake(db: Database, { skip, skipApplications }: ClaimRequest): number | null {
  const skipped = new Set<string>(skip)
  let next: number | null = null
  for (const retry of [0, 1]) {
    const lanes = db.all<LaneRow>(
      `SELECT * FROM lane WHERE retry = ? ${NOT_OF} ORDER BY wake_at LIMIT ?`,
      retry,
      JSON.stringify(skipApplications),
      skipped.size + 1,
    )
    const lane = lanes.find((row) => !skipped.has(row.endpoint_id))
    if (lane !== undefined && (next === null || lane.wake_at < next)) next = lane.wake_at
  }
  return next
}
