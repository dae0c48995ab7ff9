import type { Candidate, Endpoint } from '../domain/endpoint.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Endpoints } from '../store/port/endpoints.ts'
import { type Freshness, LoadingCache } from './loading-cache.ts'
import type { SharedEndpoints } from './shared-endpoints.ts'

/** Endpoints by id and by application, as they are in the store. Forget them after every write. */
export interface EndpointCache {
  /** Null when there is no such live endpoint. */
  get(appId: AppId, id: EndpointId): Endpoint | Promise<Endpoint | null>
  /** The endpoint if it is in memory. */
  peek(appId: AppId, id: EndpointId): Endpoint | undefined
  /** All live endpoints of an application, without their secret parts. */
  ofApplication(appId: AppId): readonly Candidate[] | Promise<readonly Candidate[]>
  /** Called after a change by this node: the endpoint is forgotten here at once, and the other nodes are told. */
  forget(appId: AppId, id: EndpointId): void
  /** Called after a change by another node that has told the shared cache. */
  forgetHere(appId: AppId, id: EndpointId): void
  /** Called after a change by another node that may have been unable to tell the shared cache. */
  forgetRemote(appId: AppId, id: EndpointId): void
  /** Called when changes may have been missed, and it is not known which. */
  forgetAllHere(): void
  readonly counts: CacheCounts
}

/** Number of lookups answered from this node's memory, and from the cache that all nodes share. */
export interface CacheCounts {
  memory: { hits: number; misses: number }
  shared: { hits: number; misses: number }
}

export interface EndpointCacheOptions {
  /** By default an entry is good until it is forgotten: no other process writes. */
  freshness?: Freshness
  shared?: SharedEndpoints | null
}

export function createEndpointCache(
  store: Pick<Endpoints, 'getEndpoint' | 'endpointsOf'>,
  { freshness, shared = null }: EndpointCacheOptions = {},
): EndpointCache {
  const sharedCounts = { hits: 0, misses: 0 }

  /**
   * Loads from the shared cache, or else from the store; then the shared cache gets the value if nothing was changed
   * meanwhile.
   */
  async function load<T extends object>(appId: AppId, name: string, read: () => Promise<T | null>): Promise<T | null> {
    const found = shared === null ? null : await shared.find(appId, name)
    if (found !== null && 'kept' in found) {
      sharedCounts.hits++
      return found.kept as T
    }
    if (found !== null) sharedCounts.misses++
    const value = await read()
    if (value !== null && found !== null) shared?.keep(appId, name, found, value)
    return value
  }

  // Ids hold no slash, so that a key can be taken apart again.
  const keyOf = (appId: AppId, id: EndpointId) => `${appId}/${id}`
  const endpoints = new LoadingCache<Endpoint>(
    { max: LIMITS.cachedEndpoints, bytes: LIMITS.cachedEndpointBytes },
    (key) => {
      const [appId, id] = key.split('/') as [AppId, EndpointId]
      return load(appId, `endpoint/${id}`, () => store.getEndpoint(appId, id))
    },
    freshness,
  )
  const applications = new LoadingCache<readonly Candidate[]>(
    { max: LIMITS.cachedApplications, bytes: LIMITS.cachedEndpointBytes },
    (appId) => load(appId as AppId, 'list', () => store.endpointsOf(appId as AppId)),
    freshness,
  )

  function forgetHere(appId: AppId, id: EndpointId): void {
    endpoints.forget(keyOf(appId, id))
    applications.forget(appId)
  }

  return {
    get: (appId, id) => endpoints.get(keyOf(appId, id)),
    peek: (appId, id) => endpoints.peek(keyOf(appId, id)),
    ofApplication: (appId) => {
      const found = applications.get(appId)
      return found instanceof Promise ? found.then((list) => list ?? []) : found
    },
    forget(appId, id) {
      forgetHere(appId, id)
      shared?.forget(appId, id, { announce: true })
    },
    forgetHere,
    forgetAllHere() {
      endpoints.forgetAll()
      applications.forgetAll()
    },
    forgetRemote(appId, id) {
      forgetHere(appId, id)
      shared?.forget(appId, id, { announce: false })
    },
    get counts() {
      const hits = endpoints.hits + applications.hits
      return { memory: { hits, misses: endpoints.misses + applications.misses }, shared: { ...sharedCounts } }
    },
  }
}
