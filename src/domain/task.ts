import type { AppId, EndpointId, OrgId, TaskId } from './ids.ts'

/**
 * `endpoint.recover` makes a manual attempt of each delivery that ended without success; `endpoint.replay` delivers what
 * the endpoint would have wanted but was not there to get.
 */
export type TaskKind = 'endpoint.recover' | 'endpoint.replay'

/** Something that is done in the background, for messages accepted from `since` up to before `until` (ms). */
export interface TaskInfo {
  orgId: OrgId
  id: TaskId
  kind: TaskKind
  appId: AppId
  endpointId: EndpointId
  since: number
  until: number
  status: 'running' | 'finished'
  /** Deliveries that it has made due so far. */
  added: number
  createdAt: number
  updatedAt: number
}
