import type { Endpoint } from '../domain/endpoint.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Endpoints } from '../store/store.ts'
import { LoadingCache } from './loading-cache.ts'

/** Endpoints by id and by application, as they are in the store. Forget them after every write. */
export interface EndpointCache {
  /** Null when there is no such live endpoint. */
  get(appId: AppId, id: EndpointId): Endpoint | Promise<Endpoint | null>
  /** The endpoint if it is at hand. */
  peek(appId: AppId, id: EndpointId): Endpoint | undefined
  /** All live endpoints of an application. */
  ofApplication(appId: AppId): readonly Endpoint[] | Promise<readonly Endpoint[]>
  forget(appId: AppId, id: EndpointId): void
}

export function createEndpointCache(store: Pick<Endpoints, 'getEndpoint' | 'endpointsOf'>): EndpointCache {
  // Ids hold no slash, so that a key can be taken apart again.
  const keyOf = (appId: AppId, id: EndpointId) => `${appId}/${id}`
  const endpoints = new LoadingCache<Endpoint>(LIMITS.cachedEndpoints, (key) => {
    const [appId, id] = key.split('/') as [AppId, EndpointId]
    return store.getEndpoint(appId, id)
  })
  const applications = new LoadingCache<readonly Endpoint[]>(LIMITS.cachedApplications, (appId) =>
    store.endpointsOf(appId as AppId),
  )
  return {
    get: (appId, id) => endpoints.get(keyOf(appId, id)),
    peek: (appId, id) => endpoints.peek(keyOf(appId, id)),
    ofApplication: (appId) => {
      const found = applications.get(appId)
      return found instanceof Promise ? found.then((list) => list ?? []) : found
    },
    forget(appId, id) {
      endpoints.forget(keyOf(appId, id))
      applications.forget(appId)
    },
  }
}
