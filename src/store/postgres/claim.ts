/**
 * Claims lanes first, then deliveries. The lanes whose turn it is are locked, each is asked for its due deliveries, and
 * the chosen ones are leased. Rows that other nodes have locked are passed over, so that a claim waits for no other
 * node.
 */
import { RETRY_SHARE } from '../../domain/retry-share.ts'
import { passesOf } from '../shared/choose.ts'
import type { ClaimRequest, Claimed, LeasedDelivery } from '../port/queue.ts'
import { type Candidate, choose, firstCandidates } from './choose.ts'
import { ClaimsInDoubt } from './claims-in-doubt.ts'
import { type Pool, type Session, statement, type Writing } from './database.ts'
import { afterTaking, type Taken } from './lanes.ts'
import { release } from './leases.ts'
import { payloadsOf } from './payloads.ts'
import { numberArray, textArray } from './values.ts'

interface LaneRow {
  app_id: string
  endpoint_id: string
  retry: 0 | 1
  oldest_due_at: number
  /** True when there are more lanes whose turn it is. */
  are_left: boolean
}

/** The state that one claim leaves to the next. */
export class ClaimMemory {
  readonly doubts = new ClaimsInDoubt()
  #turn = 0

  /** The turn decides whether first attempts or retries get a room that is too small to share. */
  nextTurn(): number {
    this.#turn = (this.#turn + 1) % RETRY_SHARE
    return this.#turn
  }
}

interface Claiming extends Writing {
  /** For payloads: other work of this node waits for the connections that write. */
  points: Pool
  memory: { claims: ClaimMemory }
}

/**
 * Takes due deliveries, lane by lane: first attempts before retries, and no more than the share of each endpoint and
 * application. After a claim with an unknown outcome, it takes the deliveries that the earlier claim turns out to have
 * taken, and no more.
 */
export async function claim(on: Claiming, request: ClaimRequest): Promise<Claimed> {
  const { pool } = on
  const { doubts } = on.memory.claims
  const turn = on.memory.claims.nextTurn()
  const { owner } = request.lease
  const resolved = await doubts.resolve(pool, request.lease)
  if (resolved !== null && resolved.length > 0)
    return { deliveries: await withPayloads(on, request, resolved), nextDueAt: request.now }
  let chosen: Candidate[] = []
  const { nextDueAt } = await pool
    .transaction(async (session) => {
      const skip = [textArray(request.skip), textArray(request.skipApplications)] as const
      chosen = []
      chosen = request.max > 0 ? await take(session, request, turn, skip) : []
      const next = await session.get<{ at: number | null }>(NEXT_WAKE, ...skip)
      return { nextDueAt: next?.at ?? null }
    })
    .catch((error: unknown) => {
      doubts.note(owner, chosen)
      throw error
    })
  return { deliveries: await withPayloads(on, request, chosen), nextDueAt }
}

async function withPayloads(
  { pool, points, memory }: Claiming,
  request: ClaimRequest,
  taken: readonly Candidate[],
): Promise<LeasedDelivery[]> {
  if (taken.length === 0) return []
  try {
    const payloads = await payloadsOf(points.ask, taken)
    const deliveries = taken.flatMap((candidate, i) => {
      const payload = payloads[i]
      return payload === undefined ? [] : [toDelivery(candidate, request, payload)]
    })
    const gone = taken.filter((_, i) => payloads[i] === undefined)
    if (gone.length > 0) await cancelWithoutPayload(pool, gone, request.lease.owner)
    return deliveries
  } catch (error) {
    // The deliveries are leased, but their node does not know of them.
    await putBack(pool, taken, request).catch(() => memory.claims.doubts.note(request.lease.owner, taken))
    throw error
  }
}

const IS_DUE = (retry: 0 | 1) =>
  `retry = ${retry} AND wake_at <= $1 AND endpoint_id <> ALL ($3::text[]) AND app_id <> ALL ($4::text[])`

/**
 * As many lanes as it should take to find $2 deliveries, if each lane has $5 of them due or its whole size. No more are
 * locked, because the other nodes have to pass over locked lanes.
 */
const ENOUGH = (retry: 0 | 1) => `(
  SELECT count(*) FILTER (WHERE before < $2) AS lanes, count(*) FILTER (WHERE before >= $2) AS beyond FROM (
    SELECT coalesce(sum(least(size, $5)) OVER (ORDER BY wake_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
      AS before
    FROM (SELECT wake_at, size FROM lane WHERE ${IS_DUE(retry)} ORDER BY wake_at LIMIT $2) d
  ) e)`

