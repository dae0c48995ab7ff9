import type { SQLInputValue } from 'node:sqlite'
import type { Candidate } from '../../domain/endpoint.ts'
import type { StoredEndpoint } from '../endpoint-codec.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import { isLiveApplication } from './applications.ts'
import type { Database } from './database.ts'
import { wakeLanes } from './lanes.ts'
import { once } from './once.ts'

export interface EndpointRow {
  app_id: string
  id: string
  uid: string | null
  driver: string
  url: string
  description: string
  disabled: number
  disabled_reason: string | null
  event_types: string | null
  channels: string | null
  headers: string
  metadata: string
  secrets: string
  rate_limit: number | null
  timeout_ms: number | null
  retry_schedule_ms: string | null
  version: number
  failing_since: number | null
  given_up_since: number | null
  paused_until: number | null
  created_at: number
  updated_at: number
}

/** Without what is secret: nobody has to decrypt it in order to route. */
const CANDIDATE = `app_id, id, uid, driver, url, description, disabled, disabled_reason, event_types, channels, metadata, rate_limit,
  timeout_ms, retry_schedule_ms, version, failing_since, given_up_since, paused_until, created_at, updated_at`

const parse = <T>(json: string | null): T | null => (json === null ? null : (JSON.parse(json) as T))
const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

/** What is secret stays as it is stored. */
export const endpointFrom = (row: EndpointRow): StoredEndpoint => ({
  ...candidateFrom(row),
  headers: row.headers,
  secrets: row.secrets,
})

export const candidateFrom = (row: Omit<EndpointRow, 'headers' | 'secrets'>): Candidate => ({
  appId: row.app_id as Candidate['appId'],
  id: row.id as Candidate['id'],
  uid: row.uid,
  driver: row.driver as Candidate['driver'],
  url: row.url,
  description: row.description,
  disabled: row.disabled === 1,
  disabledReason: row.disabled_reason as Candidate['disabledReason'],
  eventTypes: parse(row.event_types),
  channels: parse(row.channels),
  metadata: JSON.parse(row.metadata),
  rateLimit: row.rate_limit,
  timeoutMs: row.timeout_ms,
  retryScheduleMs: parse(row.retry_schedule_ms),
  version: row.version,
  failingSince: row.failing_since,
  givenUpSince: row.given_up_since,
  pausedUntil: row.paused_until,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

/** The settings, in the order of the statements below. */
const settings = (endpoint: StoredEndpoint): SQLInputValue[] => [
  endpoint.uid,
  endpoint.driver,
  endpoint.url,
  endpoint.description,
  endpoint.disabled ? 1 : 0,
  endpoint.disabledReason,
  json(endpoint.eventTypes),
  json(endpoint.channels),
  endpoint.headers,
  JSON.stringify(endpoint.metadata),
  endpoint.secrets,
  endpoint.rateLimit,
  endpoint.timeoutMs,
  json(endpoint.retryScheduleMs),
  endpoint.version,
  endpoint.updatedAt,
]

const isUidTaken = (db: Database, { appId, id, uid }: StoredEndpoint): boolean =>
  uid !== null &&
  db.get('SELECT 1 FROM endpoint WHERE app_id = ? AND uid = ? AND id <> ?', appId, uid, id) !== undefined

/** Whether the application has that many endpoints that deliver over HTTP. No more of them are counted. */
const hasAtLeast = (db: Database, appId: string, count: number): boolean =>
  db.get<{ n: number }>(`SELECT count(*) AS n FROM (SELECT 1 FROM ${LIVE} AND driver = 'http' LIMIT ?)`, appId, count)!
    .n >= count

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
    db.run(
      `INSERT INTO endpoint (uid, driver, url, description, disabled, disabled_reason, event_types, channels, headers, metadata,
         secrets, rate_limit, timeout_ms, retry_schedule_ms, version, updated_at, app_id, id, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...settings(endpoint),
      endpoint.appId,
      endpoint.id,
      endpoint.createdAt,
    )
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
  db.run(
    `UPDATE endpoint SET uid = ?, driver = ?, url = ?, description = ?, disabled = ?, disabled_reason = ?, event_types = ?,
       channels = ?, headers = ?, metadata = ?, secrets = ?, rate_limit = ?, timeout_ms = ?, retry_schedule_ms = ?,
       version = ?, updated_at = ?
     WHERE app_id = ? AND id = ?`,
    ...settings(endpoint),
    ...of,
  )
  // What was learnt about the old receiver does not hold for a new one, nor after its owner says that it is well again.
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

export function getEndpoint(db: Database, appId: string, id: string): StoredEndpoint | null {
  const row = db.get<EndpointRow>(
    'SELECT * FROM endpoint WHERE app_id = ? AND id = ? AND deleted_at IS NULL',
    appId,
    id,
  )
  return row === undefined ? null : endpointFrom(row)
}

export function findEndpoint(db: Database, appId: string, idOrUid: string): StoredEndpoint | null {
  const byId = getEndpoint(db, appId, idOrUid)
  if (byId !== null) return byId
  const row = db.get<EndpointRow>('SELECT * FROM endpoint WHERE app_id = ? AND uid = ?', appId, idOrUid)
  return row === undefined ? null : endpointFrom(row)
}

/** The index has live endpoints only: deleted ones stay for ever, and would be walked over. */
const LIVE = 'endpoint INDEXED BY endpoint_live WHERE app_id = ? AND deleted_at IS NULL'

export const endpointsOf = (db: Database, appId: string): Candidate[] =>
  db.all<EndpointRow>(`SELECT ${CANDIDATE} FROM ${LIVE} ORDER BY id`, appId).map(candidateFrom)

export function pageEndpoints(db: Database, appId: string, page: Keyset): Candidate[] {
  const { above, below, direction, limit } = stretchOf(page)
  return db
    .all<EndpointRow>(
      `SELECT ${CANDIDATE} FROM ${LIVE} AND id > ? AND id < ? AND driver = 'http' ORDER BY id ${direction} LIMIT ?`,
      appId,
      above,
      below,
      limit,
    )
    .map(candidateFrom)
}

export function listEndpoints(
  db: Database,
  query: { appId: string; limit: number; offset: number; disabled: boolean | null },
): { data: StoredEndpoint[]; total: number } {
  const filter = query.disabled === null ? '' : `AND disabled = ${query.disabled ? 1 : 0}`
  const of = `FROM ${LIVE} AND driver = 'http' ${filter}`
  const rows = db.all<EndpointRow>(
    `SELECT * ${of} ORDER BY id LIMIT ? OFFSET ?`,
    query.appId,
    query.limit,
    query.offset,
  )
  const total = db.get<{ n: number }>(`SELECT count(*) AS n ${of}`, query.appId)
  return { data: rows.map(endpointFrom), total: total?.n ?? 0 }
}
