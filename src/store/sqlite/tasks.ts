import { type Candidate, wants } from '../../domain/endpoint.ts'
import { type MessageId, startId } from '../../domain/ids.ts'
import { audienceFrom, type StoredAudience } from '../audience.ts'
import type { TaskInfo } from '../../domain/task.ts'
import type { Extras } from '../port/accept.ts'
import { taskInsert, type TaskPosition, taskRow } from '../rows/task.ts'
import type { Row } from '../shared/value.ts'
import type { OpenTasks, TaskStep } from '../port/tasks.ts'
import { isLiveApplication } from './applications.ts'
import { bound, type Database } from './database.ts'
import { READS } from './reads.ts'
import { merge } from './merge.ts'
import { addManual, insertDue } from './manual.ts'
import { once } from './once.ts'

const INSERT = `INSERT INTO task (${taskInsert.names}, position, turn)
  VALUES (${taskInsert.places()}, $${taskInsert.size + 1}, $${taskInsert.size + 2})`

export function createTask(
  db: Database,
  task: TaskInfo,
  extras?: Extras,
  max?: OpenTasks,
): 'created' | 'endpoint_busy' | 'application_busy' | 'unknown' | 'replayed' {
  return once(db, extras, 'created', () => {
    if (!isLiveApplication(db, task.appId)) return 'unknown'
    const open = openTasks(db, task)
    if (max !== undefined && open.ofKind >= max.ofKind) return 'endpoint_busy'
    if (max !== undefined && open.ofApplication >= max.ofApplication) return 'application_busy'
    const turn = task.status === 'running' && open.ofKind === 0 ? nextTurn(db, task.orgId) : null
    db.run(INSERT, ...bound(taskInsert.values(task)), startId('msg', task.since), turn)
    return 'created'
  })
}

const openTasks = (db: Database, { appId, endpointId, kind }: TaskInfo): OpenTasks =>
  db.get<OpenTasks>(
    `SELECT count(*) AS ofApplication, count(CASE WHEN endpoint_id = ?2 AND kind = ?3 THEN 1 END) AS ofKind
     FROM task WHERE status = 'running' AND app_id = ?1`,
    appId,
    endpointId,
    kind,
  )!

/**
 * The turn of a new step: behind all tasks of the organization, and not before any task that waits. So organizations
 * take turns, whatever number of tasks each has.
 */
const nextTurn = (db: Database, orgId: string): number =>
  db.get<{ turn: number }>(
    `SELECT max(coalesce((SELECT max(turn) + 1 FROM task WHERE org_id = ? AND turn IS NOT NULL), 0),
       coalesce((SELECT min(turn) FROM task WHERE turn IS NOT NULL), 0)) AS turn`,
    orgId,
  )!.turn

export function stepTask(db: Database, now: number, max: number): TaskStep {
  const task = db.get<TaskPosition>(
    'SELECT * FROM task INDEXED BY task_turn WHERE turn IS NOT NULL ORDER BY turn, updated_at, id LIMIT 1',
  )
  if (task === undefined) return { task: null, added: 0 }
  const { added, next } = walk(db, task, now, max)
  const row = db.get<Row>(
    `UPDATE task SET position = coalesce(?1, position), status = CASE WHEN ?1 IS NULL THEN 'finished' ELSE status END,
       added = added + ?2, updated_at = ?3, turn = ?4
     WHERE org_id = ?5 AND id = ?6 RETURNING *`,
    next,
    added,
    now,
    next === null ? null : nextTurn(db, task.org_id),
    task.org_id,
    task.id,
  )!
  if (next === null) startNextOfKind(db, task)
  return { task: taskRow.from(row), added }
}

/** Starts the oldest task that waited for this one to be finished. */
function startNextOfKind(db: Database, { app_id, endpoint_id, kind }: TaskPosition): void {
  const waiting = db.get<{ org_id: string; id: string }>(
    `SELECT org_id, id FROM task WHERE status = 'running' AND app_id = ? AND endpoint_id = ? AND kind = ?
     ORDER BY id LIMIT 1`,
    app_id,
    endpoint_id,
    kind,
  )
  if (waiting === undefined) return
  const turn = nextTurn(db, waiting.org_id)
  db.run('UPDATE task SET turn = ? WHERE org_id = ? AND id = ?', turn, waiting.org_id, waiting.id)
}

