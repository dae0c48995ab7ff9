import type { EventType } from '../../domain/event-type.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import { type Pool, type Writing, statement } from './database.ts'
import { once, type Writer } from './once.ts'
import { textArray } from './values.ts'

interface EventTypeRow {
  org_id: string
  name: string
  description: string
  schemas: string | null
  archived: boolean
  deprecated: boolean
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
  archived: row.archived,
  deprecated: row.deprecated,
  featureFlags: JSON.parse(row.feature_flags) as string[],
  groupName: row.group_name,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

/** Name and contents, in the order of the statements below. */
const valuesOf = (eventType: EventType) =>
  [
    eventType.orgId,
    eventType.name,
    eventType.description,
    eventType.schemas,
    eventType.archived,
    eventType.deprecated,
    JSON.stringify(eventType.featureFlags),
    eventType.groupName,
    eventType.updatedAt,
  ] as const

/** Of two that create one name at the same time, the second waits for the first, and then finds it there. */
export const createEventType = (
  writer: Writer,
  eventType: EventType,
  extras?: Extras,
): Promise<'created' | 'exists' | 'replayed'> =>
  once(writer, extras, 'created', async (session) => {
    const created = await session.run(
      `INSERT INTO event_type AS t (org_id, name, description, schemas, archived, deprecated, feature_flags, group_name,
         updated_at, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
       ON CONFLICT (org_id, name) DO UPDATE SET description = excluded.description, schemas = excluded.schemas,
         archived = excluded.archived, deprecated = excluded.deprecated, feature_flags = excluded.feature_flags,
         group_name = excluded.group_name, updated_at = excluded.updated_at, created_at = excluded.created_at
         WHERE t.archived`,
      ...valuesOf(eventType),
      eventType.createdAt,
    )
    return created > 0 ? 'created' : 'exists'
  })

export async function updateEventType(
  { pool }: Writing,
  eventType: EventType,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown'> {
  const updated = await pool.write(
    `UPDATE event_type SET description = $3, schemas = $4, archived = $5, deprecated = $6, feature_flags = $7,
       group_name = $8, updated_at = $9
     WHERE org_id = $1 AND name = $2 AND updated_at = $10 RETURNING name`,
    ...valuesOf(eventType),
    unchangedSince,
  )
  if (updated.length > 0) return 'updated'
  return (await getEventType(pool, eventType.orgId, eventType.name)) === null ? 'unknown' : 'changed'
}

export const removeEventType = async ({ pool }: Writing, orgId: string, name: string): Promise<boolean> =>
  (await pool.write('DELETE FROM event_type WHERE org_id = $1 AND name = $2 RETURNING name', orgId, name)).length > 0

const GET = statement('event-type-get', 'SELECT * FROM event_type WHERE org_id = $1 AND name = $2')

export async function getEventType(pool: Pool, orgId: string, name: string): Promise<EventType | null> {
  const [row] = await pool.read<EventTypeRow>(GET, orgId, name)
  return row === undefined ? null : fromRow(row)
}

const KNOWN = statement(
  'event-types-known',
  'SELECT name FROM event_type WHERE org_id = $1 AND name = ANY ($2::text[]) AND NOT archived',
)

export const knownEventTypes = async (pool: Pool, orgId: string, names: readonly string[]): Promise<string[]> =>
  (await pool.read<{ name: string }>(KNOWN, orgId, textArray(names))).map(({ name }) => name)

const WITHOUT_SCHEMAS = `org_id, name, description, NULL AS schemas, archived, deprecated, feature_flags, group_name, created_at,
  updated_at`

/** Walks the organization's event types from where the page begins; those that are filtered out are few. */
export async function listEventTypes(
  pool: Pool,
  {
    orgId,
    includeArchived,
    flags,
    withContent,
  }: { orgId: string; includeArchived: boolean; flags: readonly string[] | null; withContent: boolean },
  page: Keyset,
): Promise<EventType[]> {
  const { above, below, direction, limit } = stretchOf(page)
  const rows = await pool.read<EventTypeRow>(
    `SELECT ${withContent ? '*' : WITHOUT_SCHEMAS} FROM event_type t WHERE org_id = $1 AND name > $2 AND name < $3 AND (NOT archived OR $4)
       AND ($5::text[] IS NULL OR feature_flags = '[]' OR EXISTS (
         SELECT 1 FROM json_array_elements_text(t.feature_flags::json) f (flag) WHERE f.flag = ANY ($5::text[])))
     ORDER BY name ${direction} LIMIT $6`,
    orgId,
    above,
    below,
    includeArchived,
    flags && textArray(flags),
    limit,
  )
  return rows.map(fromRow)
}
