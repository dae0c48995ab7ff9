import { startId } from '../../domain/ids.ts'
import { POSTPONE_MS } from '../shared/constants.ts'
import { pruneAnswers } from './answers.ts'
import type { PayloadStep } from '../port/retention.ts'
import type { Database } from './database.ts'
import { failHeld } from './hold.ts'

interface Stretch {
  app_id: string
  endpoint_id: string
}

/** Endpoints that one step looks at; each costs one seek. */
const ENDPOINTS_PER_STEP = 1_000
const cursors = new WeakMap<Database, Stretch>()

/**
 * Removes attempts made before `before`, walking the endpoints in turn. Within one endpoint, attempt ids sort by time,
 * so the old ones are a stretch at the beginning. Returns how many were removed. With more endpoints than one step
 * looks at, zero means that the turn of the others is next.
 */
export function pruneAttempts(db: Database, before: number, max: number): number {
  const cutoff = startId('atmpt', before)
  let at = cursors.get(db) ?? { app_id: '', endpoint_id: '' }
  let removed = 0
  let looked = 0
  let wrapped = false
  while (removed < max && looked < ENDPOINTS_PER_STEP) {
    const next = db.get<Stretch>(
      // Compared by the whole key, with an end that no id reaches, so that SQLite seeks. By a part of the key, SQLite
      // would walk every attempt of the endpoint it comes from: a tenth of a second with a million of them.
      `SELECT app_id, endpoint_id FROM attempt WHERE (app_id, endpoint_id, id) > (?, ?, '~')
       ORDER BY app_id, endpoint_id, id LIMIT 1`,
      at.app_id,
      at.endpoint_id,
    )
    looked++
    if (next === undefined) {
      at = { app_id: '', endpoint_id: '' }
      if (wrapped) break
      wrapped = true
      continue
    }
    const rows = db.all<{ id: string }>(
      'SELECT id FROM attempt WHERE app_id = ? AND endpoint_id = ? AND id < ? ORDER BY id LIMIT ?',
      next.app_id,
      next.endpoint_id,
      cutoff,
      max - removed,
    )
    for (const { id } of rows)
      db.run('DELETE FROM attempt WHERE app_id = ? AND endpoint_id = ? AND id = ?', next.app_id, next.endpoint_id, id)
    removed += rows.length
    // When the step is used up, the next one goes on at this endpoint, which may have more.
    if (removed < max) at = next
  }
  cursors.set(db, at)
  return removed
}

const OPEN = `SELECT 1 FROM delivery d
  WHERE d.app_id = m.app_id AND d.msg_id = m.id AND d.state IN ('pending', 'leased')`

const isOpen = (db: Database, { app_id, id }: { app_id: string; id: string }): boolean =>
  db.get(`SELECT 1 FROM msg m WHERE app_id = ? AND id = ? AND EXISTS (${OPEN})`, app_id, id) !== undefined

/** Removes payloads that expired and that no delivery needs any more. */
export function prunePayloads(db: Database, now: number, max: number): PayloadStep {
  const rows = db.all<{ app_id: string; id: string; open: number }>(
    `SELECT app_id, id, EXISTS (${OPEN}) AS open FROM msg m WHERE payload IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
    now,
    max,
  )
  let removed = 0
  for (const row of rows) {
    if (row.open === 1) failHeld(db, row.app_id, row.id)
    if (row.open === 1 && isOpen(db, row))
      db.run('UPDATE msg SET expires_at = ? WHERE app_id = ? AND id = ?', now + POSTPONE_MS, row.app_id, row.id)
    else {
      db.run('UPDATE msg SET payload = NULL, shown = NULL WHERE app_id = ? AND id = ?', row.app_id, row.id)
      removed++
    }
  }
  return { dealt: rows.length, removed }
}

/** Removes both kinds of first answers: those of messages and those of requests. */
export function pruneIdempotency(db: Database, now: number, max: number): number {
  const rows = db.all<{ app_id: string; scope: string; key: string }>(
    'SELECT app_id, scope, key FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ?',
    now,
    max,
  )
  for (const row of rows)
    db.run('DELETE FROM idempotency WHERE app_id = ? AND scope = ? AND key = ?', row.app_id, row.scope, row.key)
  return rows.length + (rows.length < max ? pruneAnswers(db, now, max - rows.length) : 0)
}
