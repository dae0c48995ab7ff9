import type { Application } from '../../domain/application.ts'
import type { AppId, OrgId } from '../../domain/ids.ts'
import type { Extras } from './accept.ts'
import type { Keyset } from './page.ts'

export interface Applications {
  /** `uid_taken`: a live application of the organization has this uid. */
  createApplication(application: Application, extras?: Extras): Promise<'created' | 'uid_taken' | 'replayed'>
  /**
   * Replaces name, uid, throttle rate and metadata, if the application is unchanged since `unchangedSince` (its
   * `updatedAt`).
   */
  updateApplication(
    application: Application,
    unchangedSince: number,
  ): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken'>
  /**
   * Deletes an application with all of its endpoints; its uids may be used again. False when unknown or already
   * deleted.
   */
  deleteApplication(orgId: OrgId, id: AppId, now: number): Promise<boolean>
  /** By id or uid; null when there is no such live application. */
  findApplication(orgId: OrgId, idOrUid: string): Promise<Application | null>
  /** By id alone, of any organization. */
  getApplication(id: AppId): Promise<Application | null>
  /** Live applications, ordered by id. */
  listApplications(orgId: OrgId, page: Keyset): Promise<Application[]>
}
