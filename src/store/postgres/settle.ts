/**
 * Settling a batch. Nearly all of it is of one kind: the end of a scheduled attempt whose lease is still held. Those are
 * moved, logged and put into lanes by one statement. What it does not find is settled one by one: manual attempts,
 * leases that were lost, attempts that were settled before.
 */
import type { Settled, Settlement } from '../store.ts'
import { acceptIn } from './accept.ts'
import { type Reply, repliesOf } from './batcher.ts'
import { type Pool, type Session, statement, type Value } from './database.ts'
import { type Affected, affectEndpoints } from './effects.ts'
import { addEachToLanes } from './lanes.ts'
import { ATTEMPT, PAYLOAD, type Partitions } from './partitions.ts'
import { type Progress, settleAlone } from './settle-alone.ts'
import { numberArray, textArray } from './values.ts'

/** Writes attempts and what follows from them. An attempt is kept even when the lease was lost: a receiver saw it. */
export async function settle(
  pool: Pool,
  partitions: Partitions,
  settlements: readonly Settlement[],
): Promise<Reply<Settled>[]> {
  await partitions.ready(
    PAYLOAD,
    settlements.flatMap(({ announce }) => announce.map(({ acceptance }) => acceptance.message.expiresAt)),
  )
  await partitions.ready(
    ATTEMPT,
    settlements.flatMap(({ attempt }) => (attempt === null ? [] : [attempt.at])),
  )
  const sorted = settlements.map((settlement, i) => ({ settlement, i }))
  sorted.sort((a, b) => compareKeys(a.settlement, b.settlement))
  const replies = Array<Reply<Settled>>(settlements.length)
  let rest = sorted
  const isCommon = settlements.every(
    ({ key, endpoint, announce }) => key.run === 0 && endpoint === null && announce.length === 0,
  )
  if (isCommon) {
    const moved = await moveAll(
      (values) => pool.write(MOVE, ...values),
      sorted.map(({ settlement }) => settlement),
    )
    rest = sorted.filter(({ i }, at) => {
      const progress = moved[at]
      if (progress !== undefined) replies[i] = { ok: true, value: toSettled(progress, null) }
      return progress === undefined
    })
  }
  const answers = await repliesOf(rest, (some) =>
    pool.transaction((session) =>
      settleMixed(
        session,
        some.map(({ settlement }) => settlement),
      ),
    ),
  )
  rest.forEach(({ i }, at) => (replies[i] = answers[at]!))
  return replies
}

const toSettled = ({ held, number, outcome, isRepeat }: Progress, effect: Affected | null): Settled => ({
  held,
  number,
  outcome,
  // Of a repeat nobody knows any more what it changed: caches had better forget.
  endpointChanged: isRepeat === true || (effect?.changed ?? false),
  disabled: effect?.disabled ?? null,
})

/** Settlements of all kinds, in the order of their keys. */
async function settleMixed(session: Session, settlements: readonly Settlement[]): Promise<Settled[]> {
  const progress = Array<Progress | undefined>(settlements.length).fill(undefined)
  const scheduled = settlements.flatMap((settlement, at) => (settlement.key.run === 0 ? [{ settlement, at }] : []))
  const moved = await moveAll(
    (values) => session.all(MOVE, ...values),
    scheduled.map(({ settlement }) => settlement),
  )
  scheduled.forEach(({ at }, n) => (progress[at] = moved[n]))
  for (const [at, settlement] of settlements.entries()) progress[at] ??= await settleAlone(session, settlement)
  const effects = await affectEndpoints(session, settlements)
  const settled = progress.map((one, at) => toSettled(one!, effects[at] ?? null))
  // A settlement that is repeated has told everything the first time.
  const news = settlements.flatMap(({ announce }, at) => {
    const is = { held: settled[at]!.held, disabled: settled[at]!.disabled !== null }
    return progress[at]!.isRepeat === true ? [] : announce.filter(({ when }) => is[when])
  })
  await acceptIn(
    session,
    news.map(({ acceptance }) => acceptance),
  )
  return settled
}

