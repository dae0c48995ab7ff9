import type { StoredEndpoint } from '../endpoint-codec.ts'
import type { Extras } from '../port/accept.ts'
import { endpointInsert, endpointSettings } from '../rows/endpoint.ts'
import { holdApplication } from './applications.ts'
import { type Session } from './database.ts'
import { wakeLanes } from './lanes.ts'
import { noteChanged } from './notify.ts'
import { once, type Writer } from './once.ts'
import { isUniqueViolation } from './trouble.ts'

const INSERT = `INSERT INTO endpoint (${endpointInsert.names}) VALUES (${endpointInsert.places()})
  ON CONFLICT (app_id, uid) WHERE uid IS NOT NULL DO NOTHING`

const UPDATE = `UPDATE endpoint SET ${endpointSettings.assignments()}
  WHERE app_id = $${endpointSettings.size + 1} AND id = $${endpointSettings.size + 2}`

/**
 * True when the application has that many endpoints that deliver over HTTP; stops counting there. False when the uid is
 * taken, because that is the better reason to refuse.
 */
async function hasAtLeast(session: Session, { appId, uid }: StoredEndpoint, count: number): Promise<boolean> {
  const live = `endpoint WHERE app_id = $1 AND deleted_at IS NULL`
  const found = await session.get<{ n: number; is_taken: boolean }>(
    `SELECT count(*) AS n, EXISTS (SELECT 1 FROM ${live} AND uid = $3) AS is_taken
     FROM (SELECT 1 FROM ${live} AND NOT managed LIMIT $2) e`,
    appId,
    count,
    uid,
  )
  return !found!.is_taken && found!.n >= count
}

export const createEndpoint = (
  writer: Writer,
  endpoint: StoredEndpoint,
  extras?: Extras,
  max: number | null = null,
): Promise<'created' | 'uid_taken' | 'unknown' | 'limit_reached' | 'replayed'> =>
  once<'created' | 'uid_taken' | 'unknown' | 'limit_reached'>(writer, extras, 'created', async (session) => {
    if (!(await holdApplication(session, endpoint.appId))) return 'unknown'
    if (max !== null && (await hasAtLeast(session, endpoint, max))) return 'limit_reached'
    // Of two transactions that want one uid at the same time, the second waits for the first, and then finds it taken.
    const inserted = await session.run(INSERT, ...endpointInsert.values(endpoint))
    if (inserted === 0) return 'uid_taken'
    await noteChanged(session, endpoint)
    return 'created'
  })

export async function updateEndpoint(
  writer: Writer,
  endpoint: StoredEndpoint,
  unchangedSince: number,
  extras?: Extras,
): Promise<'updated' | 'changed' | 'unknown' | 'uid_taken' | 'replayed'> {
  try {
    return await once(writer, extras, 'updated', (session) => replaceEndpoint(session, endpoint, unchangedSince))
  } catch (error) {
    if (isUniqueViolation(error, ['endpoint_uid'])) return 'uid_taken'
    throw error
  }
}

async function replaceEndpoint(
  session: Session,
  endpoint: StoredEndpoint,
  unchangedSince: number,
): Promise<'updated' | 'changed' | 'unknown'> {
  const of = [endpoint.appId, endpoint.id] as const
  const before = await session.get<{ disabled: boolean; url: string; updated_at: number }>(
    'SELECT disabled, url, updated_at FROM endpoint WHERE app_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE',
    ...of,
  )
  if (before === undefined) return 'unknown'
  if (before.updated_at !== unchangedSince) return 'changed'
  await session.run(UPDATE, ...endpointSettings.values(endpoint), ...of)
  // The record of failures is cleared: a new URL has another receiver, and an owner who enables the endpoint says that
  // it is well.
  if (before.url !== endpoint.url || (before.disabled && !endpoint.disabled)) {
    await session.run(
      'UPDATE endpoint SET failing_since = NULL, given_up_since = NULL, paused_until = NULL WHERE app_id = $1 AND id = $2',
      ...of,
    )
    await wakeLanes(session, endpoint.appId, endpoint.id, endpoint.updatedAt)
  }
  await noteChanged(session, endpoint)
  return 'updated'
}

export async function deleteEndpoint(
  writer: Writer,
  { appId, id }: { appId: string; id: string },
  now: number,
  extras?: Extras,
): Promise<boolean> {
  const result = await once<'deleted' | 'unknown'>(writer, extras, 'deleted', async (session) => {
    const deleted = await session.run(
      `UPDATE endpoint SET deleted_at = $1, updated_at = $1, uid = NULL
       WHERE app_id = $2 AND id = $3 AND deleted_at IS NULL`,
      now,
      appId,
      id,
    )
    if (deleted === 0) return 'unknown'
    await noteChanged(session, { appId, id })
    return 'deleted'
  })
  return result === 'deleted'
}
