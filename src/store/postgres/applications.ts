import type { Application } from '../../domain/application.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { type Pool, type Session, statement } from './database.ts'
import { stretchOf } from './keyset.ts'
import { once } from './once.ts'
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

/** Of a live application, for a deleted one has none. Two that take it at once are told apart by the unique index. */
const isUidTaken = async (session: Session, { orgId, id, uid }: Application): Promise<boolean> =>
  uid !== null &&
  (await session.run('SELECT 1 FROM application WHERE org_id = $1 AND uid = $2 AND id <> $3', orgId, uid, id)) > 0

const orUidTaken = async <R>(writing: Promise<R>): Promise<R | 'uid_taken'> =>
  writing.catch((error: unknown) => {
    if (isUniqueViolation(error, ['application_uid'])) return 'uid_taken'
    throw error
  })

export const createApplication = (
  pool: Pool,
  application: Application,
  extras?: Extras,
): Promise<'created' | 'uid_taken' | 'replayed'> =>
  orUidTaken(
    once<'created' | 'uid_taken'>(pool, extras, 'created', async (session) => {
      if (await isUidTaken(session, application)) return 'uid_taken'
      await session.run(
        `INSERT INTO application (org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        application.orgId,
        application.id,
        application.uid,
        application.name,
        application.throttleRate,
        JSON.stringify(application.metadata),
        application.createdAt,
        application.updatedAt,
      )
      return 'created'
    }),
  )

export const updateApplication = (
  pool: Pool,
  application: Application,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken'> =>
  orUidTaken(
    pool.transaction(async (session) => {
      const of = [application.orgId, application.id] as const
      const before = await session.get<{ updated_at: number }>(
        'SELECT updated_at FROM application WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE',
        ...of,
      )
      if (before === undefined) return 'unknown'
      if (before.updated_at !== unchangedSince) return 'changed'
      if (await isUidTaken(session, application)) return 'uid_taken'
      await session.run(
        `UPDATE application SET uid = $3, name = $4, throttle_rate = $5, metadata = $6, updated_at = $7
         WHERE org_id = $1 AND id = $2`,
        ...of,
        application.uid,
        application.name,
        application.throttleRate,
        JSON.stringify(application.metadata),
        application.updatedAt,
      )
      return 'updated'
    }),
  )

/** What waits for its endpoints is cancelled when it becomes due, like that of any deleted endpoint. */
export const deleteApplication = (pool: Pool, orgId: string, id: string, now: number): Promise<boolean> =>
  pool.transaction(async (session) => {
    const deleted = await session.run(
      `UPDATE application SET deleted_at = $1, updated_at = $1, uid = NULL
       WHERE org_id = $2 AND id = $3 AND deleted_at IS NULL`,
      now,
      orgId,
      id,
    )
    if (deleted === 0) return false
    await session.run(
      'UPDATE endpoint SET deleted_at = $1, updated_at = $1, uid = NULL WHERE app_id = $2 AND deleted_at IS NULL',
      now,
      id,
    )
    return true
  })

/** Locked against being deleted before the transaction ends. */
export const isLiveApplication = async (session: Session, id: string): Promise<boolean> =>
  (await session.run('SELECT 1 FROM application WHERE id = $1 AND deleted_at IS NULL FOR SHARE', id)) > 0

const FIND = statement(
  'application-find',
  `SELECT * FROM application WHERE org_id = $1 AND id = $2 AND deleted_at IS NULL
   UNION ALL SELECT * FROM application WHERE org_id = $1 AND uid = $2 AND id <> $2`,
)

export async function findApplication(pool: Pool, orgId: string, idOrUid: string): Promise<Application | null> {
  const [row] = await pool.read<ApplicationRow>(FIND, orgId, idOrUid)
  return row === undefined ? null : fromRow(row)
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
