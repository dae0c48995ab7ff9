/** Background work on one endpoint and a range of time. */
import type { Application } from '../domain/application.ts'
import { BUCKET_MS, type EndpointId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { TaskInfo, TaskKind } from '../domain/task.ts'
import type { Answer } from '../store/port/answers.ts'
import type { ManageContext } from './context.ts'

const DAY_MS = 86_400_000
export const TASK_WINDOW_DAYS = 14
/** Tolerance for clocks that differ, and for the time that requests take. */
const LEEWAY_MS = 5 * 60_000

/** Limits of unfinished tasks: of one kind for an endpoint, and of an application. */
export const OPEN_TASKS = { ofKind: LIMITS.tasksOpenOfKind, ofApplication: LIMITS.tasksOpenOfApplication }

export interface TaskRequest {
  kind: TaskKind
  application: Pick<Application, 'id' | 'orgId'>
  endpointId: EndpointId
  /** Messages that were accepted from `since` to `until`, ms since 1970; null is until now. */
  since: number
  until: number | null
}

/** A new task, not stored yet, or the reason why there can be none: the range is too long, or ends before it begins. */
export function newTask(
  { ids, clock }: Pick<ManageContext, 'ids' | 'clock'>,
  { kind, application, endpointId, since, until }: TaskRequest,
): TaskInfo | 'too_long' | 'reversed' {
  const now = clock.now()
  // Events accepted later are not lost yet, and the task has to end.
  const end = Math.min(until ?? now, now)
  if (since < end - TASK_WINDOW_DAYS * DAY_MS - LEEWAY_MS) return 'too_long'
  if (since > end) return 'reversed'
  return {
    orgId: application.orgId,
    id: ids.next('qtask', now),
    kind,
    appId: application.id,
    endpointId,
    since,
    // Messages are found by the times of their ids, so all messages of the last moment belong to the range.
    until: end + BUCKET_MS,
    status: 'running',
    added: 0,
    createdAt: now,
    updatedAt: now,
  }
}

/**
 * `endpoint_busy`, `application_busy`: there are as many unfinished tasks as `OPEN_TASKS` allows. `unknown`: the
 * endpoint is gone.
 */
export async function startTask(
  { store, taskStarted }: ManageContext,
  task: TaskInfo,
  answer: Answer | null = null,
): Promise<'created' | 'endpoint_busy' | 'application_busy' | 'unknown' | 'replayed'> {
  const result = await store.createTask(task, { answer, announce: [] }, OPEN_TASKS)
  if (result === 'created') taskStarted()
  return result
}
