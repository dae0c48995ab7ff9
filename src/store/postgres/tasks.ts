import { type Candidate, wants } from '../../domain/endpoint.ts'
import { startId } from '../../domain/ids.ts'
import { audienceFrom, type StoredAudience } from '../audience.ts'
import type { TaskInfo } from '../../domain/task.ts'
import type { Extras } from '../port/accept.ts'
import { taskInsert, type TaskPosition, taskRow } from '../rows/task.ts'
import type { Row } from '../shared/value.ts'
import type { OpenTasks, TaskStep } from '../port/tasks.ts'
import { holdApplication } from './applications.ts'
import { type Writing, type Session, statement } from './database.ts'
import { READS } from './reads.ts'
import { addFirst, addManual, withPayload } from './manual.ts'
import { noteTask } from './notify.ts'
import { once, type Writer } from './once.ts'

export const createTask = (
  writer: Writer,
  task: TaskInfo,
  extras?: Extras,
  max?: OpenTasks,
): Promise<'created' | 'endpoint_busy' | 'application_busy' | 'unknown' | 'replayed'> =>
  once<'created' | 'endpoint_busy' | 'application_busy' | 'unknown'>(writer, extras, 'created', async (session) => {
    // Locks the application, so that no two transactions count and add tasks at the same time.
    if (!(await holdApplication(session, task.appId))) return 'unknown'
    const of = [task.appId, task.endpointId, task.kind] as const
    const open = await session.get<OpenTasks>(OPEN, ...of)
    if (max !== undefined && open!.ofKind >= max.ofKind) return 'endpoint_busy'
    if (max !== undefined && open!.ofApplication >= max.ofApplication) return 'application_busy'
    for (let tries = 0; tries < TRIES; tries++) {
      // Waits for a transaction that finishes the running task. One that comes later has to wait, and then sees this
      // task.
      const runs = await session.run(HOLD_RUNNING, ...of)
      if ((await insertTask(session, task, task.status === 'running' && runs === 0)) > 0) {
        await noteTask(session)
        return 'created'
      }
      // The task that was just finished was followed by another one.
    }
    throw new Error('the tasks of an endpoint change too fast')
  })

const TRIES = 10

const OPEN = statement(
  'task-open',
  `SELECT count(*) AS "ofApplication", count(*) FILTER (WHERE endpoint_id = $2 AND kind = $3) AS "ofKind"
   FROM task WHERE status = 'running' AND app_id = $1`,
)

const OF_KIND = 'app_id = $1 AND endpoint_id = $2 AND kind = $3'

const HOLD_RUNNING = statement('task-hold', `SELECT 1 FROM task WHERE ${OF_KIND} AND turn IS NOT NULL FOR SHARE`)

/**
 * The turn of a new step: behind all tasks of the organization, and not before any task that waits. So organizations
 * take turns, whatever number of tasks each has.
 */
const nextTurn = (orgId: string) => `greatest(
  coalesce((SELECT max(turn) + 1 FROM task WHERE org_id = ${orgId} AND turn IS NOT NULL), 0),
  coalesce((SELECT min(turn) FROM task WHERE turn IS NOT NULL), 0))`

const INSERT = statement(
  'task-insert',
  `INSERT INTO task (${taskInsert.names}, position, turn)
   VALUES (${taskInsert.places()}, $${taskInsert.size + 1},
     CASE WHEN $${taskInsert.size + 2}::boolean THEN ${nextTurn('$1')} END)
   ON CONFLICT (app_id, endpoint_id, kind) WHERE turn IS NOT NULL DO NOTHING`,
)

const insertTask = (session: Session, task: TaskInfo, runs: boolean): Promise<number> =>
  session.run(INSERT, ...taskInsert.values(task), startId('msg', task.since), runs)

/** The task whose turn it is, among those that no other node is working on: two nodes never do the same step. */
const TAKE = statement(
  'task-take',
  'SELECT * FROM task WHERE turn IS NOT NULL ORDER BY turn, updated_at, id LIMIT 1 FOR UPDATE SKIP LOCKED',
)

const MOVE_ON = statement(
  'task-move-on',
  `UPDATE task SET position = coalesce($3, position), status = CASE WHEN $3::text IS NULL THEN 'finished' ELSE status END,
     added = added + $4, updated_at = $5, turn = CASE WHEN $3::text IS NOT NULL THEN ${nextTurn('$1')} END
   WHERE org_id = $1 AND id = $2 RETURNING *`,
)

