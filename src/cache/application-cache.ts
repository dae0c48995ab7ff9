import type { Application } from '../domain/application.ts'
import type { AppId, OrgId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Applications } from '../store/port/applications.ts'
import { type Freshness, LoadingCache } from './loading-cache.ts'

/** Applications by id or uid. Forget them after every write. */
export interface ApplicationCache {
  /** By id or uid; null when the organization has no such live application. */
  find(orgId: OrgId, idOrUid: string): Application | Promise<Application | null>
  /** By id, of any organization. */
  get(id: AppId): Application | Promise<Application | null>
  /** The application if it is in memory. */
  peek(id: AppId): Application | undefined
  /** Takes the application as it was and as it is: it may be kept under both uids. */
  forget(...applications: readonly Application[]): void
}

export function createApplicationCache(
  store: Pick<Applications, 'findApplication' | 'getApplication'>,
  freshness?: Freshness,
): ApplicationCache {
  // Neither ids nor uids hold a slash. Any other text in a path finds nothing, and a miss is not kept.
  const byName = new LoadingCache<Application>(
    { max: LIMITS.cachedApplications, bytes: LIMITS.cachedApplicationBytes },
    (key) => {
      const at = key.indexOf('/')
      return store.findApplication(key.slice(0, at) as OrgId, key.slice(at + 1))
    },
    freshness,
  )
  const byId = new LoadingCache<Application>(
    { max: LIMITS.cachedApplications, bytes: LIMITS.cachedApplicationBytes },
    (id) => store.getApplication(id as AppId),
    freshness,
  )
  return {
    find: (orgId, idOrUid) => byName.get(`${orgId}/${idOrUid}`),
    get: (id) => byId.get(id),
    peek: (id) => byId.peek(id),
    forget(...applications) {
      for (const { orgId, id, uid } of applications) {
        byId.forget(id)
        byName.forget(`${orgId}/${id}`)
        if (uid !== null) byName.forget(`${orgId}/${uid}`)
      }
    },
  }
}
