/** The part of the store that knows who owns what: applications and event types. */
import type { Application } from '../domain/application.ts'
import type { EventType } from '../domain/event-type.ts'
import type { AppId, OrgId } from '../domain/ids.ts'
import type { Extras } from './once.ts'

/** A stretch of a list that is ordered by a unique text: at most `limit` of what comes after `after`, in this order. */
export interface Keyset {
  limit: number
  /** Not itself in the answer; null begins at the end that the order names. */
  after: string | null
  order: 'ascending' | 'descending'
}

export interface Applications {
  /** `uid_taken`: a live application of the organization has this uid. */
  createApplication(application: Application, extras?: Extras): Promise<'created' | 'uid_taken' | 'replayed'>
  /** Replaces name, uid, throttle rate and metadata, provided that it is as it was at `unchangedSince` (`updatedAt`). */
  updateApplication(
    application: Application,
    unchangedSince: number,
  ): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken'>
  /** Deletes it with all of its endpoints; its uids may be used again. False when unknown or already deleted. */
  deleteApplication(orgId: OrgId, id: AppId, now: number): Promise<boolean>
  /** By id or uid; null when there is no such live one. */
  findApplication(orgId: OrgId, idOrUid: string): Promise<Application | null>
  /** By id alone, whoever owns it. */
  getApplication(id: AppId): Promise<Application | null>
  /** Live ones, ordered by id. */
  listApplications(orgId: OrgId, page: Keyset): Promise<Application[]>
}

export interface EventTypes {
  /** Creates it, or brings an archived one of this name back with new contents. `exists`: there is a live one. */
  createEventType(eventType: EventType, extras?: Extras): Promise<'created' | 'exists' | 'replayed'>
  /** Replaces it, provided that it is as it was at `unchangedSince`. */
  updateEventType(eventType: EventType, unchangedSince: number): Promise<'updated' | 'changed' | 'unknown'>
  /** Removes the row itself; an archived one stays and is an update. */
  removeEventType(orgId: OrgId, name: string): Promise<boolean>
  /** Also an archived one. */
  getEventType(orgId: OrgId, name: string): Promise<EventType | null>
  /** Which of these names are those of live event types. */
  knownEventTypes(orgId: OrgId, names: readonly string[]): Promise<string[]>
  /**
   * Ordered by name. `flags`: only those without feature flags, or with one of these; null is all. Without `withContent`
   * the schemas are not read, and are null.
   */
  listEventTypes(
    query: { orgId: OrgId; includeArchived: boolean; flags: readonly string[] | null; withContent: boolean },
    page: Keyset,
  ): Promise<EventType[]>
}
