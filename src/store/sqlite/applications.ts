import type { Application } from '../../domain/application.ts'
import type { Extras } from '../port/accept.ts'
import { applicationInsert, applicationSettings } from '../rows/application.ts'
import { bound, type Database } from './database.ts'
import { once } from './once.ts'

const INSERT = `INSERT INTO application (${applicationInsert.names}) VALUES (${applicationInsert.places()})`
const UPDATE = `UPDATE application SET ${applicationSettings.assignments(3)} WHERE org_id = $1 AND id = $2`

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
    db.run(INSERT, ...bound(applicationInsert.values(application)))
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
  db.run(UPDATE, ...of, ...bound(applicationSettings.values(application)))
  return 'updated'
}

/** The waiting deliveries of its endpoints are cancelled when they become due, like those of any deleted endpoint. */
export function deleteApplication(db: Database, orgId: string, id: string, now: number): boolean {
  const deleted = db.run(
    `UPDATE application SET deleted_at = ?1, updated_at = ?1, uid = NULL
     WHERE org_id = ?2 AND id = ?3 AND deleted_at IS NULL`,
    now,
    orgId,
    id,
  )
  if (deleted === 0) return false
  db.run('DELETE FROM source WHERE app_id = ?', id)
  db.run(
    'UPDATE endpoint SET deleted_at = ?1, updated_at = ?1, uid = NULL WHERE app_id = ?2 AND deleted_at IS NULL',
    now,
    id,
  )
  return true
}

export const isLiveApplication = (db: Database, id: string): boolean =>
  db.get('SELECT 1 FROM application WHERE id = ? AND deleted_at IS NULL', id) !== undefined