const compareKeys = ({ key: a }: Settlement, { key: b }: Settlement): number =>
  compare(a.appId, b.appId) || compare(a.msgId, b.msgId) || compare(a.endpointId, b.endpointId) || a.run - b.run

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * Each settlement carries its attempt along, so that what was moved can be logged without looking for it again. That a
 * delivery is leased is said by its owner alone (a CHECK of the table): naming the state would offer the planner the index
 * of all leased deliveries, through which it then goes for each settlement. The run is a column for the same reason: with
 * the whole key joined, going by the key is the best plan even while the table is empty.
 */
const MOVE = statement(
  'settle-move',
  `WITH moved AS (
     UPDATE delivery d SET state = s.state, retry = s.retry, tries = d.tries + s.counted, attempts = d.attempts + s.counted,
       due_at = s.due_at, lease_owner = NULL, last_attempt_at = greatest(d.last_attempt_at, s.at)
     FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::smallint[],
       $9::int[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bool[], $16::int[],
       $17::text[], $18::int[], $19::text[], $20::int[])
       s (ord, app_id, msg_id, endpoint_id, owner, tries, state, retry, counted, due_at, id, at, url, outcome, manual,
          status_code, error, duration_ms, response, run)
     WHERE d.app_id = s.app_id AND d.msg_id = s.msg_id AND d.endpoint_id = s.endpoint_id AND d.run = s.run
       AND d.lease_owner = s.owner AND d.tries = s.tries
     RETURNING s.ord, s.app_id, s.msg_id, s.endpoint_id, s.state, s.retry, s.due_at, s.id, s.at, s.url, s.outcome,
       s.manual, s.status_code, s.error, s.duration_ms, s.response, d.attempts
   ), logged AS (
     INSERT INTO attempt (app_id, endpoint_id, id, msg_id, number, manual, outcome, at, url, status_code, error,
       duration_ms, response)
     SELECT app_id, endpoint_id, id, msg_id, attempts, manual, outcome, at, url, status_code, error, duration_ms, response
     FROM moved WHERE id IS NOT NULL
     ON CONFLICT DO NOTHING
   ), lanes AS (${addEachToLanes(`(SELECT * FROM moved WHERE state = 'pending') p`)})
   SELECT ord, attempts FROM moved`,
)

/** What became of each settlement; undefined for those whose lease is not held. */
async function moveAll(
  run: (values: Value[]) => Promise<{ ord: number; attempts: number }[]>,
  settlements: readonly Settlement[],
): Promise<(Progress | undefined)[]> {
  const progress = Array<Progress | undefined>(settlements.length).fill(undefined)
  if (settlements.length === 0) return progress
  for (const { ord, attempts } of await run(moveValues(settlements))) {
    const { attempt } = settlements[ord]!
    progress[ord] = { held: true, number: attempt === null ? 0 : attempts, outcome: attempt?.outcome ?? null }
  }
  return progress
}

function moveValues(settlements: readonly Settlement[]): Value[] {
  const texts = (of: (one: Settlement) => string | null) => textArray(settlements.map(of))
  const numbers = (of: (one: Settlement) => number | null) => numberArray(settlements.map(of))
  const counted = ({ attempt }: Settlement) => (attempt === null ? 0 : 1)
  return [
    numberArray(settlements.map((_, i) => i)),
    texts(({ key }) => key.appId),
    texts(({ key }) => key.msgId),
    texts(({ key }) => key.endpointId),
    texts(({ owner }) => owner),
    numbers(({ tries }) => tries),
    texts(({ to }) => to.state),
    numbers((one) => (one.to.state === 'pending' && one.tries + counted(one) > 0 ? 1 : 0)),
    numbers(counted),
    numbers(({ to }) => (to.state === 'pending' ? to.dueAt : null)),
    texts(({ attempt }) => attempt?.id ?? null),
    numbers(({ attempt }) => attempt?.at ?? null),
    texts(({ attempt }) => attempt?.url ?? null),
    texts(({ attempt }) => attempt?.outcome ?? null),
    texts(({ attempt }) => String(attempt?.trigger === 'manual')),
    numbers(({ attempt }) => attempt?.statusCode ?? null),
    texts(({ attempt }) => attempt?.error ?? null),
    numbers(({ attempt }) => attempt?.durationMs ?? null),
    texts(({ attempt }) => attempt?.response ?? null),
    numbers(({ key }) => key.run),
  ]
}
