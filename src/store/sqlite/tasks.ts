import { type Candidate, wants } from '../../domain/endpoint.ts'
import { type MessageId, startId } from '../../domain/ids.ts'
import { audienceFrom, type StoredAudience } from '../audience.ts'
import type { TaskInfo } from '../../domain/task.ts'
import type { Extras } from '../once.ts'
import type { OpenTasks, TaskStep } from '../tasks.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import { isLiveApplication } from './applications.ts'
import type { Database } from './database.ts'
import { getEndpoint } from './endpoints.ts'
import { merge } from './merge.ts'
import { addManual, insertDue } from './manual.ts'
import { once } from './once.ts'

interface TaskRow {
  org_id: string
  id: string
  kind: TaskInfo['kind']
  app_id: string
  endpoint_id: string
  since: number
  until: number
  status: TaskInfo['status']
  position: string
  added: number
  created_at: number
  updated_at: number
}

const fromRow = (row: TaskRow): TaskInfo => ({
  orgId: row.org_id as TaskInfo['orgId'],
  id: row.id as TaskInfo['id'],
  kind: row.kind,
  appId: row.app_id as TaskInfo['appId'],
  endpointId: row.endpoint_id as TaskInfo['endpointId'],
  since: row.since,
  until: row.until,
  status: row.status,
  added: row.added,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

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
    db.run(
      `INSERT INTO task (org_id, id, kind, app_id, endpoint_id, since, until, status, position, added, created_at, updated_at, turn)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      task.orgId,
      task.id,
      task.kind,
      task.appId,
      task.endpointId,
      task.since,
      task.until,
      task.status,
      startId('msg', task.since),
      task.added,
      task.createdAt,
      task.updatedAt,
      turn,
    )
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
 * Behind all tasks of the organization, and not before anybody's who is waiting: so organizations take turns, whatever
 * number of tasks each has.
 */
const nextTurn = (db: Database, orgId: string): number =>
  db.get<{ turn: number }>(
    `SELECT max(coalesce((SELECT max(turn) + 1 FROM task WHERE org_id = ? AND turn IS NOT NULL), 0),
       coalesce((SELECT min(turn) FROM task WHERE turn IS NOT NULL), 0)) AS turn`,
    orgId,
  )!.turn

export function getTask(db: Database, orgId: string, id: string): TaskInfo | null {
  const row = db.get<TaskRow>('SELECT * FROM task WHERE org_id = ? AND id = ?', orgId, id)
  return row === undefined ? null : fromRow(row)
}

/** Walks the organization's tasks from where the page begins: somebody asked for each of them, so they are few. */
export function listTasks(
  db: Database,
  { orgId, status, kind }: { orgId: string; status: string | null; kind: string | null },
  page: Keyset,
): TaskInfo[] {
  const { above, below, direction, limit } = stretchOf(page)
  return db
    .all<TaskRow>(
      `SELECT * FROM task WHERE org_id = ?1 AND id > ?2 AND id < ?3 AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR kind = ?5)
       ORDER BY id ${direction} LIMIT ?6`,
      orgId,
      above,
      below,
      status,
      kind,
      limit,
    )
    .map(fromRow)
}

export function stepTask(db: Database, now: number, max: number): TaskStep {
  const task = db.get<TaskRow>(
    'SELECT * FROM task INDEXED BY task_turn WHERE turn IS NOT NULL ORDER BY turn, updated_at, id LIMIT 1',
  )
  if (task === undefined) return { task: null, added: 0 }
  const { added, next } = walk(db, task, now, max)
  const row = db.get<TaskRow>(
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
  return { task: fromRow(row), added }
}

/** The oldest that waited for this one to be finished. */
function startNextOfKind(db: Database, { app_id, endpoint_id, kind }: TaskRow): void {
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

/** Looks at the next messages; `next` is where to go on, null at the end. */
function walk(db: Database, task: TaskRow, now: number, max: number): { added: number; next: string | null } {
  const { appId, endpointId } = fromRow(task)
  // An application takes its endpoints along when it is deleted.
  const endpoint = getEndpoint(db, appId, endpointId)
  if (endpoint === null || endpoint.disabled) return { added: 0, next: null }
  // One more than it looks at, which is where the next step begins.
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

/** A message of the window, and whether it is to be made due. */
interface Found {
  id: string
  isWanted: boolean
}

const restOf = (task: TaskRow) => [task.position, startId('msg', task.until)] as const

/** Deliveries that ended without success are in three indexes; the first of all of them are looked at. */
const ENDED = [
  "delivery_tried WHERE state = 'failed' AND attempts > 0",
  "delivery_tried WHERE state = 'cancelled' AND attempts > 0",
  "delivery_untried WHERE state = 'cancelled' AND attempts = 0",
]

function endedWithoutSuccess(db: Database, task: TaskRow, limit: number): Found[] {
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
  // Nor where a manual attempt waits already.
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
function missed(db: Database, task: TaskRow, endpoint: Candidate, limit: number): Found[] {
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
