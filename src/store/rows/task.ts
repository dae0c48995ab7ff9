import type { TaskInfo } from '../../domain/task.ts'
import { plain, rowOf } from './row-of.ts'

export const taskRow = rowOf<TaskInfo>({
  orgId: plain('org_id'),
  id: plain('id'),
  kind: plain('kind'),
  appId: plain('app_id'),
  endpointId: plain('endpoint_id'),
  since: plain('since'),
  until: plain('until'),
  status: plain('status'),
  added: plain('added'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
})

export const taskInsert = taskRow.part(taskRow.members)

/** The facts that a step of a task needs. */
export interface TaskPosition {
  org_id: TaskInfo['orgId']
  id: TaskInfo['id']
  kind: TaskInfo['kind']
  app_id: TaskInfo['appId']
  endpoint_id: TaskInfo['endpointId']
  until: number
  /** The id from which on the task has not looked at any message yet. */
  position: string
}