/** Starts the oldest task that waited for one to be finished. */
const START_NEXT = statement(
  'task-start-next',
  `UPDATE task t SET turn = ${nextTurn('w.org_id')}
   FROM (SELECT org_id, id FROM task WHERE status = 'running' AND ${OF_KIND} ORDER BY id LIMIT 1) w
   WHERE t.org_id = w.org_id AND t.id = w.id`,
)

export const stepTask = ({ pool }: Writing, now: number, max: number): Promise<TaskStep> =>
  pool.transaction(async (session) => {
    const task = await session.get<TaskPosition>(TAKE)
    if (task === undefined) return { task: null, added: 0 }
    const { added, next } = await walk(session, task, now, max)
    const row = await session.get<Row>(MOVE_ON, task.org_id, task.id, next, added, now)
    if (next === null) await session.run(START_NEXT, task.app_id, task.endpoint_id, task.kind)
    return { task: taskRow.from(row!), added }
  })

/** Looks at the next messages. `next` is where the next step begins; null at the end. */
async function walk(
  session: Session,
  task: TaskPosition,
  now: number,
  max: number,
): Promise<{ added: number; next: string | null }> {
  const { app_id: appId, endpoint_id: endpointId } = task
  // A deleted application has no endpoints any more: they were deleted with it.
  const endpoint = await READS.getEndpoint(session, appId, endpointId)
  if (endpoint === null || endpoint.disabled) return { added: 0, next: null }
  const isRecovery = task.kind === 'endpoint.recover'
  // One message more than the step looks at: the next step begins there.
  const found = isRecovery
    ? await endedWithoutSuccess(session, task, max + 1)
    : await missed(session, task, endpoint, max + 1)
  const wanted = found.slice(0, max).flatMap((one) => (one.isWanted ? [one.msg_id] : []))
  const { msgIds } = await withPayload(session, appId, wanted, now)
  const some = { appId, endpointId, msgIds }
  const added = isRecovery ? await addManual(session, some, now) : await addFirst(session, some, now)
  return { added: added.length, next: found[max]?.msg_id ?? null }
}

/** A message of the window. `isWanted`: it is to be made due, provided that it still has a payload. */
interface Found {
  msg_id: string
  isWanted: boolean
}

const restOf = (task: TaskPosition, limit: number) =>
  [task.app_id, task.endpoint_id, task.position, startId('msg', task.until), limit] as const

const ended = (state: 'failed' | 'cancelled', index: 'attempts > 0' | 'attempts = 0') => `(
  SELECT msg_id FROM delivery WHERE app_id = $1 AND endpoint_id = $2 AND msg_id >= $3 AND msg_id < $4
    AND run = 0 AND state = '${state}' AND ${index} ORDER BY msg_id LIMIT $5)`

/** Deliveries that ended without success are in three indexes; a step looks at the first ones of all three together. */
const ENDED = statement(
  'task-ended',
  `SELECT msg_id FROM (
     ${ended('failed', 'attempts > 0')} UNION ALL ${ended('cancelled', 'attempts > 0')}
     UNION ALL ${ended('cancelled', 'attempts = 0')}
   ) e ORDER BY msg_id LIMIT $5`,
)

async function endedWithoutSuccess(session: Session, task: TaskPosition, limit: number): Promise<Found[]> {
  const rows = await session.all<{ msg_id: string }>(ENDED, ...restOf(task, limit))
  return rows.map((row) => ({ ...row, isWanted: true }))
}

const MESSAGES = statement(
  'task-messages',
  `SELECT m.id AS msg_id, m.event_type, m.channels, m.named, EXISTS (
     SELECT 1 FROM delivery d WHERE d.app_id = m.app_id AND d.msg_id = m.id AND d.endpoint_id = $2) AS has_delivery
   FROM msg m WHERE m.app_id = $1 AND m.id >= $3 AND m.id < $4 ORDER BY m.id LIMIT $5`,
)

interface MissedRow {
  msg_id: string
  event_type: string
  channels: string | null
  named: StoredAudience
  has_delivery: boolean
}

/** The messages of the application; those that never had a delivery to this endpoint may be wanted. */
async function missed(session: Session, task: TaskPosition, endpoint: Candidate, limit: number): Promise<Found[]> {
  const rows = await session.all<MissedRow>(MESSAGES, ...restOf(task, limit))
  return rows.map((row) => {
    const channels = row.channels === null ? null : (JSON.parse(row.channels) as string[])
    const event = { eventType: row.event_type, channels, audience: audienceFrom(row.named, task.app_id) }
    return { msg_id: row.msg_id, isWanted: !row.has_delivery && wants(endpoint, event) }
  })
}
