/**
 * Lanes: one row for each endpoint with pending deliveries, first attempts and retries apart. A claim asks the lanes
 * whose turn it is instead of sorting all due deliveries. So a claim costs the same with a thousand due deliveries and
 * with ten million, and an endpoint with a million gets no more turns than one with three.
 *
 * `wake_at` is the time at which the lane has to be looked at. A lane that was served moves behind the others that are
 * due.
 *
 * No delivery is lost from sight although many nodes write, for this reason. A writer that makes a delivery pending
 * adds it to its lane in the same transaction, and holds the lane's row from then on until it commits. A taker of
 * deliveries locks the lane first and then, in a later statement, looks at the deliveries that are left. So one of the
 * two comes first. If the writer comes first, its delivery is committed and seen when the lane is set anew. If the
 * taker comes first, the writer waits for the row and then wakes the lane again, or makes a new one where the taker
 * found it empty.
 */
import { END_OF_TIME } from '../shared/constants.ts'
import { type Session, statement, type Statement } from './database.ts'
import { type Arrays, given, Places, type RowPlaces } from './places.ts'
import { numberArray, textArray } from './values.ts'

export interface LaneKey {
  appId: string
  endpointId: string
  retry: 0 | 1
}

/** Deliveries that became pending in one lane: their number, and the due time of the first. */
export interface Waiting extends LaneKey {
  dueAt: number
  size: number
}

/**
 * Counts deliveries that became pending, and wakes their lanes in time. `source` has the columns of `Waiting`. Rows are
 * locked in the order of their keys, so that two of these never wait for each other.
 */
export const addToLanesFrom = (source: string): string => `
  INSERT INTO lane AS l (app_id, endpoint_id, retry, wake_at, oldest_due_at, size)
  SELECT w.app_id, w.endpoint_id, w.retry, greatest(w.due_at, coalesce(e.paused_until, 0)), w.due_at, w.size
  FROM ${source} w LEFT JOIN endpoint e ON e.app_id = w.app_id AND e.id = w.endpoint_id
  ORDER BY w.app_id, w.endpoint_id, w.retry
  ON CONFLICT (app_id, endpoint_id, retry) DO UPDATE SET wake_at = least(l.wake_at, excluded.wake_at),
    oldest_due_at = least(l.oldest_due_at, excluded.oldest_due_at), size = l.size + excluded.size`

/** Adds rows with one pending delivery each to their lanes: `app_id`, `endpoint_id`, `retry`, `due_at`. */
export const addEachToLanes = (rows: string): string =>
  addToLanesFrom(
    `(SELECT app_id, endpoint_id, retry, min(due_at) AS due_at, count(*) AS size FROM ${rows}
      GROUP BY app_id, endpoint_id, retry)`,
  )

/** The lanes of a batch as rows of a statement, for `addToLanesFrom`. */
export const givenLanes = (row: RowPlaces<Waiting>): string =>
  `(SELECT * FROM ${given('g', {
    ...laneKeys(row),
    due_at: row.numbers('bigint', (lane) => lane.dueAt),
    size: row.numbers('bigint', (lane) => lane.size),
  })})`

const laneKeys = (row: RowPlaces<LaneKey>): Arrays => ({
  app_id: row.texts((lane) => lane.appId),
  endpoint_id: row.texts((lane) => lane.endpointId),
  retry: row.numbers('smallint', (lane) => lane.retry),
})

const adding = new Places<readonly Waiting[]>()
const ADD_TO_LANES = statement('lanes-add', addToLanesFrom(givenLanes(adding.rows((lanes) => lanes))))

export const addToLanes = (session: Session, lanes: readonly Waiting[]): Promise<number> =>
  session.run(ADD_TO_LANES, ...adding.values(lanes))

/** Merges rows of the same lane into one. */
export function perLane(waiting: readonly Waiting[]): Waiting[] {
  const lanes = new Map<string, Waiting>()
  for (const one of waiting) {
    const name = `${one.appId} ${one.endpointId} ${one.retry}`
    const lane = lanes.get(name)
    if (lane === undefined) lanes.set(name, { ...one })
    else {
      lane.size += one.size
      lane.dueAt = Math.min(lane.dueAt, one.dueAt)
    }
  }
  return [...lanes.values()]
}

