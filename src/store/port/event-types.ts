import type { EventType } from '../../domain/event-type.ts'
import type { OrgId } from '../../domain/ids.ts'
import type { Extras } from './accept.ts'
import type { Keyset } from './page.ts'

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
