/** The common end of an attempt: a scheduled one, whose lease is still held. */
import type { Settlement } from '../port/queue.ts'
import { statement, type Value } from './database.ts'
import { addEachToLanes, type Waiting } from './lanes.ts'
import type { Progress } from './settle-alone.ts'
import { numberArray, textArray } from './values.ts'

/**
 * Each settlement carries its attempt along, so that what was moved can be logged without looking for it again. That a
 * delivery is leased is said by its owner alone (a CHECK of the table): naming the state would offer the planner the index
 * of all leased deliveries, through which it then goes for each settlement. The run is a column for the same reason: with
 * the whole key joined, going by the key is the best plan even while the table is empty.
 */
const moving = (last: string): string => `
   WITH moved AS (
     UPDATE delivery d SET state = s.state, retry = s.retry, tries = d.tries + s.counted, spared = d.spared + s.spared,
       attempts = d.attempts + s.counted, due_at = s.due_at, lease_owner = NULL, last_attempt_at = greatest(d.last_attempt_at, s.at)
     FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::smallint[],
       $9::int[], $10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::text[], $15::bool[], $16::int[],
       $17::text[], $18::int[], $19::text[], $20::int[], $21::int[])
       s (ord, app_id, msg_id, endpoint_id, owner, tries, state, retry, counted, due_at, id, at, url, outcome, manual,
          status_code, error, duration_ms, response, run, spared)
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
   ) ${last}
   SELECT ord, attempts, outcome = 'success' AND EXISTS (
     SELECT 1 FROM endpoint e WHERE e.app_id = moved.app_id AND e.id = moved.endpoint_id AND e.failing_since IS NOT NULL
   ) AS ends_failures
   FROM moved`

export const MOVE = statement(
  'settle-move',
  moving(`, lanes AS (${addEachToLanes(`(SELECT * FROM moved WHERE state = 'pending') p`)})`),
)
/** For a transaction that has endpoints to lock before it comes to the lanes. */
export const MOVE_ONLY = statement('settle-move-only', moving(''))

/** What became of each settlement; undefined for those whose lease is not held. */
export async function moveAll(
  run: (values: Value[]) => Promise<{ ord: number; attempts: number; ends_failures: boolean | null }[]>,
  settlements: readonly Settlement[],
): Promise<(Progress | undefined)[]> {
  const progress = Array<Progress | undefined>(settlements.length).fill(undefined)
  if (settlements.length === 0) return progress
  for (const { ord, attempts, ends_failures } of await run(moveValues(settlements))) {
    const settlement = settlements[ord]!
    const { attempt } = settlement
    const waiting = waitingOf(settlement)
    progress[ord] = {
      held: true,
      number: attempt === null ? 0 : attempts,
      outcome: attempt?.outcome ?? null,
      ...(ends_failures === true && { endsFailures: true }),
      ...(waiting === null ? {} : { waiting }),
    }
  }
  return progress
}

const counted = ({ attempt }: Settlement): number => (attempt === null ? 0 : 1)
const sparedOf = (one: Settlement): number =>
  one.to.state === 'pending' && one.to.isSpared === true ? counted(one) : 0
const retryOf = (one: Settlement): 0 | 1 => (one.to.state === 'pending' && one.tries + counted(one) > 0 ? 1 : 0)

function waitingOf(settlement: Settlement): Waiting | null {
  const { key, to } = settlement
  if (to.state !== 'pending') return null
  return { appId: key.appId, endpointId: key.endpointId, retry: retryOf(settlement), dueAt: to.dueAt, size: 1 }
}

function moveValues(settlements: readonly Settlement[]): Value[] {
  const texts = (of: (one: Settlement) => string | null) => textArray(settlements.map(of))
  const numbers = (of: (one: Settlement) => number | null) => numberArray(settlements.map(of))
  return [
    numberArray(settlements.map((_, i) => i)),
    texts(({ key }) => key.appId),
    texts(({ key }) => key.msgId),
    texts(({ key }) => key.endpointId),
    texts(({ owner }) => owner),
    numbers(({ tries }) => tries),
    texts(({ to }) => to.state),
    numbers(retryOf),
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
    numbers(sparedOf),
  ]
}
