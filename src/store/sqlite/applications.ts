import type { Application } from '../../domain/application.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import type { Database } from './database.ts'
import { once } from './once.ts'

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

const isUidTaken = (db: Database, { orgId, id, uid }: Application): boolean =>
  uid !== null &&
  db.get('SELECT 1 FROM application WHERE org_id = ? AND uid = ? AND id <> ?', orgId, uid, id) !== undefined

export function createApplication(
  db: Database,
  application: Application,
  extras?: Extras,
): 'created' | 'uid_taken' | 'replayed' {
  return once(db, extras, 'created', () => {
    if (isUidTaken(db, application)) return 'uid_taken'
    db.run(
      `INSERT INTO application (org_id, id, uid, name, throttle_rate, metadata, created_at, updated_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
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
  })
}

export function updateApplication(
  db: Database,
  application: Application,
  unchangedSince: number,
): 'updated' | 'changed' | 'unknown' | 'uid_taken' {
  const of = [application.orgId, application.id] as const
  const before = db.get<{ updated_at: number }>(
    'SELECT updated_at FROM application WHERE org_id = ? AND id = ? AND deleted_at IS NULL',
    ...of,
  )
  if (before === undefined) return 'unknown'
  if (before.updated_at !== unchangedSince) return 'changed'
  if (isUidTaken(db, application)) return 'uid_taken'
  db.run(
    `UPDATE application SET uid = ?, name = ?, throttle_rate = ?, metadata = ?, updated_at = ?
     WHERE org_id = ? AND id = ?`,
    application.uid,
    application.name,
    application.throttleRate,
    JSON.stringify(application.metadata),
    application.updatedAt,
    ...of,
  )
  return 'updated'
}

/** What waits for its endpoints is cancelled when it becomes due, like that of any deleted endpoint. */
export function deleteApplication(db: Database, orgId: string, id: string, now: number): boolean {
  const deleted = db.run(
    `UPDATE application SET deleted_at = ?1, updated_at = ?1, uid = NULL
     WHERE org_id = ?2 AND id = ?3 AND deleted_at IS NULL`,
    now,
    orgId,
    id,
  )
  if (deleted === 0) return false
  db.run(
    'UPDATE endpoint SET deleted_at = ?1, updated_at = ?1, uid = NULL WHERE app_id = ?2 AND deleted_at IS NULL',
    now,
    id,
  )
  return true
}

export const isLiveApplication = (db: Database, id: string): boolean =>
  db.get('SELECT 1 FROM application WHERE id = ? AND deleted_at IS NULL', id) !== undefined

export function findApplication(db: Database, orgId: string, idOrUid: string): Application | null {
  const row =
    db.get<ApplicationRow>(
      'SELECT * FROM application WHERE org_id = ? AND id = ? AND deleted_at IS NULL',
      orgId,
      idOrUid,
    ) ?? db.get<ApplicationRow>('SELECT * FROM application WHERE org_id = ? AND uid = ?', orgId, idOrUid)
  return row === undefined ? null : fromRow(row)
}

export function getApplication(db: Database, id: string): Application | null {
  const row = db.get<ApplicationRow>('SELECT * FROM application WHERE id = ? AND deleted_at IS NULL', id)
  return row === undefined ? null : fromRow(row)
}

export function listApplications(db: Database, orgId: string, page: Keyset): Application[] {
  const { above, below, direction, limit } = stretchOf(page)
  return db
    .all<ApplicationRow>(
      `SELECT * FROM application INDEXED BY application_live
       WHERE org_id = ? AND id > ? AND id < ? AND deleted_at IS NULL ORDER BY id ${direction} LIMIT ?`,
      orgId,
      above,
      below,
      limit,
    )
    .map(fromRow)
}