/** Looks at the next messages. `next` is where the next step begins; null at the end. */
function walk(db: Database, task: TaskPosition, now: number, max: number): { added: number; next: string | null } {
  const { app_id: appId, endpoint_id: endpointId } = task
  // A deleted application has no endpoints any more: they were deleted with it.
  const endpoint = READS.getEndpoint(db, appId, endpointId)
  if (endpoint === null || endpoint.disabled) return { added: 0, next: null }
  // One message more than the step looks at: the next step begins there.
  const found =
    task.kind === 'endpoint.recover' ? endedWithoutSuccess(db, task, max + 1) : missed(db, task, endpoint, max + 1)
  const keys = found
    .slice(0, max)
    .filter((one) => one.isWanted)
    .map(({ id }) => ({ appId, endpointId, msgId: id as MessageId }))
  for (const key of keys)
    if (task.kind === 'endpoint.recover') addManual(db, key, now)
    else insertDue(db, { ...key, run: 0 }, now)
  return { added: keys.length, next: found[max]?.id ?? null }
}

/** A message of the window. `isWanted`: it is to be made due. */
interface Found {
  id: string
  isWanted: boolean
}

const restOf = (task: TaskPosition) => [task.position, startId('msg', task.until)] as const

/** Deliveries that ended without success are in three indexes; a step looks at the first ones of all three together. */
const ENDED = [
  "delivery_tried WHERE state = 'failed' AND attempts > 0",
  "delivery_tried WHERE state = 'cancelled' AND attempts > 0",
  "delivery_untried WHERE state = 'cancelled' AND attempts = 0",
]

function endedWithoutSuccess(db: Database, task: TaskPosition, limit: number): Found[] {
  const of = [task.app_id, task.endpoint_id] as const
  const parts = ENDED.map((source) =>
    db.all<{ id: string }>(
      `SELECT msg_id AS id FROM delivery INDEXED BY ${source} AND run = 0 AND app_id = ? AND endpoint_id = ?
         AND msg_id >= ? AND msg_id < ? ORDER BY msg_id LIMIT ?`,
      ...of,
      ...restOf(task),
      limit,
    ),
  )
  // A message for which a manual attempt waits already is not wanted either.
  const isWanted = (id: string) =>
    db.get(
      `SELECT 1 FROM msg m WHERE m.app_id = ?1 AND m.id = ?3 AND m.payload IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM delivery d
         WHERE d.app_id = ?1 AND d.msg_id = ?3 AND d.endpoint_id = ?2 AND d.run > 0 AND d.state = 'pending')`,
      ...of,
      id,
    ) !== undefined
  return merge(parts, { direction: 'ASC', limit }).map((id) => ({ id, isWanted: isWanted(id) }))
}

interface MissedRow {
  id: string
  event_type: string
  channels: string | null
  named: StoredAudience
  is_missed: number
}

/** The messages of the application; those that never had a delivery to this endpoint may be wanted. */
function missed(db: Database, task: TaskPosition, endpoint: Candidate, limit: number): Found[] {
  const rows = db.all<MissedRow>(
    `SELECT m.id, m.event_type, m.channels, m.named, m.payload IS NOT NULL AND NOT EXISTS (
         SELECT 1 FROM delivery d WHERE d.app_id = m.app_id AND d.msg_id = m.id AND d.endpoint_id = ?) AS is_missed
     FROM msg m WHERE m.app_id = ? AND m.id >= ? AND m.id < ? ORDER BY m.id LIMIT ?`,
    task.endpoint_id,
    task.app_id,
    ...restOf(task),
    limit,
  )
  return rows.map((row) => {
    const channels = row.channels === null ? null : (JSON.parse(row.channels) as string[])
    const event = { eventType: row.event_type, channels, audience: audienceFrom(row.named, task.app_id) }
    return { id: row.id, isWanted: row.is_missed === 1 && wants(endpoint, event) }
  })
}
