import type { Application } from '../../domain/application.ts'
import type { Extras } from '../port/accept.ts'
import { applicationInsert, applicationSettings } from '../rows/application.ts'
import { type Writing, type Session } from './database.ts'
import { once, type Writer } from './once.ts'
import { isUniqueViolation } from './trouble.ts'

const INSERT = `INSERT INTO application (${applicationInsert.names}) VALUES (${applicationInsert.places()})
  ON CONFLICT (org_id, uid) WHERE uid IS NOT NULL DO NOTHING`

const UPDATE = `UPDATE application SET ${applicationSettings.assignments(4)}
  WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL AND updated_at = $3 RETURNING id`

/** Of two transactions that want one uid at the same time, the second waits for the first, and then finds it taken. */
export const createApplication = (
  writer: Writer,
  application: Application,
  extras?: Extras,
): Promise<'created' | 'uid_taken' | 'replayed'> =>
  once(writer, extras, 'created', async (session) => {
    const inserted = await session.run(INSERT, ...applicationInsert.values(application))
    return inserted > 0 ? 'created' : 'uid_taken'
  })

export async function updateApplication(
  { pool }: Writing,
  application: Application,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken'> {
  const of = [application.orgId, application.id] as const
  try {
    const updated = await pool.write(UPDATE, ...of, unchangedSince, ...applicationSettings.values(application))
    if (updated.length > 0) return 'updated'
  } catch (error) {
    if (isUniqueViolation(error, ['application_uid'])) return 'uid_taken'
    throw error
  }
  const live = await pool.read('SELECT 1 FROM application WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL', ...of)
  return live.length > 0 ? 'changed' : 'unknown'
}

/** The waiting deliveries of its endpoints are cancelled when they become due, like those of any deleted endpoint. */
export const deleteApplication = ({ pool }: Writing, orgId: string, id: string, now: number): Promise<boolean> =>
  pool.transaction(async (session) => {
    const deleted = await session.run(
      `UPDATE application SET deleted_at = $3, updated_at = $3, uid = NULL
       WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL`,
      orgId,
      id,
      now,
    )
    if (deleted === 0) return false
    await session.run('DELETE FROM source WHERE app_id = $1', id)
    await session.run(
      `WITH live AS (SELECT id FROM endpoint WHERE app_id = $1 AND deleted_at IS NULL ORDER BY id FOR UPDATE)
       UPDATE endpoint e SET deleted_at = $2, updated_at = $2, uid = NULL FROM live
       WHERE e.app_id = $1 AND e.id = live.id`,
      id,
      now,
    )
    return true
  })

/**
 * Locks a live application until the transaction ends; false when there is none. A concurrent delete waits, and then
 * also deletes the rows that were added to the application. A concurrent insert waits, too, and then counts these rows.
 */
export const holdApplication = async (session: Session, id: string): Promise<boolean> =>
  (await session.run('SELECT 1 FROM application WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE', id)) > 0
