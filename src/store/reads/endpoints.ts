import { candidateRow, endpointRow } from '../rows/endpoint.ts'
import type { Row } from '../shared/value.ts'
import { type Dialect, every, first, type Read, stretchValues } from './read.ts'

const COLUMNS = endpointRow.names()

const getEndpoint: Read<'getEndpoint'> = {
  name: 'endpoint-get',
  sql: () => `SELECT ${COLUMNS} FROM endpoint WHERE app_id = $1 AND id = $2 AND deleted_at IS NULL`,
  values: (appId, id) => [appId, id],
  result: first(endpointRow.from),
}

/** A uid is forgotten when its endpoint is deleted. */
const findEndpoint: Read<'findEndpoint'> = {
  name: 'endpoint-find',
  sql: () =>
    `SELECT ${COLUMNS} FROM endpoint WHERE app_id = $1 AND id = $2 AND deleted_at IS NULL
     UNION ALL SELECT ${COLUMNS} FROM endpoint WHERE app_id = $1 AND uid = $2 AND id <> $2`,
  values: (appId, idOrUid) => [appId, idOrUid],
  result: first(endpointRow.from),
}

/**
 * The index has live endpoints only: deleted endpoints stay for ever, and a larger index would have to pass over them.
 */
const live = ({ by }: Dialect): string => `endpoint ${by('endpoint_live')} WHERE app_id = $1 AND deleted_at IS NULL`

const endpointsOf: Read<'endpointsOf'> = {
  name: 'endpoints-of',
  sql: (dialect) => `SELECT ${candidateRow.names()} FROM ${live(dialect)} ORDER BY id`,
  values: (appId) => [appId],
  result: every(candidateRow.from),
}

const pageEndpoints: Read<'pageEndpoints'> = {
  sql: (dialect, direction) =>
    `SELECT ${candidateRow.names()} FROM ${live(dialect)} AND id > $2 AND id < $3 AND NOT managed
     ORDER BY id ${direction} LIMIT $4`,
  values: (appId, page) => [appId, ...stretchValues(page)],
  page: (_, page) => page,
  result: every(candidateRow.from),
}

const wanted = (dialect: Dialect): string =>
  `${live(dialect)} AND NOT managed AND (CAST($4 AS boolean) IS NULL OR disabled = CAST($4 AS boolean))`

/** The page and the number of all, seen at the same moment. An empty page is one row without an endpoint. */
const listEndpoints: Read<'listEndpoints'> = {
  sql: (dialect) =>
    `SELECT t.total, ${endpointRow.names('e')} FROM (SELECT count(*) AS total FROM ${wanted(dialect)}) t
     LEFT JOIN (SELECT ${COLUMNS} FROM ${wanted(dialect)} ORDER BY id LIMIT $2 OFFSET $3) e ON TRUE ORDER BY e.id`,
  values: ({ appId, limit, offset, disabled }) => [appId, limit, offset, disabled],
  result: (rows) => ({
    data: rows.flatMap((row: Row) => (row['id'] === null ? [] : [endpointRow.from(row)])),
    total: Number(rows[0]?.['total'] ?? 0),
  }),
}

export const endpointReads = { getEndpoint, findEndpoint, endpointsOf, pageEndpoints, listEndpoints }
