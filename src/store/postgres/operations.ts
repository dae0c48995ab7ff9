/** Small reads and writes of the store as a whole. */
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import { GatewayError } from '../../domain/errors.ts'
import { type Pool, type Writing, statement } from './database.ts'
import { SCHEMA_VERSION_NOW, schemaProblem } from './start.ts'
import { reasonOf, sqlState } from './trouble.ts'

/** The first caller's value is kept for good. */
export async function secret({ pool }: Writing, name: string, fresh: string): Promise<string> {
  await pool.write('INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', name, fresh)
  const [row] = await pool.read<{ value: string }>('SELECT value FROM meta WHERE name = $1', name)
  return row!.value
}

export async function backlog(pool: Pool, now: number): Promise<{ pending: number; oldestDueAt: number | null }> {
  const [row] = await pool.read<{ pending: number; oldest: number | null }>(
    `SELECT coalesce(sum(size), 0)::bigint AS pending, min(oldest_due_at) FILTER (WHERE wake_at <= $1) AS oldest
     FROM lane WHERE wake_at < ${HELD_UNTIL}`,
    now,
  )
  return { pending: row?.pending ?? 0, oldestDueAt: row?.oldest ?? null }
}

/** To write the same value again is a commit all the same, and shows that commits work. */
const PROBE = statement(
  'probe',
  `INSERT INTO meta (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value
   RETURNING (${SCHEMA_VERSION_NOW}) AS version`,
)

export async function problem({ pool }: Writing): Promise<string | null> {
  try {
    const [row] = await pool.write<{ version: number }>(PROBE)
    return schemaProblem(row?.version)
  } catch (error) {
    const cause = error instanceof GatewayError ? error.cause : error
    const what = sqlState(cause) === undefined ? 'does not answer' : 'cannot commit'
    return `the database ${what}: ${reasonOf(error)}`
  }
}
