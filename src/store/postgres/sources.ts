import { sourceContents, sourceInsert } from '../rows/source.ts'
import type { StoredSource } from '../source-codec.ts'
import { holdApplication } from './applications.ts'
import type { Session, Writing } from './database.ts'
import { noteChanged } from './notify.ts'
import { isUniqueViolation } from './trouble.ts'

const INSERT = `INSERT INTO source (${sourceInsert.names}) VALUES (${sourceInsert.places()})`
const UPDATE = `UPDATE source SET ${sourceContents.assignments(3)} WHERE app_id = $1 AND id = $2`

/**
 * Of two transactions that want one name at the same time, the second waits for the first: each holds the application.
 */
export const createSource = (
  { pool }: Writing,
  source: StoredSource,
  max: number,
): Promise<'created' | 'name_taken' | 'unknown' | 'limit_reached'> =>
  pool.transaction(async (session) => {
    if (!(await holdApplication(session, source.appId))) return 'unknown'
    const found = await session.get<{ n: number; is_taken: boolean }>(
      'SELECT count(*)::int AS n, coalesce(bool_or(name = $2), FALSE) AS is_taken FROM source WHERE app_id = $1',
      source.appId,
      source.name,
    )
    if (found!.is_taken) return 'name_taken'
    if (found!.n >= max) return 'limit_reached'
    await session.run(INSERT, ...sourceInsert.values(source))
    await noteChanged(session, source)
    return 'created'
  })

export async function updateSource(
  { pool }: Writing,
  source: StoredSource,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown' | 'name_taken'> {
  try {
    return await pool.transaction((session) => replaceSource(session, source, unchangedSince))
  } catch (error) {
    if (isUniqueViolation(error, ['source_name'])) return 'name_taken'
    throw error
  }
}

async function replaceSource(
  session: Session,
  source: StoredSource,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown'> {
  const of = [source.appId, source.id] as const
  const before = await session.get<{ updated_at: number }>(
    'SELECT updated_at FROM source WHERE app_id = $1 AND id = $2 FOR UPDATE',
    ...of,
  )
  if (before === undefined) return 'unknown'
  if (before.updated_at !== unchangedSince) return 'changed'
  await session.run(UPDATE, ...of, ...sourceContents.values(source))
  await noteChanged(session, source)
  return 'updated'
}

export const deleteSource = ({ pool }: Writing, appId: string, id: string): Promise<boolean> =>
  pool.transaction(async (session) => {
    const deleted = await session.run('DELETE FROM source WHERE app_id = $1 AND id = $2', appId, id)
    if (deleted > 0) await noteChanged(session, { appId, id })
    return deleted > 0
  })
