import type { AppId, EndpointId, OrgId, TaskId } from './ids.ts'

/**
 * `endpoint.recover` makes a manual attempt of each delivery that ended without success. `endpoint.replay` delivers the
 * messages that the endpoint would have wanted but missed.
 */
export type TaskKind = 'endpoint.recover' | 'endpoint.replay'

/** Background work on the messages accepted from `since` up to before `until` (ms). */
export interface TaskInfo {
  orgId: OrgId
  id: TaskId
  kind: TaskKind
  appId: AppId
  endpointId: EndpointId
  since: number
  until: number
  status: 'running' | 'finished'
  /** Deliveries that the task has made due so far. */
  added: number
  createdAt: number
  updatedAt: number
}
