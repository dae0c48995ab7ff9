import type { StoredEndpoint } from '../endpoint-codec.ts'
import type { Extras } from '../port/accept.ts'
import { endpointInsert, endpointSettings } from '../rows/endpoint.ts'
import { isLiveApplication } from './applications.ts'
import { bound, type Database } from './database.ts'
import { wakeLanes } from './lanes.ts'
import { once } from './once.ts'

const INSERT = `INSERT INTO endpoint (${endpointInsert.names}) VALUES (${endpointInsert.places()})`
const UPDATE = `UPDATE endpoint SET ${endpointSettings.assignments()}
  WHERE app_id = $${endpointSettings.size + 1} AND id = $${endpointSettings.size + 2}`

const isUidTaken = (db: Database, { appId, id, uid }: StoredEndpoint): boolean =>
  uid !== null &&
  db.get('SELECT 1 FROM endpoint WHERE app_id = ? AND uid = ? AND id <> ?', appId, uid, id) !== undefined

/** True when the application has that many endpoints that deliver over HTTP; stops counting there. */
const hasAtLeast = (db: Database, appId: string, count: number): boolean =>
  db.get<{ n: number }>(
    `SELECT count(*) AS n FROM (SELECT 1 FROM endpoint INDEXED BY endpoint_live WHERE app_id = ? AND deleted_at IS NULL AND NOT managed LIMIT ?)`,
    appId,
    count,
  )!.n >= count

export function createEndpoint(
  db: Database,
  endpoint: StoredEndpoint,
  extras?: Extras,
  max: number | null = null,
): 'created' | 'uid_taken' | 'unknown' | 'limit_reached' | 'replayed' {
  return once(db, extras, 'created', () => {
    if (!isLiveApplication(db, endpoint.appId)) return 'unknown'
    if (isUidTaken(db, endpoint)) return 'uid_taken'
    if (max !== null && hasAtLeast(db, endpoint.appId, max)) return 'limit_reached'
    db.run(INSERT, ...bound(endpointInsert.values(endpoint)))
    return 'created'
  })
}

export function updateEndpoint(
  db: Database,
  endpoint: StoredEndpoint,
  unchangedSince: number,
  extras?: Extras,
): 'updated' | 'changed' | 'unknown' | 'uid_taken' | 'replayed' {
  return once(db, extras, 'updated', () => replaceEndpoint(db, endpoint, unchangedSince))
}

function replaceEndpoint(
  db: Database,
  endpoint: StoredEndpoint,
  unchangedSince: number,
): 'updated' | 'changed' | 'unknown' | 'uid_taken' {
  const of = [endpoint.appId, endpoint.id] as const
  const before = db.get<{ disabled: number; url: string; updated_at: number }>(
    'SELECT disabled, url, updated_at FROM endpoint WHERE app_id = ? AND id = ? AND deleted_at IS NULL',
    ...of,
  )
  if (before === undefined) return 'unknown'
  if (before.updated_at !== unchangedSince) return 'changed'
  if (isUidTaken(db, endpoint)) return 'uid_taken'
  db.run(UPDATE, ...bound(endpointSettings.values(endpoint)), ...of)
  // The record of failures is cleared: a new URL has another receiver, and an owner who enables the endpoint says that
  // it is well.
  if (before.url !== endpoint.url || (before.disabled === 1 && !endpoint.disabled)) {
    db.run(
      'UPDATE endpoint SET failing_since = NULL, given_up_since = NULL, paused_until = NULL WHERE app_id = ? AND id = ?',
      ...of,
    )
    wakeLanes(db, endpoint.appId, endpoint.id, endpoint.updatedAt)
  }
  return 'updated'
}

export function deleteEndpoint(
  db: Database,
  { appId, id }: { appId: string; id: string },
  now: number,
  extras?: Extras,
): boolean {
  const result = once(db, extras, 'deleted', () => {
    const deleted = db.run(
      'UPDATE endpoint SET deleted_at = ?1, updated_at = ?1, uid = NULL WHERE app_id = ?2 AND id = ?3 AND deleted_at IS NULL',
      now,
      appId,
      id,
    )
    return deleted > 0 ? 'deleted' : 'unknown'
  })
  return result === 'deleted'
}
