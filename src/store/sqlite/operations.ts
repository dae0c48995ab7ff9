/**
 * What the threads can do. The main thread knows only the names and types of these: no SQL runs on the event loop.
 */
import { accept } from './accept.ts'
import { claim } from './claim.ts'
import type { Database } from './database.ts'
import { createEndpoint, deleteEndpoint, endpointsOf, getEndpoint, listEndpoints, updateEndpoint } from './endpoints.ts'
import { inboxStats, listInbox } from './inbox.ts'
import { cancelWaiting, release, renew, requestManualAttempt, sweep } from './leases.ts'
import { attemptsOfEndpoint, attemptsOfMessage, deliveriesOf, getMessage, getPayload } from './messages.ts'
import { SCHEMA_VERSION } from './migrations.ts'
import { pruneAttempts, pruneIdempotency, prunePayloads } from './retention.ts'
import { settle } from './settle.ts'

export const WRITES = {
  accept,
  claim,
  settle,
  renew,
  release,
  sweep,
  requestManualAttempt,
  cancelWaiting,
  createEndpoint,
  updateEndpoint,
  deleteEndpoint,
  pruneAttempts,
  prunePayloads,
  pruneIdempotency,
  secret,
}

export const READS = {
  getEndpoint,
  endpointsOf,
  listEndpoints,
  getMessage,
  getPayload,
  deliveriesOf,
  attemptsOfMessage,
  attemptsOfEndpoint,
  listInbox,
  inboxStats,
  backlog,
  problem,
}

/** The first caller's value is kept for good. */
function secret(db: Database, name: string, fresh: string): string {
  db.run('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)', name, fresh)
  return db.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)!.value
}

function backlog(db: Database, now: number): { pending: number; oldestDueAt: number | null } {
  const row = db.get<{ pending: number | null; oldest: number | null }>(
    'SELECT sum(size) AS pending, min(CASE WHEN wake_at <= ? THEN oldest_due_at END) AS oldest FROM lane',
    now,
  )
  return { pending: row?.pending ?? 0, oldestDueAt: row?.oldest ?? null }
}

function problem(db: Database): string | null {
  const version = db.get<{ user_version: number }>('PRAGMA user_version')?.user_version
  return version === SCHEMA_VERSION ? null : `the schema is version ${version}, this gateway needs ${SCHEMA_VERSION}`
}

export type Operations = Record<string, (db: Database, ...args: never[]) => unknown>
