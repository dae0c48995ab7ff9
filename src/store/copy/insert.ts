/** Writes rows of SQLite into a table of PostgreSQL, as one statement with an array for each column. */
import type { Client } from 'pg'
import { toText } from '../postgres/values.ts'
import type { Part } from './tables.ts'

interface Column {
  name: string
  type: string
}

/** The columns of each table of the target, and its key. */
export type Columns = ReadonlyMap<string, { columns: readonly Column[]; key: readonly string[] }>

export async function readColumns(target: Client): Promise<Columns> {
  const { rows } = await target.query<{ table_name: string; column_name: string; data_type: string }>(
    `SELECT table_name, column_name, data_type FROM information_schema.columns
     WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`,
  )
  const keys = await target.query<{ table_name: string; column_name: string }>(
    `SELECT k.table_name, k.column_name FROM information_schema.key_column_usage k
     JOIN information_schema.table_constraints c USING (constraint_schema, constraint_name, table_name)
     WHERE c.constraint_type = 'PRIMARY KEY' AND k.table_schema = current_schema() ORDER BY k.ordinal_position`,
  )
  const tables = new Map<string, { columns: Column[]; key: string[] }>()
  for (const { table_name, column_name, data_type } of rows) {
    const table = tables.get(table_name) ?? { columns: [], key: [] }
    table.columns.push({ name: column_name, type: data_type })
    tables.set(table_name, table)
  }
  for (const { table_name, column_name } of keys.rows) tables.get(table_name)?.key.push(column_name)
  return tables
}

export async function insert(
  target: Client,
  { table, onConflict }: Part,
  rows: readonly Record<string, unknown>[],
  columns: Columns,
): Promise<void> {
  const known = columns.get(table)
  const first = rows[0]
  if (first === undefined) return
  if (known === undefined) throw new Error(`the PostgreSQL database has no table ${table}`)
  const used = known.columns.filter(({ name }) => name in first)
  const missing = Object.keys(first).filter((name) => !used.some((column) => column.name === name))
  if (missing.length > 0) throw new Error(`the table ${table} in PostgreSQL has no column ${missing.join(', ')}`)
  const names = used.map(({ name }) => name)
  const arrays = used.map(({ type }, i) => `$${i + 1}::${type}[]`)
  const replaced = names.filter((name) => !known.key.includes(name)).map((name) => `${name} = excluded.${name}`)
  const conflict =
    onConflict === 'keep' || replaced.length === 0
      ? 'DO NOTHING'
      : `(${known.key.join(', ')}) DO UPDATE SET ${replaced.join(', ')}`
  await target.query(
    `INSERT INTO ${table} (${names.join(', ')}) SELECT * FROM unnest(${arrays.join(', ')}) ON CONFLICT ${conflict}`,
    used.map(({ name, type }) => rows.map((row) => valueFor(type, row[name]))),
  )
}

function valueFor(type: string, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (type === 'boolean') return value === 1
  if (type === 'bytea') return Buffer.from(value as Uint8Array)
  return typeof value === 'string' ? toText(value) : value
}
