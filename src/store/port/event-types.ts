import type { EventType } from '../../domain/event-type.ts'
import type { OrgId } from '../../domain/ids.ts'
import type { Extras } from './accept.ts'
import type { Keyset } from './page.ts'

export interface EventTypes {
  /**
   * Creates an event type, or restores an archived one of this name with new contents. `exists`: there is a live one.
   */
  createEventType(eventType: EventType, extras?: Extras): Promise<'created' | 'exists' | 'replayed'>
  /** Replaces the event type, provided that it is unchanged since `unchangedSince`. */
  updateEventType(eventType: EventType, unchangedSince: number): Promise<'updated' | 'changed' | 'unknown'>
  /** Removes the row itself. To archive an event type is an update: its row stays. */
  removeEventType(orgId: OrgId, name: string): Promise<boolean>
  /** Live or archived. */
  getEventType(orgId: OrgId, name: string): Promise<EventType | null>
  /** Those of these names that belong to live event types. */
  knownEventTypes(orgId: OrgId, names: readonly string[]): Promise<string[]>
  /**
   * Ordered by name. `flags`: only those without feature flags, or with one of these; null is all. Without
   * `withContent` the schemas are not read, and are null.
   */
  listEventTypes(
    query: { orgId: OrgId; includeArchived: boolean; flags: readonly string[] | null; withContent: boolean },
    page: Keyset,
  ): Promise<EventType[]>
}
