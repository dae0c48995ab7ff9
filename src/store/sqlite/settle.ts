import type { AttemptOutcome } from '../../domain/attempt.ts'
import type { DisabledReason } from '../../domain/endpoint.ts'
import { afterFailure, type Failure, type Health } from '../../domain/endpoint-health.ts'
import type { EndpointEffect, Settled, Settlement } from '../port/queue.ts'
import { accept } from './accept.ts'
import type { Database } from './database.ts'
import { addToLane, pauseLanes } from './lanes.ts'

/** Writes an attempt and its effects. The attempt is kept even when the lease was lost: a receiver saw it. */
export function settle(db: Database, settlement: Settlement): Settled {
  const { attempt } = settlement
  const settled = settlement.key.run === 0 ? settleDelivery(db, settlement) : settleManual(db, settlement)
  const isRepeat = 'isRepeat' in settled
  if (attempt !== null && !isRepeat) insertAttempt(db, settlement, settled)
  const isHealed = attempt?.outcome === 'success' && endFailures(db, settlement)
  const effect = settlement.endpoint && affectEndpoint(db, settlement, settlement.endpoint)
  const { held, number, outcome } = settled
  if (!isRepeat) announce(db, settlement, { held, disabled: (effect?.disabled ?? null) !== null })
  // A repeated settlement cannot tell what the first one changed, so it reports a change and lets caches reload.
  return {
    held,
    number,
    outcome,
    endpointChanged: isRepeat || isHealed || (effect?.changed ?? false),
    disabled: effect?.disabled ?? null,
  }
}

/** Stores the announcements. A settlement that is repeated has announced everything the first time. */
function announce(db: Database, settlement: Settlement, is: Record<'held' | 'disabled', boolean>): void {
  const due = settlement.announce.filter(({ when }) => is[when])
  if (due.length > 0)
    accept(
      db,
      due.map(({ acceptance }) => acceptance),
    )
}

type Progress = Pick<Settled, 'held' | 'number' | 'outcome'>

function settleDelivery(db: Database, { key, owner, tries, attempt, to }: Settlement): Progress {
  const counted = attempt === null ? 0 : 1
  const isRetry = to.state === 'pending' && tries + counted > 0 ? 1 : 0
  const spared = to.state === 'pending' && to.isSpared === true ? counted : 0
  const row = db.get<{ attempts: number }>(
    `UPDATE delivery SET state = ?, retry = ?, tries = tries + ?, spared = spared + ?, attempts = attempts + ?, due_at = ?,
       lease_owner = NULL, last_attempt_at = coalesce(max(coalesce(last_attempt_at, 0), ?), last_attempt_at)
     WHERE app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = 0 AND state = 'leased' AND lease_owner = ? AND tries = ?
     RETURNING attempts`,
    to.state,
    isRetry,
    counted,
    spared,
    counted,
    to.state === 'pending' ? to.dueAt : null,
    attempt?.at ?? null,
    key.appId,
    key.msgId,
    key.endpointId,
    owner,
    tries,
  )
  if (row === undefined)
    return recordedBefore(db, { key, attempt }) ?? { held: false, ...countAttempt(db, { key, attempt }) }
  if (to.state === 'pending') addToLane(db, { appId: key.appId, endpointId: key.endpointId, retry: isRetry }, to.dueAt)
  return { held: true, number: attempt === null ? 0 : row.attempts, outcome: attempt?.outcome ?? null }
}

/** The row of a manual attempt lives until the attempt is made; its result is written to the delivery itself. */
function settleManual(db: Database, { key, owner, attempt, to }: Settlement): Progress {
  const where = [key.appId, key.msgId, key.endpointId, key.run, owner] as const
  const isHeld = 'app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = ? AND lease_owner = ?'
  if (to.state === 'pending') {
    const held = db.run(
      `UPDATE delivery SET state = 'pending', due_at = ?, lease_owner = NULL WHERE ${isHeld}`,
      to.dueAt,
      ...where,
    )
    if (held > 0) addToLane(db, { appId: key.appId, endpointId: key.endpointId, retry: 0 }, to.dueAt)
    return { held: held > 0, number: 0, outcome: null }
  }
  const held = db.run(`DELETE FROM delivery WHERE ${isHeld}`, ...where) > 0
  return (held ? null : recordedBefore(db, { key, attempt })) ?? { held, ...countAttempt(db, { key, attempt }) }
}

/**
 * The record of an earlier settlement of the same attempt. A caller that does not know whether its commit succeeded
 * settles again.
 */
function recordedBefore(
  db: Database,
  { key, attempt }: Pick<Settlement, 'key' | 'attempt'>,
): (Progress & { isRepeat: true }) | null {
  if (attempt === null) return null
  const row = db.get<{ number: number; outcome: AttemptOutcome }>(
    'SELECT number, outcome FROM attempt WHERE app_id = ? AND endpoint_id = ? AND id = ?',
    key.appId,
    key.endpointId,
    attempt.id,
  )
  return row === undefined ? null : { held: true, number: row.number, outcome: row.outcome, isRepeat: true }
}

