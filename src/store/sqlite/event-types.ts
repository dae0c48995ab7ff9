import type { EventType } from '../../domain/event-type.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import type { Database } from './database.ts'
import { once } from './once.ts'

interface EventTypeRow {
  org_id: string
  name: string
  description: string
  schemas: string | null
  archived: number
  deprecated: number
  feature_flags: string
  group_name: string | null
  created_at: number
  updated_at: number
}

const fromRow = (row: EventTypeRow): EventType => ({
  orgId: row.org_id as EventType['orgId'],
  name: row.name,
  description: row.description,
  schemas: row.schemas,
  archived: row.archived === 1,
  deprecated: row.deprecated === 1,
  featureFlags: JSON.parse(row.feature_flags) as string[],
  groupName: row.group_name,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

/** What an update replaces, in the order of the statements below. */
const contents = (eventType: EventType) =>
  [
    eventType.description,
    eventType.schemas,
    eventType.archived ? 1 : 0,
    eventType.deprecated ? 1 : 0,
    JSON.stringify(eventType.featureFlags),
    eventType.groupName,
    eventType.updatedAt,
  ] as const

export function createEventType(
  db: Database,
  eventType: EventType,
  extras?: Extras,
): 'created' | 'exists' | 'replayed' {
  return once(db, extras, 'created', () => {
    const before = getEventType(db, eventType.orgId, eventType.name)
    if (before !== null && !before.archived) return 'exists'
    db.run(
      `INSERT OR REPLACE INTO event_type (description, schemas, archived, deprecated, feature_flags, group_name, updated_at,
         org_id, name, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...contents(eventType),
      eventType.orgId,
      eventType.name,
      eventType.createdAt,
    )
    return 'created'
  })
}

export function updateEventType(
  db: Database,
  eventType: EventType,
  unchangedSince: number,
): 'updated' | 'changed' | 'unknown' {
  const before = getEventType(db, eventType.orgId, eventType.name)
  if (before === null) return 'unknown'
  if (before.updatedAt !== unchangedSince) return 'changed'
  db.run(
    `UPDATE event_type SET description = ?, schemas = ?, archived = ?, deprecated = ?, feature_flags = ?, group_name = ?,
       updated_at = ?
     WHERE org_id = ? AND name = ?`,
    ...contents(eventType),
    eventType.orgId,
    eventType.name,
  )
  return 'updated'
}

export const removeEventType = (db: Database, orgId: string, name: string): boolean =>
  db.run('DELETE FROM event_type WHERE org_id = ? AND name = ?', orgId, name) > 0

export function getEventType(db: Database, orgId: string, name: string): EventType | null {
  const row = db.get<EventTypeRow>('SELECT * FROM event_type WHERE org_id = ? AND name = ?', orgId, name)
  return row === undefined ? null : fromRow(row)
}

export const knownEventTypes = (db: Database, orgId: string, names: readonly string[]): string[] =>
  db
    .all<{ name: string }>(
      'SELECT name FROM event_type WHERE org_id = ? AND name IN (SELECT value FROM json_each(?)) AND archived = 0',
      orgId,
      JSON.stringify(names),
    )
    .map(({ name }) => name)

/** Schemas are large, and rows are copied between the threads. */
const WITHOUT_SCHEMAS = `org_id, name, description, NULL AS schemas, archived, deprecated, feature_flags, group_name, created_at,
  updated_at`

/** Walks the organization's event types from where the page begins; those that are filtered out are few. */
export function listEventTypes(
  db: Database,
  {
    orgId,
    includeArchived,
    flags,
    withContent,
  }: { orgId: string; includeArchived: boolean; flags: readonly string[] | null; withContent: boolean },
  page: Keyset,
): EventType[] {
  const { above, below, direction, limit } = stretchOf(page)
  return db
    .all<EventTypeRow>(
      `SELECT ${withContent ? '*' : WITHOUT_SCHEMAS} FROM event_type t WHERE org_id = ?1 AND name > ?2 AND name < ?3 AND (archived = 0 OR ?4)
         AND (?5 IS NULL OR feature_flags = '[]' OR EXISTS (
           SELECT 1 FROM json_each(t.feature_flags) f WHERE f.value IN (SELECT value FROM json_each(?5))))
       ORDER BY name ${direction} LIMIT ?6`,
      orgId,
      above,
      below,
      includeArchived ? 1 : 0,
      flags && JSON.stringify(flags),
      limit,
    )
    .map(fromRow)
}
