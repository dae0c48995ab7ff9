/** Event types of an organization: their catalogue. */
import type { EventType } from '../domain/event-type.ts'
import type { OrgId } from '../domain/ids.ts'
import type { Answer } from '../store/port/answers.ts'
import type { ManageContext } from './context.ts'
import { edit } from './edit.ts'

export type EventTypeSettings = Omit<EventType, 'orgId' | 'name' | 'createdAt' | 'updatedAt'>

/** An event type that is not stored so far. */
export function newEventType(
  { clock }: Pick<ManageContext, 'clock'>,
  { orgId, name }: { orgId: OrgId; name: string },
  settings: EventTypeSettings,
): EventType {
  const now = clock.now()
  return { ...settings, orgId, name, createdAt: now, updatedAt: now }
}

/** An archived one of this name comes back; `exists`: there is one that is not archived. */
export const createEventType = (
  { store }: ManageContext,
  eventType: EventType,
  answer: Answer | null = null,
): Promise<'created' | 'exists' | 'replayed'> => store.createEventType(eventType, { answer, announce: [] })

/** The event type as it is afterwards; null when there is none. Throws `edit_conflict` when others never stop changing it. */
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

/** Archives it, or with `expunge` removes it. False when there is none. */
export async function removeEventType(
  context: ManageContext,
  { orgId, name, expunge }: { orgId: OrgId; name: string; expunge: boolean },
): Promise<boolean> {
  if (expunge) return context.store.removeEventType(orgId, name)
  return (await editEventType(context, { orgId, name }, () => ({ archived: true }))) !== null
}

/** Those of `names` that the organization does not have: a misspelt one in a filter would silently get nothing. */
export async function unknownEventTypes(
  { store }: ManageContext,
  orgId: OrgId,
  names: readonly string[],
): Promise<string[]> {
  const known = new Set(await store.knownEventTypes(orgId, names))
  return names.filter((name) => !known.has(name))
}