/** Counts an attempt that does not move the schedule: a manual one, or one whose lease was lost. */
function countAttempt(db: Database, { key, attempt }: Pick<Settlement, 'key' | 'attempt'>): Omit<Progress, 'held'> {
  if (attempt === null) return { number: 0, outcome: null }
  const isManualSuccess = key.run > 0 && attempt.outcome === 'success'
  const row = db.get<{ attempts: number; state: string }>(
    `UPDATE delivery SET attempts = attempts + 1, last_attempt_at = max(coalesce(last_attempt_at, 0), ?),
       state = CASE WHEN ? AND state IN ('failed', 'cancelled') THEN 'delivered' ELSE state END
     WHERE app_id = ? AND msg_id = ? AND endpoint_id = ? AND run = 0
     RETURNING attempts, state`,
    attempt.at,
    isManualSuccess ? 1 : 0,
    key.appId,
    key.msgId,
    key.endpointId,
  )
  const isOpen = row !== undefined && (row.state === 'pending' || row.state === 'leased')
  const outcome: AttemptOutcome = attempt.outcome === 'success' ? 'success' : isOpen ? 'failed_attempt' : 'failure'
  return { number: row?.attempts ?? 1, outcome }
}

function insertAttempt(db: Database, { key, attempt }: Settlement, { number, outcome }: Progress): void {
  if (attempt === null) return
  db.run(
    `INSERT INTO attempt (app_id, endpoint_id, id, msg_id, number, manual, outcome, at, url, status_code, error, duration_ms, response)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    key.appId,
    key.endpointId,
    attempt.id,
    key.msgId,
    number,
    attempt.trigger === 'manual' ? 1 : 0,
    outcome,
    attempt.at,
    attempt.url,
    attempt.statusCode,
    attempt.error,
    attempt.durationMs,
    attempt.response,
  )
}

function affectEndpoint(
  db: Database,
  { key, attempt }: Settlement,
  effect: EndpointEffect,
): { changed: boolean; disabled: DisabledReason | null } {
  const of = [key.appId, key.endpointId] as const
  let changed = 0
  let disabled: DisabledReason | null = null
  if (effect.pausedUntil !== null) {
    changed += db.run(
      'UPDATE endpoint SET paused_until = ? WHERE app_id = ? AND id = ? AND coalesce(paused_until, 0) < ?',
      effect.pausedUntil,
      ...of,
      effect.pausedUntil,
    )
    pauseLanes(db, key.appId, key.endpointId, effect.pausedUntil)
  }
  const failed =
    attempt === null || effect.failure === null ? null : noteFailure(db, of, { ...effect.failure, at: attempt.at })
  const reason = effect.disable ?? (failed?.disables === true ? 'failing' : null)
  if (reason !== null && disable(db, of, { reason, at: attempt?.at ?? 0 })) disabled = reason
  return { changed: changed > 0 || failed?.changed === true || disabled !== null, disabled }
}

/** A success ends the run of failures that is on record, whatever was known of the run when the attempt began. */
const endFailures = (db: Database, { key }: Settlement): boolean =>
  db.run(
    `UPDATE endpoint SET failing_since = NULL, given_up_since = NULL
     WHERE app_id = ? AND id = ? AND failing_since IS NOT NULL`,
    key.appId,
    key.endpointId,
  ) > 0

function noteFailure(
  db: Database,
  of: readonly [string, string],
  { disableAfterMs, ...failure }: Failure & { disableAfterMs: number },
): { changed: boolean; disables: boolean } {
  const row = db.get<{ failing_since: number | null; given_up_since: number | null }>(
    'SELECT failing_since, given_up_since FROM endpoint WHERE app_id = ? AND id = ?',
    ...of,
  )
  if (row === undefined) return { changed: false, disables: false }
  const before: Health = { failingSince: row.failing_since, givenUpSince: row.given_up_since }
  const { health, disables } = afterFailure(before, failure, disableAfterMs)
  const changed = health.failingSince !== before.failingSince || health.givenUpSince !== before.givenUpSince
  if (changed)
    db.run(
      'UPDATE endpoint SET failing_since = ?, given_up_since = ? WHERE app_id = ? AND id = ?',
      health.failingSince,
      health.givenUpSince,
      ...of,
    )
  return { changed, disables }
}

/** Disabling counts as a change of the endpoint, so that a concurrent edit does not undo it unnoticed. */
const disable = (
  db: Database,
  of: readonly [string, string],
  { reason, at }: { reason: DisabledReason; at: number },
): boolean =>
  db.run(
    `UPDATE endpoint SET disabled = 1, disabled_reason = ?1, updated_at = max(updated_at + 1, ?4)
     WHERE app_id = ?2 AND id = ?3 AND disabled = 0 AND deleted_at IS NULL`,
    reason,
    ...of,
    at,
  ) > 0