const DUE_LANES = (retry: 0 | 1) => `(
  SELECT app_id, endpoint_id, retry, wake_at, oldest_due_at FROM lane
  WHERE ${IS_DUE(retry)} ORDER BY wake_at LIMIT (SELECT lanes FROM enough_${retry}) FOR UPDATE SKIP LOCKED)`

const LOCK_DUE_LANES = statement(
  'claim-lanes',
  `WITH enough_0 AS ${ENOUGH(0)}, enough_1 AS ${ENOUGH(1)}, firsts AS ${DUE_LANES(0)}, retries AS ${DUE_LANES(1)}
   SELECT l.app_id, l.endpoint_id, l.retry, l.oldest_due_at, o.are_left
   FROM (SELECT * FROM firsts UNION ALL SELECT * FROM retries) l,
     (SELECT enough_0.beyond + enough_1.beyond > 0 AS are_left FROM enough_0, enough_1) o
   ORDER BY l.retry, l.wake_at`,
)

/**
 * The due deliveries, lane after lane until there are enough: the loop over the lanes ends there, and the others are
 * not read.
 */
const DUE_OF = (firstParameter: number) => {
  const [apps, endpoints, retries, oldest, perLane, max] = [0, 1, 2, 3, 4, 5].map((i) => `$${firstParameter + i}`)
  return `(
  SELECT d.app_id, d.msg_id, d.endpoint_id, d.run, d.tries, d.spared, d.last_attempt_at, d.retry, d.due_at
  FROM unnest(${apps}::text[], ${endpoints}::text[], ${retries}::smallint[], ${oldest}::bigint[])
    l (app_id, endpoint_id, retry, oldest_due_at)
  CROSS JOIN LATERAL (
    SELECT * FROM delivery d
    WHERE d.state = 'pending' AND d.app_id = l.app_id AND d.endpoint_id = l.endpoint_id AND d.retry = l.retry
      AND d.due_at >= l.oldest_due_at AND d.due_at <= $1
    ORDER BY d.due_at LIMIT ${perLane} FOR UPDATE SKIP LOCKED
  ) d
  LIMIT ${max})`
}

const DUE = statement(
  'claim-due',
  `WITH firsts AS ${DUE_OF(2)}, retries AS ${DUE_OF(8)}
   SELECT d.app_id, d.msg_id, d.endpoint_id, d.run, d.tries, d.spared, d.last_attempt_at, d.retry, d.due_at, m.event_id,
     m.event_type, m.content_type, m.received_at, m.expires_at, m.payload_bytes, m.hops
   FROM (SELECT * FROM firsts UNION ALL SELECT * FROM retries) d
   JOIN msg m ON m.app_id = d.app_id AND m.id = d.msg_id`,
)

const LEASE = statement(
  'claim-lease',
  `UPDATE delivery d SET state = 'leased', due_at = $5, lease_owner = $6
   FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) k (app_id, msg_id, endpoint_id, run)
   WHERE d.app_id = k.app_id AND d.msg_id = k.msg_id AND d.endpoint_id = k.endpoint_id AND d.run = k.run`,
)

const IS_NOT_SKIPPED = 'endpoint_id <> ALL ($1::text[]) AND app_id <> ALL ($2::text[])'

/** Time at which the first lane that may be served has to be looked at. */
const NEXT_WAKE = statement(
  'claim-next-wake',
  `SELECT least(
     (SELECT wake_at FROM lane WHERE retry = 0 AND ${IS_NOT_SKIPPED} ORDER BY wake_at LIMIT 1),
     (SELECT wake_at FROM lane WHERE retry = 1 AND ${IS_NOT_SKIPPED} ORDER BY wake_at LIMIT 1)) AS at`,
)

/** The endpoints and applications to pass over. */
type Skip = readonly [endpoints: string, applications: string]

async function take(session: Session, request: ClaimRequest, turn: number, skip: Skip): Promise<Candidate[]> {
  const passes = passesOf(request, turn)
  const firstMax = firstCandidates(request, passes)
  const lock = (perLane: number) => session.all<LaneRow>(LOCK_DUE_LANES, request.now, request.max, ...skip, perLane)
  let lanes = await lock(request.perEndpointMax)
  if (lanes.length === 0) return []
  let candidates = await dueOf(session, lanes, request, firstMax)
  if (candidates.length < request.max && lanes[0]!.are_left) {
    // Many deliveries wait in these lanes and few of them are due: all lanes are asked.
    lanes = await lock(0)
    candidates = await dueOf(session, lanes, request, firstMax)
  }
  const chosen = choose(candidates, request, passes)
  // Lanes beyond the limit were not asked, and keep their place.
  const found = countsOf(candidates)
  const isCut = ([firstMax, request.max] as const).map(
    (limit, retry) => candidates.filter((one) => one.retry === retry).length >= limit,
  )
  const asked = lanes.filter((lane) => !isCut[lane.retry] || found.has(laneText(lane)))
  const leased = session.run(
    LEASE,
    textArray(chosen.map((one) => one.app_id)),
    textArray(chosen.map((one) => one.msg_id)),
    textArray(chosen.map((one) => one.endpoint_id)),
    numberArray(chosen.map((one) => one.run)),
    request.lease.until,
    request.lease.owner,
  )
  await Promise.all([leased, afterTaking(session, served(asked, found, chosen), request.now)])
  return chosen
}

