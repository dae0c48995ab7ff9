import { eventTypeRow } from '../rows/event-type.ts'
import { every, first, type Read, stretchValues } from './read.ts'

const getEventType: Read<'getEventType'> = {
  name: 'event-type-get',
  sql: () => `SELECT ${eventTypeRow.names()} FROM event_type WHERE org_id = $1 AND name = $2`,
  values: (orgId, name) => [orgId, name],
  result: first(eventTypeRow.from),
}

const knownEventTypes: Read<'knownEventTypes'> = {
  name: 'event-types-known',
  sql: ({ isOneOf }) => `SELECT name FROM event_type WHERE org_id = $1 AND ${isOneOf('name', '$2')} AND NOT archived`,
  values: (orgId, names) => [orgId, names],
  result: every((row) => row['name'] as string),
}

/** Schemas are large: they are read only where they are asked for. */
const COLUMNS = eventTypeRow
  .names()
  .split(', ')
  .map((name) => (name === 'schemas' ? 'CASE WHEN $7 THEN schemas END AS schemas' : name))
  .join(', ')

/** Walks the organization's event types from the beginning of the page; the filter drops only few. */
const listEventTypes: Read<'listEventTypes'> = {
  sql: ({ hasOneOf }, direction) =>
    `SELECT ${COLUMNS} FROM event_type WHERE org_id = $1 AND name > $4 AND name < $5 AND (NOT archived OR $2)
       AND (feature_flags = '[]' OR ${hasOneOf('feature_flags', '$3')})
     ORDER BY name ${direction} LIMIT $6`,
  values: ({ orgId, includeArchived, flags, withContent }, page) => [
    orgId,
    includeArchived,
    flags,
    ...stretchValues(page),
    withContent,
  ],
  page: (_, page) => page,
  result: every(eventTypeRow.from),
}

export const eventTypeReads = { getEventType, knownEventTypes, listEventTypes }
