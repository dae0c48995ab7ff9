import type { Candidate } from '../../domain/endpoint.ts'
import type { StoredEndpoint } from '../endpoint-codec.ts'
import type { Extras } from '../once.ts'
import type { Keyset } from '../tenants.ts'
import { stretchOf } from '../shared/keyset.ts'
import { holdApplication } from './applications.ts'
import { type Ask, type Pool, type Session, statement, type Value } from './database.ts'
import { wakeLanes } from './lanes.ts'
import { noteChanged } from './notify.ts'
import { once, type Writer } from './once.ts'
import { isUniqueViolation } from './trouble.ts'

export interface EndpointRow {
  app_id: string
  id: string
  uid: string | null
  driver: string
  url: string
  description: string
  disabled: boolean
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
  disabled: row.disabled,
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
const settings = (endpoint: StoredEndpoint): Value[] => [
  endpoint.uid,
  endpoint.driver,
  endpoint.url,
  endpoint.description,
  endpoint.disabled,
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

const SETTINGS = [
  'uid',
  'driver',
  'url',
  'description',
  'disabled',
  'disabled_reason',
  'event_types',
  'channels',
  'headers',
  'metadata',
  'secrets',
  'rate_limit',
  'timeout_ms',
  'retry_schedule_ms',
  'version',
  'updated_at',
]
const parameters = SETTINGS.map((_, i) => `$${i + 1}`)

/**
 * Whether the application has that many endpoints that deliver over HTTP; a uid that is taken is the better reason to refuse,
 * so then it says no. No more endpoints are counted.
 */
async function hasAtLeast(session: Session, { appId, uid }: StoredEndpoint, count: number): Promise<boolean> {
  const live = `endpoint WHERE app_id = $1 AND deleted_at IS NULL`
  const found = await session.get<{ n: number; is_taken: boolean }>(
    `SELECT count(*) AS n, EXISTS (SELECT 1 FROM ${live} AND uid = $3) AS is_taken
     FROM (SELECT 1 FROM ${live} AND driver = 'http' LIMIT $2) e`,
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
    // Of two that want one uid at the same time, the second waits for the first, and then finds it taken.
    const inserted = await session.run(
      `INSERT INTO endpoint (${SETTINGS.join(', ')}, app_id, id, created_at)
       VALUES (${parameters.join(', ')}, $17, $18, $19) ON CONFLICT (app_id, uid) WHERE uid IS NOT NULL DO NOTHING`,
      ...settings(endpoint),
      endpoint.appId,
      endpoint.id,
      endpoint.createdAt,
    )
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
  await session.run(
    `UPDATE endpoint SET ${SETTINGS.map((name, i) => `${name} = ${parameters[i]}`).join(', ')}
       WHERE app_id = $17 AND id = $18`,
    ...settings(endpoint),
    ...of,
  )
  // What was learnt about the old receiver does not hold for a new one, nor after its owner says that it is well again.
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

const GET = statement('endpoint-get', 'SELECT * FROM endpoint WHERE app_id = $1 AND id = $2 AND deleted_at IS NULL')

/** On any connection, or within a transaction. */
export async function getEndpoint({ ask }: { ask: Ask }, appId: string, id: string): Promise<StoredEndpoint | null> {
  const [row] = await ask<EndpointRow>(GET, appId, id)
  return row === undefined ? null : endpointFrom(row)
}

const FIND = statement(
  'endpoint-find',
  `SELECT * FROM endpoint WHERE app_id = $1 AND id = $2 AND deleted_at IS NULL
   UNION ALL SELECT * FROM endpoint WHERE app_id = $1 AND uid = $2 AND id <> $2`,
)

export async function findEndpoint(pool: Pool, appId: string, idOrUid: string): Promise<StoredEndpoint | null> {
  const [row] = await pool.read<EndpointRow>(FIND, appId, idOrUid)
  return row === undefined ? null : endpointFrom(row)
}

export async function pageEndpoints(pool: Pool, appId: string, page: Keyset): Promise<Candidate[]> {
  const { above, below, direction, limit } = stretchOf(page)
  const rows = await pool.read<EndpointRow>(
    `SELECT ${CANDIDATE} FROM endpoint WHERE app_id = $1 AND id > $2 AND id < $3 AND deleted_at IS NULL AND driver = 'http'
     ORDER BY id ${direction} LIMIT $4`,
    appId,
    above,
    below,
    limit,
  )
  return rows.map(candidateFrom)
}

const ALL = statement(
  'endpoints-of',
  `SELECT ${CANDIDATE} FROM endpoint WHERE app_id = $1 AND deleted_at IS NULL ORDER BY id`,
)

export const endpointsOf = async (pool: Pool, appId: string): Promise<Candidate[]> =>
  (await pool.read<EndpointRow>(ALL, appId)).map(candidateFrom)

/** The page and the number of all, seen at the same moment. */
export async function listEndpoints(
  pool: Pool,
  query: { appId: string; limit: number; offset: number; disabled: boolean | null },
): Promise<{ data: StoredEndpoint[]; total: number }> {
  const filter = query.disabled === null ? '' : `AND disabled = ${query.disabled}`
  const of = `FROM endpoint WHERE app_id = $1 AND deleted_at IS NULL AND driver = 'http' ${filter}`
  const rows = await pool.read<{ total: number } & (EndpointRow | { id: null })>(
    `SELECT t.total, e.* FROM (SELECT count(*) AS total ${of}) t
     LEFT JOIN LATERAL (SELECT * ${of} ORDER BY id LIMIT $2 OFFSET $3) e ON TRUE ORDER BY e.id`,
    query.appId,
    query.limit,
    query.offset,
  )
  return { data: rows.flatMap((row) => (row.id === null ? [] : [endpointFrom(row)])), total: rows[0]?.total ?? 0 }
}
