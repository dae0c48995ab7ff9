/** Work that takes longer than a request and survives a restart. It is done in steps, each of them one transaction. */
import type { OrgId, TaskId } from '../../domain/ids.ts'
import type { TaskInfo } from '../../domain/task.ts'
import type { Extras } from './accept.ts'
import type { Keyset } from './page.ts'

export interface TaskStep {
  /** The task that was worked on; null when none is running. */
  task: TaskInfo | null
  /** Number of deliveries that this step made due. */
  added: number
}

/** Number of unfinished tasks: of one kind for one endpoint, and of one application. */
export interface OpenTasks {
  ofKind: number
  ofApplication: number
}

export interface Tasks {
  /**
   * Of several tasks of one kind for one endpoint, one runs at a time, in the order of their creation; the others wait.
   * `endpoint_busy`, `application_busy`: as many tasks are open already as `max` allows. `unknown`: there is no such
   * live application.
   */
  createTask(
    task: TaskInfo,
    extras?: Extras,
    max?: OpenTasks,
  ): Promise<'created' | 'endpoint_busy' | 'application_busy' | 'unknown' | 'replayed'>
  getTask(orgId: OrgId, id: TaskId): Promise<TaskInfo | null>
  /** Ordered by id. */
  listTasks(
    query: { orgId: OrgId; status: TaskInfo['status'] | null; kind: TaskInfo['kind'] | null },
    page: Keyset,
  ): Promise<TaskInfo[]>
  /**
   * Does the next step of the task whose turn it is: organizations take turns, and then their tasks. A step looks at up
   * to `max` messages. Its changes and its new position are written together, so a task that is interrupted goes on
   * where it was, and does nothing twice.
   */
  stepTask(now: number, max: number): Promise<TaskStep>
}