/** The due deliveries of the lanes, in the order of the lanes. */
async function dueOf(
  session: Session,
  lanes: readonly LaneRow[],
  request: ClaimRequest,
  firstMax: number,
): Promise<Candidate[]> {
  const valuesOf = (retry: 0 | 1, max: number) => {
    const some = lanes.filter((lane) => lane.retry === retry)
    return [
      textArray(some.map((lane) => lane.app_id)),
      textArray(some.map((lane) => lane.endpoint_id)),
      numberArray(some.map((lane) => lane.retry)),
      numberArray(some.map((lane) => lane.oldest_due_at)),
      request.perEndpointMax,
      max,
    ]
  }
  const rows = await session.all<Candidate>(DUE, request.now, ...valuesOf(0, firstMax), ...valuesOf(1, request.max))
  // The server need not keep the order of the lanes, but has no reason to leave it either.
  const turnOf = new Map(lanes.map((lane, i) => [laneText(lane), i]))
  const ranked = rows.map((row) => ({ row, turn: turnOf.get(laneText(row))! }))
  return ranked.sort((a, b) => a.turn - b.turn || a.row.due_at - b.row.due_at).map(({ row }) => row)
}

/** The lanes of which a delivery was taken, and those without a due delivery: the wake times of both are set anew. */
function served(lanes: readonly LaneRow[], found: ReadonlyMap<string, number>, chosen: readonly Candidate[]): Taken[] {
  const taken = countsOf(chosen)
  return lanes.flatMap((lane) => {
    const key = laneText(lane)
    if (!taken.has(key) && found.has(key)) return []
    const { app_id: appId, endpoint_id: endpointId, retry, oldest_due_at: oldestDueAt } = lane
    return [{ appId, endpointId, retry, oldestDueAt, taken: taken.get(key) ?? 0 }]
  })
}

const laneText = (one: { app_id: string; endpoint_id: string; retry: 0 | 1 }) =>
  `${one.app_id} ${one.endpoint_id} ${one.retry}`

function countsOf(candidates: readonly Candidate[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const one of candidates) counts.set(laneText(one), (counts.get(laneText(one)) ?? 0) + 1)
  return counts
}

const toDelivery = (one: Candidate, { lease }: ClaimRequest, payload: Uint8Array): LeasedDelivery => ({
  appId: one.app_id as LeasedDelivery['appId'],
  msgId: one.msg_id as LeasedDelivery['msgId'],
  endpointId: one.endpoint_id as LeasedDelivery['endpointId'],
  run: one.run,
  tries: one.tries,
  spared: one.spared,
  lastAttemptAt: one.last_attempt_at,
  leaseUntil: lease.until,
  eventId: one.event_id,
  eventType: one.event_type,
  contentType: one.content_type,
  receivedAt: one.received_at,
  payload,
  hops: one.hops,
})

const HELD = `app_id = $1 AND msg_id = $2 AND endpoint_id = $3 AND run = $4 AND lease_owner = $5`

/** Cancels deliveries whose payload was removed while they waited: nothing is left that could be delivered. */
async function cancelWithoutPayload(pool: Pool, gone: readonly Candidate[], owner: string): Promise<void> {
  await pool.transaction(async (session) => {
    for (const one of gone) {
      const key = [one.app_id, one.msg_id, one.endpoint_id, one.run, owner] as const
      if (one.run === 0)
        await session.run(
          `UPDATE delivery SET state = 'cancelled', due_at = NULL, lease_owner = NULL WHERE ${HELD}`,
          ...key,
        )
      else await session.run(`DELETE FROM delivery WHERE ${HELD}`, ...key)
    }
  })
}

/**
 * Puts back leased deliveries of which their node will never know: otherwise they would wait for the end of the lease.
 */
const putBack = (pool: Pool, taken: readonly Candidate[], request: ClaimRequest): Promise<void> =>
  release(
    { pool },
    taken.map((one) => toDelivery(one, request, NOTHING)),
    request.lease.owner,
    request.now,
  )

const NOTHING = new Uint8Array(0)
