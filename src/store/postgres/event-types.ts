import type { EventType } from '../../domain/event-type.ts'
import type { Extras } from '../port/accept.ts'
import { eventTypeContents, eventTypeInsert } from '../rows/event-type.ts'
import { type Writing } from './database.ts'
import { READS } from './reads.ts'
import { once, type Writer } from './once.ts'

const REPLACED = [...eventTypeContents.names.split(', '), 'created_at']

/** An archived event type of this name comes back with new contents. */
const INSERT = `INSERT INTO event_type AS t (${eventTypeInsert.names}) VALUES (${eventTypeInsert.places()})
  ON CONFLICT (org_id, name) DO UPDATE SET ${REPLACED.map((name) => `${name} = excluded.${name}`).join(', ')}
    WHERE t.archived`

const UPDATE = `UPDATE event_type SET ${eventTypeContents.assignments(4)}
  WHERE org_id = $1 AND name = $2 AND updated_at = $3 RETURNING name`

/**
 * Of two transactions that create one name at the same time, the second waits for the first, and then finds it there.
 */
export const createEventType = (
  writer: Writer,
  eventType: EventType,
  extras?: Extras,
): Promise<'created' | 'exists' | 'replayed'> =>
  once(writer, extras, 'created', async (session) => {
    const created = await session.run(INSERT, ...eventTypeInsert.values(eventType))
    return created > 0 ? 'created' : 'exists'
  })

export async function updateEventType(
  { pool }: Writing,
  eventType: EventType,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown'> {
  const updated = await pool.write(
    UPDATE,
    eventType.orgId,
    eventType.name,
    unchangedSince,
    ...eventTypeContents.values(eventType),
  )
  if (updated.length > 0) return 'updated'
  return (await READS.getEventType(pool, eventType.orgId, eventType.name)) === null ? 'unknown' : 'changed'
}

export const removeEventType = async ({ pool }: Writing, orgId: string, name: string): Promise<boolean> =>
  (await pool.write('DELETE FROM event_type WHERE org_id = $1 AND name = $2 RETURNING name', orgId, name)).length > 0