/** A lane of which deliveries were taken, their number, and the due time of its oldest delivery before. */
export interface Taken extends LaneKey {
  oldestDueAt: number
  taken: number
}

/**
 * Reading begins at the oldest due time that the lane had. Before it there are only index entries of deliveries that
 * are not pending any more, which vacuum has not removed yet.
 */
const setAnew = (taken: string, wakeAt: string): string => `
  WITH served AS (
    SELECT t.*, (SELECT d.due_at FROM delivery d
                 WHERE d.state = 'pending' AND d.app_id = t.app_id AND d.endpoint_id = t.endpoint_id AND d.retry = t.retry
                   AND d.due_at >= t.oldest_due_at
                 ORDER BY d.due_at LIMIT 1) AS next_due_at
    FROM ${taken}
  ), emptied AS (
    DELETE FROM lane l USING served s
    WHERE l.app_id = s.app_id AND l.endpoint_id = s.endpoint_id AND l.retry = s.retry AND s.next_due_at IS NULL
  )
  UPDATE lane l SET wake_at = greatest(s.next_due_at, ${wakeAt}), oldest_due_at = s.next_due_at,
    size = greatest(l.size - s.taken, 1)
  FROM served s
  WHERE l.app_id = s.app_id AND l.endpoint_id = s.endpoint_id AND l.retry = s.retry AND s.next_due_at IS NOT NULL`

const takenLanes = (row: RowPlaces<Taken>): string =>
  given('t', {
    ...laneKeys(row),
    oldest_due_at: row.numbers('bigint', (lane) => lane.oldestDueAt),
    taken: row.numbers('bigint', (lane) => lane.taken),
  })

const taking = new Places<{ lanes: readonly Taken[]; now: number }>()
const AFTER_TAKING = statement(
  'lanes-after-taking',
  setAnew(
    takenLanes(taking.rows(({ lanes }) => lanes)),
    taking.one('bigint', ({ now }) => now),
  ),
)

const removing = new Places<readonly Taken[]>()
const REMOVE = statement('lanes-remove', setAnew(takenLanes(removing.rows((lanes) => lanes)), 'l.wake_at'))

/**
 * Takes deliveries off their lanes' counts and sets when the lanes are looked at next; empty lanes are removed. An
 * earlier statement of this transaction must have locked the rows.
 */
export const afterTaking = (session: Session, lanes: readonly Taken[], now: number): Promise<number> =>
  session.run(AFTER_TAKING, ...taking.values({ lanes, now }))

/**
 * Takes deliveries that were not claimed off their lanes. Unlike a claim, this uses up no turn of the lanes and ends no
 * pause. The rows must have been locked as well.
 */
export const removeFromLanes = (session: Session, lanes: readonly Taken[]): Promise<number> =>
  session.run(REMOVE, ...removing.values(lanes))

const LOCK_LANES = statement(
  'lanes-lock',
  'SELECT retry, oldest_due_at FROM lane WHERE app_id = $1 AND endpoint_id = $2 ORDER BY retry FOR UPDATE',
)

export async function lockLanes(session: Session, appId: string, endpointId: string): Promise<Taken[]> {
  const rows = await session.all<{ retry: 0 | 1; oldest_due_at: number }>(LOCK_LANES, appId, endpointId)
  return rows.map((row) => ({ appId, endpointId, retry: row.retry, oldestDueAt: row.oldest_due_at, taken: 0 }))
}

const LOCK_GIVEN = statement(
  'lanes-lock-given',
  `SELECT l.app_id, l.endpoint_id, l.retry, l.oldest_due_at
   FROM unnest($1::text[], $2::text[], $3::smallint[]) g (app_id, endpoint_id, retry)
   JOIN lane l ON l.app_id = g.app_id AND l.endpoint_id = g.endpoint_id AND l.retry = g.retry
   ORDER BY l.app_id, l.endpoint_id, l.retry FOR UPDATE OF l`,
)

/** Locks those of the lanes that exist, and returns the due time of the oldest delivery of each. */
export async function lockLanesOf(session: Session, lanes: readonly LaneKey[]): Promise<Omit<Taken, 'taken'>[]> {
  const rows = await session.all<{ app_id: string; endpoint_id: string; retry: 0 | 1; oldest_due_at: number }>(
    LOCK_GIVEN,
    textArray(lanes.map((lane) => lane.appId)),
    textArray(lanes.map((lane) => lane.endpointId)),
    numberArray(lanes.map((lane) => lane.retry)),
  )
  return rows.map((row) => ({
    appId: row.app_id,
    endpointId: row.endpoint_id,
    retry: row.retry,
    oldestDueAt: row.oldest_due_at,
  }))
}

