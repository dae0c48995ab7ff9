import type { Application } from '../../domain/application.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import { type Pool, type Writing, type Session, statement } from './database.ts'
import { once, type Writer } from './once.ts'
import { isUniqueViolation } from './trouble.ts'

interface ApplicationRow {
  org_id: string
  id: string
  uid: string | null
  name: string
  throttle_rate: number | null
  metadata: string
  created_at: number
  updated_at: number
}

const fromRow = (row: ApplicationRow): Application => ({
  orgId: row.org_id as Application['orgId'],
  id: row.id as Application['id'],
  uid: row.uid,
  name: row.name,
  throttleRate: row.throttle_rate,
  metadata: JSON.parse(row.metadata),
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

/** Of two that want one uid at the same time, the second waits for the first, and then finds it taken. */
export const createApplication = (
  writer: Writer,
  application: Application,
  extras?: Extras,
): Promise<'created' | 'uid_taken' | 'replayed'> =>
  once(writer, extras, 'created', async (session) => {
    const inserted = await session.run(
      `INSERT INTO application (org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org_id, uid) WHERE uid IS NOT NULL DO NOTHING`,
      application.orgId,
      application.id,
      application.uid,
      application.name,
      application.throttleRate,
      JSON.stringify(application.metadata),
      application.createdAt,
      application.updatedAt,
    )
    return inserted > 0 ? 'created' : 'uid_taken'
  })

export async function updateApplication(
  { pool }: Writing,
  application: Application,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken'> {
  const of = [application.orgId, application.id] as const
  try {
    const updated = await pool.write(
      `UPDATE application SET uid = $4, name = $5, throttle_rate = $6, metadata = $7, updated_at = $8
       WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL AND updated_at = $3 RETURNING id`,
      ...of,
      unchangedSince,
      application.uid,
      application.name,
      application.throttleRate,
      JSON.stringify(application.metadata),
      application.updatedAt,
    )
    if (updated.length > 0) return 'updated'
  } catch (error) {
    if (isUniqueViolation(error, ['application_uid'])) return 'uid_taken'
    throw error
  }
  const live = await pool.read('SELECT 1 FROM application WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL', ...of)
  return live.length > 0 ? 'changed' : 'unknown'
}

/** What waits for its endpoints is cancelled when it becomes due, like that of any deleted endpoint. */
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
 * Whether it lives, and it will until the transaction ends: who deletes it waits, and then deletes also what was added
 * to it. Who else wants to add something waits, too, and then counts what is there.
 */
export const holdApplication = async (session: Session, id: string): Promise<boolean> =>
  (await session.run('SELECT 1 FROM application WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE', id)) > 0

const BY_ID = statement(
  'application-find',
  'SELECT * FROM application WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL',
)
const BY_UID = statement('application-find-uid', 'SELECT * FROM application WHERE org_id = $1 AND uid = $2')

export async function findApplication(pool: Pool, orgId: string, idOrUid: string): Promise<Application | null> {
  for (const how of [BY_ID, BY_UID]) {
    const [row] = await pool.read<ApplicationRow>(how, orgId, idOrUid)
    if (row !== undefined) return fromRow(row)
  }
  return null
}

const GET = statement('application-get', 'SELECT * FROM application WHERE id = $1 AND deleted_at IS NULL')

export async function getApplication(pool: Pool, id: string): Promise<Application | null> {
  const [row] = await pool.read<ApplicationRow>(GET, id)
  return row === undefined ? null : fromRow(row)
}

export async function listApplications(pool: Pool, orgId: string, page: Keyset): Promise<Application[]> {
  const { above, below, direction, limit } = stretchOf(page)
  const rows = await pool.read<ApplicationRow>(
    `SELECT * FROM application WHERE org_id = $1 AND id > $2 AND id < $3 AND deleted_at IS NULL
     ORDER BY id ${direction} LIMIT $4`,
    orgId,
    above,
    below,
    limit,
  )
  return rows.map(fromRow)
}
