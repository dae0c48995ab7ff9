/**
 * What attempts mean for their endpoints. A dead endpoint's attempts all say the same, and its row is read by everybody:
 * so it is looked at first, and locked only if something about it has to change.
 */
import type { DisabledReason } from '../../domain/endpoint.ts'
import type { Settlement } from '../store.ts'
import { type Session, statement } from './database.ts'
import { type LaneKey, PAUSE_LANES } from './lanes.ts'
import { numberArray, textArray } from './values.ts'

export interface Affected {
  changed: boolean
  disabled: DisabledReason | null
}

interface Health {
  app_id: string
  id: string
  failing_since: number | null
  paused_until: number | null
  disabled: boolean
  disabled_reason: DisabledReason | null
  deleted: boolean
  updated_at: number
}

const healthOf = (lock: string) => `
  SELECT e.app_id, e.id, e.failing_since, e.paused_until, e.disabled, e.disabled_reason, e.deleted_at IS NOT NULL AS deleted,
    e.updated_at
  FROM unnest($1::text[], $2::text[]) k (app_id, id) JOIN endpoint e ON e.app_id = k.app_id AND e.id = k.id
  ORDER BY e.app_id, e.id ${lock}`
const LOOK = statement('effects-look', healthOf(''))
const LOCK = statement('effects-lock', healthOf('FOR NO KEY UPDATE OF e'))

/** Disabling counts as a change of the endpoint, so that an edit made at the same time does not undo it unseen. */
const CHANGE = statement(
  'effects-change',
  `UPDATE endpoint e SET failing_since = c.failing_since, paused_until = c.paused_until, disabled = c.disabled,
     disabled_reason = c.disabled_reason, updated_at = c.updated_at
   FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bool[], $6::text[], $7::bigint[])
     c (app_id, id, failing_since, paused_until, disabled, disabled_reason, updated_at)
   WHERE e.app_id = c.app_id AND e.id = c.id`,
)

/** Does to the endpoints what the settlements say about them; each gets to know what it changed. */
export async function affectEndpoints(
  session: Session,
  settlements: readonly Settlement[],
): Promise<(Affected | null)[]> {
  const keys = new Map<string, { appId: string; id: string }>()
  for (const { key, endpoint } of settlements)
    if (endpoint !== null) keys.set(nameOf(key), { appId: key.appId, id: key.endpointId })
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
    numberArray(rows.map((row) => row.paused_until)),
    textArray(rows.map((row) => String(row.disabled))),
    textArray(rows.map((row) => row.disabled_reason)),
    numberArray(rows.map((row) => row.updated_at)),
  )
  return affected
}

const nameOf = (key: { appId: string; endpointId: string }) => `${key.appId} ${key.endpointId}`

async function read(
  session: Session,
  how: typeof LOOK,
  keys: readonly { appId: string; id: string }[],
): Promise<Map<string, Health>> {
  const rows = await session.all<Health>(
    how,
    textArray(keys.map((key) => key.appId)),
    textArray(keys.map((key) => key.id)),
  )
  return new Map(rows.map((row) => [`${row.app_id} ${row.id}`, row]))
}

/** Changes `healths` by one settlement after the other. */
const applyAll = (healths: Map<string, Health>, settlements: readonly Settlement[]): (Affected | null)[] =>
  settlements.map((settlement) => {
    const health = healths.get(nameOf(settlement.key))
    if (settlement.endpoint === null) return null
    return health === undefined ? { changed: false, disabled: null } : apply(health, settlement)
  })

function apply(health: Health, { attempt, endpoint: effect }: Settlement): Affected {
  if (effect === null) return { changed: false, disabled: null }
  let changed = false
  if (effect.health === 'healthy' && health.failing_since !== null) {
    health.failing_since = null
    changed = true
  }
  if (effect.health === 'failing' && health.failing_since === null && attempt !== null) {
    health.failing_since = attempt.at
    changed = true
  }
  if (effect.pausedUntil !== null && (health.paused_until ?? 0) < effect.pausedUntil) {
    health.paused_until = effect.pausedUntil
    changed = true
  }
  const disabled = reasonToDisable(health, effect)
  if (disabled === null || health.disabled || health.deleted) return { changed, disabled: null }
  health.disabled = true
  health.disabled_reason = disabled
  health.updated_at = Math.max(health.updated_at + 1, attempt?.at ?? 0)
  return { changed: true, disabled }
}

function reasonToDisable(health: Health, effect: NonNullable<Settlement['endpoint']>): DisabledReason | null {
  if (effect.disable !== null) return effect.disable
  const { disableIfFailingSince: since } = effect
  return since !== null && health.failing_since !== null && health.failing_since <= since ? 'failing' : null
}

interface Pause {
  appId: string
  endpointId: string
  until: number
}

/** Receivers that asked for a pause, each with the longest of them. */
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