/** Keeps the lanes of endpoints asleep; rows are locked in the order of their keys. */
export const PAUSE_LANES: Statement = statement(
  'lanes-pause',
  `WITH locked AS (
     SELECT l.app_id, l.endpoint_id, l.retry, p.until
     FROM unnest($1::text[], $2::text[], $3::bigint[]) p (app_id, endpoint_id, until)
     JOIN lane l ON l.app_id = p.app_id AND l.endpoint_id = p.endpoint_id
     ORDER BY l.app_id, l.endpoint_id, l.retry FOR UPDATE OF l
   )
   UPDATE lane l SET wake_at = greatest(l.wake_at, k.until) FROM locked k
   WHERE l.app_id = k.app_id AND l.endpoint_id = k.endpoint_id AND l.retry = k.retry`,
)

/** Wakes an endpoint's lanes now: its deliveries can be tried, or have to be cancelled. */
export async function wakeLanes(session: Session, appId: string, endpointId: string, now: number): Promise<void> {
  await lockLanes(session, appId, endpointId)
  await session.run(
    'UPDATE lane SET wake_at = greatest(oldest_due_at, $1) WHERE app_id = $2 AND endpoint_id = $3',
    now,
    appId,
    endpointId,
  )
}

/** Jumps from lane to lane in the index of pending deliveries. One statement sees one state of the database. */
const COMPARE_LANES = statement(
  'lanes-compare',
  `WITH RECURSIVE walk (app_id, endpoint_id, retry, due_at, step) AS (
     (SELECT app_id, endpoint_id, retry, due_at, 1 FROM delivery
      WHERE state = 'pending' AND (app_id, endpoint_id, retry, due_at) > ($1, $2, $3::smallint, ${END_OF_TIME})
      ORDER BY app_id, endpoint_id, retry, due_at LIMIT 1)
     UNION ALL
     SELECT n.app_id, n.endpoint_id, n.retry, n.due_at, w.step + 1 FROM walk w CROSS JOIN LATERAL (
       SELECT app_id, endpoint_id, retry, due_at FROM delivery
       WHERE state = 'pending' AND (app_id, endpoint_id, retry, due_at) > (w.app_id, w.endpoint_id, w.retry, ${END_OF_TIME})
       ORDER BY app_id, endpoint_id, retry, due_at LIMIT 1) n
     WHERE w.step < $4
   )
   SELECT w.app_id, w.endpoint_id, w.retry, w.due_at, coalesce(l.oldest_due_at <= w.due_at, FALSE) AS is_right
   FROM walk w LEFT JOIN lane l ON l.app_id = w.app_id AND l.endpoint_id = w.endpoint_id AND l.retry = w.retry
   ORDER BY w.step`,
)

/**
 * Compares the lanes with their deliveries, a stretch of them at a time. Repairs the dangerous difference: a pending
 * delivery that no lane will wake for. It should never find any.
 */
export async function repairLanes(
  session: Session,
  cursor: LaneKey | null,
  max: number,
): Promise<{ repaired: number; cursor: LaneKey | null }> {
  const { appId, endpointId, retry } = cursor ?? { appId: '', endpointId: '', retry: 0 }
  const rows = await session.all<{
    app_id: string
    endpoint_id: string
    retry: 0 | 1
    due_at: number
    is_right: boolean
  }>(COMPARE_LANES, appId, endpointId, retry, max)
  const wrong = rows.filter((row) => !row.is_right)
  if (wrong.length > 0)
    await addToLanes(
      session,
      wrong.map((row) => ({
        appId: row.app_id,
        endpointId: row.endpoint_id,
        retry: row.retry,
        dueAt: row.due_at,
        size: 1,
      })),
    )
  const last = rows.at(-1)
  return {
    repaired: wrong.length,
    cursor:
      rows.length < max || last === undefined
        ? null
        : { appId: last.app_id, endpointId: last.endpoint_id, retry: last.retry },
  }
}
