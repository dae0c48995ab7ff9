/**
 * Effects of attempts on their endpoints. The attempts of a dead endpoint all have the same effect, and every node
 * reads the endpoint's row. So the row is read first, and locked only if something about it has to change.
 */
import type { DisabledReason } from '../../domain/endpoint.ts'
import { afterFailure, type Health, HEALTHY } from '../../domain/endpoint-health.ts'
import type { Settlement } from '../port/queue.ts'
import { type Session, statement } from './database.ts'
import { type LaneKey, PAUSE_LANES } from './lanes.ts'
import { numberArray, textArray } from './values.ts'

export interface Affected {
  changed: boolean
  disabled: DisabledReason | null
}

interface Row {
  app_id: string
  id: string
  failing_since: number | null
  given_up_since: number | null
  paused_until: number | null
  disabled: boolean
  disabled_reason: DisabledReason | null
  deleted: boolean
  updated_at: number
}

const healthOf = (lock: string) => `
  SELECT e.app_id, e.id, e.failing_since, e.given_up_since, e.paused_until, e.disabled, e.disabled_reason,
    e.deleted_at IS NOT NULL AS deleted, e.updated_at
  FROM unnest($1::text[], $2::text[]) k (app_id, id) JOIN endpoint e ON e.app_id = k.app_id AND e.id = k.id
  ORDER BY e.app_id, e.id ${lock}`
const LOOK = statement('effects-look', healthOf(''))
const LOCK = statement('effects-lock', healthOf('FOR NO KEY UPDATE OF e'))

/** Disabling counts as a change of the endpoint, so that a concurrent edit does not undo it unnoticed. */
const CHANGE = statement(
  'effects-change',
  `UPDATE endpoint e SET failing_since = c.failing_since, given_up_since = c.given_up_since, paused_until = c.paused_until,
     disabled = c.disabled, disabled_reason = c.disabled_reason, updated_at = c.updated_at
   FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bool[], $7::text[], $8::bigint[])
     c (app_id, id, failing_since, given_up_since, paused_until, disabled, disabled_reason, updated_at)
   WHERE e.app_id = c.app_id AND e.id = c.id`,
)

/** Applies the effects of the settlements to the endpoints; returns for each settlement what it changed. */
export async function affectEndpoints(
  session: Session,
  settlements: readonly Settlement[],
): Promise<(Affected | null)[]> {
  const keys = new Map<string, { appId: string; id: string }>()
  for (const settlement of settlements) {
    const { key } = settlement
    if (concernsEndpoint(settlement)) keys.set(nameOf(key), { appId: key.appId, id: key.endpointId })
  }
  if (keys.size === 0) return settlements.map(() => null)
  const seen = await read(session, LOOK, [...keys.values()])
  const wanted = applyAll(seen, settlements)
  const toChange = new Set(settlements.filter((_, i) => wanted[i]?.changed).map(({ key }) => nameOf(key)))
  const affected =
    toChange.size === 0
      ? wanted
      : await change(
          session,
          settlements,
          [...keys].filter(([name]) => toChange.has(name)),
        )
  return affected
}

async function change(
  session: Session,
  settlements: readonly Settlement[],
  keys: readonly [name: string, key: { appId: string; id: string }][],
): Promise<(Affected | null)[]> {
  const locked = await read(
    session,
    LOCK,
    keys.map(([, key]) => key),
  )
  const affected = applyAll(locked, settlements)
  const rows = [...locked.values()]
  await session.run(
    CHANGE,
    textArray(rows.map((row) => row.app_id)),
    textArray(rows.map((row) => row.id)),
    numberArray(rows.map((row) => row.failing_since)),
    numberArray(rows.map((row) => row.given_up_since)),
    numberArray(rows.map((row) => row.paused_until)),
    textArray(rows.map((row) => String(row.disabled))),
    textArray(rows.map((row) => row.disabled_reason)),
    numberArray(rows.map((row) => row.updated_at)),
  )
  return affected
}

/** True when the settlement may change its endpoint: a success ends the run of failures that is on record. */
const concernsEndpoint = ({ attempt, endpoint }: Settlement): boolean =>
  endpoint !== null || attempt?.outcome === 'success'

const nameOf = (key: { appId: string; endpointId: string }) => `${key.appId} ${key.endpointId}`

async function read(
  session: Session,
  how: typeof LOOK,
  keys: readonly { appId: string; id: string }[],
): Promise<Map<string, Row>> {
  const rows = await session.all<Row>(
    how,
    textArray(keys.map((key) => key.appId)),
    textArray(keys.map((key) => key.id)),
  )
  return new Map(rows.map((row) => [`${row.app_id} ${row.id}`, row]))
}

/** Applies one settlement after the other to `rows`. */
const applyAll = (rows: Map<string, Row>, settlements: readonly Settlement[]): (Affected | null)[] =>
  settlements.map((settlement) => {
    if (!concernsEndpoint(settlement)) return null
    const row = rows.get(nameOf(settlement.key))
    return row === undefined ? { changed: false, disabled: null } : apply(row, settlement)
  })

function apply(row: Row, { attempt, endpoint: effect }: Settlement): Affected {
  let changed = attempt?.outcome === 'success' && setHealth(row, HEALTHY)
  if (effect === null) return { changed, disabled: null }
  if (effect.pausedUntil !== null && (row.paused_until ?? 0) < effect.pausedUntil) {
    row.paused_until = effect.pausedUntil
    changed = true
  }
  let reason = effect.disable
  if (effect.failure !== null && attempt !== null) {
    const { gaveUp, disableAfterMs } = effect.failure
    const before = { failingSince: row.failing_since, givenUpSince: row.given_up_since }
    const { health, disables } = afterFailure(before, { at: attempt.at, gaveUp }, disableAfterMs)
    changed = setHealth(row, health) || changed
    if (disables) reason ??= 'failing'
  }
  if (reason === null || row.disabled || row.deleted) return { changed, disabled: null }
  row.disabled = true
  row.disabled_reason = reason
  row.updated_at = Math.max(row.updated_at + 1, attempt?.at ?? 0)
  return { changed: true, disabled: reason }
}

function setHealth(row: Row, { failingSince, givenUpSince }: Health): boolean {
  if (row.failing_since === failingSince && row.given_up_since === givenUpSince) return false
  row.failing_since = failingSince
  row.given_up_since = givenUpSince
  return true
}

interface Pause {
  appId: string
  endpointId: string
  until: number
}

/** The pauses that receivers asked for: for each endpoint the longest one. */
export function pausesOf(settlements: readonly Settlement[]): Pause[] {
  const pauses = new Map<string, Pause>()
  for (const { key, endpoint } of settlements) {
    const until = endpoint?.pausedUntil ?? null
    if (until === null) continue
    const known = pauses.get(nameOf(key))
    if (known === undefined || known.until < until) pauses.set(nameOf(key), { ...key, until })
  }
  return [...pauses.values()]
}

export const lanesOfPauses = (pauses: readonly Pause[]): LaneKey[] =>
  pauses.flatMap(({ appId, endpointId }) => ([0, 1] as const).map((retry) => ({ appId, endpointId, retry })))

export const pauseLanes = (session: Session, pauses: readonly Pause[]): Promise<number> =>
  session.run(
    PAUSE_LANES,
    textArray(pauses.map((pause) => pause.appId)),
    textArray(pauses.map((pause) => pause.endpointId)),
    numberArray(pauses.map((pause) => pause.until)),
  )
