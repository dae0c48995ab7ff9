import type { Candidate, Endpoint } from '../../domain/endpoint.ts'
import type { AppId, EndpointId } from '../../domain/ids.ts'
import type { Extras } from './accept.ts'
import type { Keyset } from './page.ts'

export interface EndpointPage {
  data: Endpoint[]
  total: number
}

export interface Endpoints {
  /**
   * `uid_taken`: a live endpoint of the application has this uid. `unknown`: there is no such live application.
   * `limit_reached`: the application has `max` live endpoints that deliver over HTTP; null is no limit. There are never
   * more, even when many are created at once on many nodes.
   */
  createEndpoint(
    endpoint: Endpoint,
    extras?: Extras,
    max?: number | null,
  ): Promise<'created' | 'uid_taken' | 'unknown' | 'limit_reached' | 'replayed'>
  /**
   * Replaces the settings of a live endpoint, provided that it is unchanged since `unchangedSince` (its `updatedAt`
   * then): two changes at once must not undo each other. The store alone changes `failingSince` and `pausedUntil`. Both
   * are reset by a new URL and when the endpoint is enabled again.
   */
  updateEndpoint(
    endpoint: Endpoint,
    unchangedSince: number,
    extras?: Extras,
  ): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken' | 'replayed'>
  /** False when unknown or already deleted. The endpoint's deliveries and attempts stay on record. */
  deleteEndpoint(endpoint: { appId: AppId; id: EndpointId }, now: number, extras?: Extras): Promise<boolean>
  getEndpoint(appId: AppId, id: EndpointId): Promise<Endpoint | null>
  /** By id or uid. */
  findEndpoint(appId: AppId, idOrUid: string): Promise<Endpoint | null>
  /** Those that deliver over HTTP, ordered by id, without what is secret. */
  pageEndpoints(appId: AppId, page: Keyset): Promise<Candidate[]>
  /** All live endpoints of an application, oldest first, without their secret parts. */
  endpointsOf(appId: AppId): Promise<Candidate[]>
  /** Those that deliver over HTTP, oldest first; others are the gateway's own. */
  listEndpoints(query: { appId: AppId; limit: number; offset: number; disabled: boolean | null }): Promise<EndpointPage>
}
