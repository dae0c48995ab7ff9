/** The catalogue of an organization's event types. */
import type { EventType } from '../domain/event-type.ts'
import type { OrgId } from '../domain/ids.ts'
import type { Answer } from '../store/port/answers.ts'
import type { ManageContext } from './context.ts'
import { edit } from './edit.ts'

export type EventTypeSettings = Omit<EventType, 'orgId' | 'name' | 'createdAt' | 'updatedAt'>

/** A new event type, not stored yet. */
export function newEventType(
  { clock }: Pick<ManageContext, 'clock'>,
  { orgId, name }: { orgId: OrgId; name: string },
  settings: EventTypeSettings,
): EventType {
  const now = clock.now()
  return { ...settings, orgId, name, createdAt: now, updatedAt: now }
}

/** Creates the event type, or restores an archived one of this name. `exists`: one of this name is not archived. */
export const createEventType = (
  { store }: ManageContext,
  eventType: EventType,
  answer: Answer | null = null,
): Promise<'created' | 'exists' | 'replayed'> => store.createEventType(eventType, { answer, announce: [] })

/**
 * The event type after the edit; null when there is none. Throws `edit_conflict` when other writers never stop changing
 * it.
 */
export async function editEventType(
  { store, clock }: ManageContext,
  { orgId, name }: { orgId: OrgId; name: string },
  change: (before: EventType) => Partial<EventTypeSettings>,
): Promise<EventType | null> {
  const edited = await edit({
    now: clock.now(),
    change,
    read: () => store.getEventType(orgId, name),
    write: (after: EventType, before: EventType) => store.updateEventType(after, before.updatedAt),
  })
  return edited?.result === 'updated' ? edited.after : null
}

/** Archives the event type, or removes it with `expunge`. False when there is none. */
export async function removeEventType(
  context: ManageContext,
  { orgId, name, expunge }: { orgId: OrgId; name: string; expunge: boolean },
): Promise<boolean> {
  if (expunge) return context.store.removeEventType(orgId, name)
  return (await editEventType(context, { orgId, name }, () => ({ archived: true }))) !== null
}

/**
 * The event types of `names` that the organization does not have: a misspelt one in a filter would silently get
 * nothing.
 */
export async function unknownEventTypes(
  { store }: ManageContext,
  orgId: OrgId,
  names: readonly string[],
): Promise<string[]> {
  const known = new Set(await store.knownEventTypes(orgId, names))
  return names.filter((name) => !known.has(name))
}
