import type { ClaimRequest, Claimed, LeasedDelivery } from '../store.ts'
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

/**
 * One in eight is kept for retries, of what a claim takes and of what it takes of one endpoint, so that a flood of first
 * attempts cannot postpone them for ever. Where there is too little to share out, it is theirs in every eighth claim.
 */
const RETRY_SHARE = 8
const turns = new WeakMap<Database, number>()
const retryShare = (size: number, turn: number) =>
  Math.floor(((turn + 1) * size) / RETRY_SHARE) - Math.floor((turn * size) / RETRY_SHARE)

/** What one claim has taken so far, and what it may still take. */
interface Taking {
  request: ClaimRequest
  skip: ReadonlySet<string>
  /** Applications that are passed over, or that as much was taken of as may be. */
  full: Set<string>
  taken: LeasedDelivery[]
  takenOf: Map<string, number>
  takenOfApplication: Map<string, number>
  deliveriesLeft: number
  bytesLeft: number
}

/** Takes due deliveries, lane by lane: first attempts before retries, no endpoint and no application more than its turn. */
export function claim(db: Database, request: ClaimRequest): Claimed {
  const turn = turns.get(db) ?? 0
  turns.set(db, (turn + 1) % RETRY_SHARE)
  const { perEndpointMax } = request
  const forRetries = retryShare(request.max, turn)
  const taking: Taking = {
    request,
    skip: new Set(request.skip),
    full: new Set(request.skipApplications),
    taken: [],
    takenOf: new Map(),
    takenOfApplication: new Map(),
    deliveriesLeft: request.max - forRetries,
    bytesLeft: request.payloadBytesMax,
  }
  takeFrom(db, 0, taking, perEndpointMax - retryShare(perEndpointMax, turn))
  taking.deliveriesLeft += forRetries
  takeFrom(db, 1, taking, perEndpointMax)
  takeFrom(db, 0, taking, perEndpointMax)
  return { deliveries: taking.taken, nextDueAt: nextWake(db, request) }
}

/** An application that has had its turn stands in front with all of its lanes: then the others are asked for. */
function takeFrom(db: Database, retry: 0 | 1, taking: Taking, perEndpointMax: number): void {
  for (let full = -1; full < taking.full.size;) {
    full = taking.full.size
    takeFromLanes(db, lanesOf(db, retry, taking), taking, perEndpointMax)
  }
}

/** Those whose turn it is. All entries of the index that the condition needs are in its key. */
function lanesOf(db: Database, retry: 0 | 1, { request, skip, full, takenOf, deliveriesLeft }: Taking): LaneRow[] {
  if (deliveriesLeft <= 0) return []
  return db.all<LaneRow>(
    `SELECT app_id, endpoint_id, retry, wake_at FROM lane WHERE retry = ? AND wake_at <= ? ${NOT_OF}
     ORDER BY wake_at LIMIT ?`,
    retry,
    request.now,
    JSON.stringify([...full]),
    deliveriesLeft + skip.size + takenOf.size,
  )
}

const NOT_OF = 'AND app_id NOT IN (SELECT value FROM json_each(?))'

function takeFromLanes(db: Database, lanes: readonly LaneRow[], taking: Taking, perEndpointMax: number): void {
  const { request, skip, full, takenOf, takenOfApplication } = taking
  for (const row of lanes) {
    if (taking.deliveriesLeft <= 0 || taking.bytesLeft <= 0) return
    const takenBefore = takenOf.get(row.endpoint_id) ?? 0
    if (skip.has(row.endpoint_id) || full.has(row.app_id) || takenBefore >= perEndpointMax) continue
    const ofApplication = takenOfApplication.get(row.app_id) ?? 0
    const lane: LaneKey = { appId: row.app_id, endpointId: row.endpoint_id, retry: row.retry }
    const max = Math.min(perEndpointMax - takenBefore, request.perApplicationMax - ofApplication, taking.deliveriesLeft)
    const { asked, leased } = takeFromLane(db, lane, taking, max)
    afterTaking(db, lane, asked, request.now)
    takenOf.set(row.endpoint_id, takenBefore + leased)
    takenOfApplication.set(row.app_id, ofApplication + leased)
    if (ofApplication + leased >= request.perApplicationMax) full.add(row.app_id)
  }
}

/** Leases up to `max` deliveries of the lane; `asked` counts also those that were cancelled instead. */
function takeFromLane(db: Database, lane: LaneKey, taking: Taking, max: number): { asked: number; leased: number } {
  const { request } = taking
  let asked = 0
  let leased = 0
  for (const due of dueOf(db, lane, request.now, max)) {
    if (taking.bytesLeft <= 0) break
    asked++
    const delivery = lease(db, lane, due, request)
    if (delivery === null) continue
    leased++
    taking.deliveriesLeft--
    taking.bytesLeft -= delivery.payload.byteLength
    taking.taken.push(delivery)
  }
  return { asked, leased }
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
    // Its payload was taken away while it waited: there is nothing left that could be delivered.
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

/** When the first lane that may be served wants to be looked at. */
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
