import type { EventType } from '../../domain/event-type.ts'
import type { Extras } from '../port/accept.ts'
import { eventTypeContents, eventTypeInsert } from '../rows/event-type.ts'
import { bound, type Database } from './database.ts'
import { READS } from './reads.ts'
import { once } from './once.ts'

const INSERT = `INSERT OR REPLACE INTO event_type (${eventTypeInsert.names}) VALUES (${eventTypeInsert.places()})`
const UPDATE = `UPDATE event_type SET ${eventTypeContents.assignments(3)} WHERE org_id = $1 AND name = $2`

export function createEventType(
  db: Database,
  eventType: EventType,
  extras?: Extras,
): 'created' | 'exists' | 'replayed' {
  return once(db, extras, 'created', () => {
    const before = READS.getEventType(db, eventType.orgId, eventType.name)
    if (before !== null && !before.archived) return 'exists'
    db.run(INSERT, ...bound(eventTypeInsert.values(eventType)))
    return 'created'
  })
}

export function updateEventType(
  db: Database,
  eventType: EventType,
  unchangedSince: number,
): 'updated' | 'changed' | 'unknown' {
  const before = READS.getEventType(db, eventType.orgId, eventType.name)
  if (before === null) return 'unknown'
  if (before.updatedAt !== unchangedSince) return 'changed'
  db.run(UPDATE, eventType.orgId, eventType.name, ...bound(eventTypeContents.values(eventType)))
  return 'updated'
}

export const removeEventType = (db: Database, orgId: string, name: string): boolean =>
  db.run('DELETE FROM event_type WHERE org_id = ? AND name = ?', orgId, name) > 0
