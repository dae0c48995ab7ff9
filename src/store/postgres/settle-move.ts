/** The common end of an attempt: a scheduled one, whose lease is still held. */
import type { Settlement } from '../port/queue.ts'
import { statement, type Value } from './database.ts'
import { addEachToLanes, type Waiting } from './lanes.ts'
import { given, Places } from './places.ts'
import type { Progress } from './settle-alone.ts'

const places = new Places<readonly (readonly [ord: number, Settlement])[]>()
const row = places.rows((numbered) => numbered)

/** The run is a column so that the whole key is joined: that is the best plan even while the table is empty. */
const SETTLEMENTS = given('s', {
  ord: row.numbers('int', ([ord]) => ord),
  app_id: row.texts(([, { key }]) => key.appId),
  msg_id: row.texts(([, { key }]) => key.msgId),
  endpoint_id: row.texts(([, { key }]) => key.endpointId),
  run: row.numbers('int', ([, { key }]) => key.run),
  owner: row.texts(([, { owner }]) => owner),
  tries: row.numbers('int', ([, { tries }]) => tries),
  state: row.texts(([, { to }]) => to.state),
  retry: row.numbers('smallint', ([, one]) => retryOf(one)),
  counted: row.numbers('int', ([, one]) => counted(one)),
  spared: row.numbers('int', ([, one]) => sparedOf(one)),
  due_at: row.numbers('bigint', ([, { to }]) => (to.state === 'pending' ? to.dueAt : null)),
  id: row.texts(([, { attempt }]) => attempt?.id ?? null),
  at: row.numbers('bigint', ([, { attempt }]) => attempt?.at ?? null),
  url: row.texts(([, { attempt }]) => attempt?.url ?? null),
  outcome: row.texts(([, { attempt }]) => attempt?.outcome ?? null),
  manual: row.flags(([, { attempt }]) => attempt?.trigger === 'manual'),
  status_code: row.numbers('int', ([, { attempt }]) => attempt?.statusCode ?? null),
  error: row.texts(([, { attempt }]) => attempt?.error ?? null),
  duration_ms: row.numbers('int', ([, { attempt }]) => attempt?.durationMs ?? null),
  response: row.texts(([, { attempt }]) => attempt?.response ?? null),
})

/**
 * Each settlement carries its attempt along, so that the moved deliveries can be logged without a second search. The
 * owner alone says that a delivery is leased (a CHECK of the table). To name the state would offer the planner the
 * index of all leased deliveries, through which it then goes for each settlement.
 */
const moving = (last: string): string => `
   WITH moved AS (
     UPDATE delivery d SET state = s.state, retry = s.retry, tries = d.tries + s.counted, spared = d.spared + s.spared,
       attempts = d.attempts + s.counted, due_at = s.due_at, lease_owner = NULL, last_attempt_at = greatest(d.last_attempt_at, s.at)
     FROM ${SETTLEMENTS}
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

/** The result of each settlement; undefined for those whose lease is not held. */
export async function moveAll(
  run: (values: Value[]) => Promise<{ ord: number; attempts: number; ends_failures: boolean | null }[]>,
  settlements: readonly Settlement[],
): Promise<(Progress | undefined)[]> {
  const progress = Array<Progress | undefined>(settlements.length).fill(undefined)
  if (settlements.length === 0) return progress
  for (const { ord, attempts, ends_failures } of await run(places.values([...settlements.entries()]))) {
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
