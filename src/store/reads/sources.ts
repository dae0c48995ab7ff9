import { sourceRow } from '../rows/source.ts'
import type { Row } from '../shared/value.ts'
import { first, type Read } from './read.ts'

const COLUMNS = sourceRow.names()

const getSource: Read<'getSource'> = {
  name: 'source-get',
  sql: () => `SELECT ${COLUMNS} FROM source WHERE id = $1`,
  values: (id) => [id],
  result: first(sourceRow.from),
}

const findSource: Read<'findSource'> = {
  name: 'source-find',
  sql: () =>
    `SELECT ${COLUMNS} FROM source WHERE app_id = $1 AND id = $2
     UNION ALL SELECT ${COLUMNS} FROM source WHERE app_id = $1 AND name = $2`,
  values: (appId, idOrName) => [appId, idOrName],
  result: first(sourceRow.from),
}

/** The page and the number of all, seen at the same moment. An empty page is one row without a source. */
const listSources: Read<'listSources'> = {
  sql: () =>
    `SELECT t.total, ${sourceRow.names('s')} FROM (SELECT count(*) AS total FROM source WHERE app_id = $1) t
     LEFT JOIN (SELECT ${COLUMNS} FROM source WHERE app_id = $1 ORDER BY id LIMIT $2 OFFSET $3) s ON TRUE ORDER BY s.id`,
  values: ({ appId, limit, offset }) => [appId, limit, offset],
  result: (rows) => ({
    data: rows.flatMap((row: Row) => (row['id'] === null ? [] : [sourceRow.from(row)])),
    total: Number(rows[0]?.['total'] ?? 0),
  }),
}

export const sourceReads = { getSource, findSource, listSources }
