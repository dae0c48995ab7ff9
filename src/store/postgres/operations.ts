/** Small questions about the store as a whole. */
import type { Pool } from './database.ts'
import { SCHEMA_PROBLEM, schemaProblem } from './start.ts'
import { reasonOf } from './trouble.ts'

/** The first caller's value is kept for good. */
export async function secret(pool: Pool, name: string, fresh: string): Promise<string> {
  await pool.write('INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', name, fresh)
  const [row] = await pool.read<{ value: string }>('SELECT value FROM meta WHERE name = $1', name)
  return row!.value
}

export async function backlog(pool: Pool, now: number): Promise<{ pending: number; oldestDueAt: number | null }> {
  const [row] = await pool.read<{ pending: number; oldest: number | null }>(
    `SELECT coalesce(sum(size), 0)::bigint AS pending, min(oldest_due_at) FILTER (WHERE wake_at <= $1) AS oldest FROM lane`,
    now,
  )
  return { pending: row?.pending ?? 0, oldestDueAt: row?.oldest ?? null }
}

export async function problem(pool: Pool): Promise<string | null> {
  try {
    const [row] = await pool.read<{ version: number }>(SCHEMA_PROBLEM)
    return schemaProblem(row?.version)
  } catch (error) {
    return `the database does not answer: ${reasonOf(error)}`
  }
}
