/**
 * What the threads can do. The main thread knows only the names and types of these: no SQL runs on the event loop.
 */
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import { accept } from './accept.ts'
import { getAnswer, saveAnswer } from './answers.ts'
import {
  createApplication,
  deleteApplication,
  findApplication,
  getApplication,
  listApplications,
  updateApplication,
} from './applications.ts'
import { attemptsOfEndpoint, attemptsOfMessage, expungeAttempt, getAttempt, listAttempts } from './attempts.ts'
import { claim } from './claim.ts'
import { putClockBack } from './clock-step.ts'
import type { Database } from './database.ts'
import { countDeliveries, listAttemptedEndpoints } from './endpoint-log.ts'
import {
  createEndpoint,
  deleteEndpoint,
  endpointsOf,
  findEndpoint,
  getEndpoint,
  listEndpoints,
  pageEndpoints,
  updateEndpoint,
} from './endpoints.ts'
import {
  createEventType,
  getEventType,
  knownEventTypes,
  listEventTypes,
  removeEventType,
  updateEventType,
} from './event-types.ts'
import { heldDeliveries, holdEndpoint } from './hold.ts'
import { inboxStats, listInbox } from './inbox.ts'
import { cancelWaiting, release, renew, sweep } from './leases.ts'
import { listAttemptedMessages, listMessages } from './lists.ts'
import { requestManualAttempt, resend } from './manual.ts'
import {
  deliveriesOf,
  expungeMessage,
  findMessage,
  getMessage,
  getPayload,
  getShownPayload,
  holdersOf,
} from './messages.ts'
import { SCHEMA_VERSION } from './migrations.ts'
import { pruneAttempts, pruneIdempotency, prunePayloads } from './retention.ts'
import { settle } from './settle.ts'
import { createTask, getTask, listTasks, stepTask } from './tasks.ts'

export const WRITES = {
  accept,
  claim,
  settle,
  renew,
  release,
  sweep,
  putClockBack,
  requestManualAttempt,
  resend,
  cancelWaiting,
  createApplication,
  updateApplication,
  deleteApplication,
  createEventType,
  updateEventType,
  removeEventType,
  createEndpoint,
  updateEndpoint,
  deleteEndpoint,
  holdEndpoint,
  expungeMessage,
  expungeAttempt,
  saveAnswer,
  createTask,
  stepTask,
  pruneAttempts,
  prunePayloads,
  pruneIdempotency,
  secret,
  problem,
}

/** Found by a key, and something waits for it. */
export const POINTS = {
  findApplication,
  getApplication,
  getEventType,
  knownEventTypes,
  getEndpoint,
  findEndpoint,
  endpointsOf,
  getMessage,
  findMessage,
  getPayload,
  getShownPayload,
  deliveriesOf,
  holdersOf,
  getAttempt,
  getAnswer,
  getTask,
}

/** Pages and counts. */
export const LISTS = {
  listApplications,
  listEventTypes,
  pageEndpoints,
  listEndpoints,
  listMessages,
  listAttempts,
  listAttemptedMessages,
  listAttemptedEndpoints,
  countDeliveries,
  attemptsOfMessage,
  attemptsOfEndpoint,
  listTasks,
  listInbox,
  inboxStats,
  backlog,
  heldDeliveries,
}

export const READS = { ...POINTS, ...LISTS }

/** The first caller's value is kept for good. */
function secret(db: Database, name: string, fresh: string): string {
  db.run('INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)', name, fresh)
  return db.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)!.value
}

function backlog(db: Database, now: number): { pending: number; oldestDueAt: number | null } {
  const row = db.get<{ pending: number | null; oldest: number | null }>(
    'SELECT sum(size) AS pending, min(CASE WHEN wake_at <= ? THEN oldest_due_at END) AS oldest FROM lane WHERE wake_at < ?',
    now,
    HELD_UNTIL,
  )
  return { pending: row?.pending ?? 0, oldestDueAt: row?.oldest ?? null }
}

function problem(db: Database): string | null {
  const version = db.get<{ user_version: number }>('PRAGMA user_version')?.user_version
  if (version !== SCHEMA_VERSION) return `the schema is version ${version}, this gateway needs ${SCHEMA_VERSION}`
  // The same value again is a commit all the same, and shows that there can be others.
  db.run("INSERT INTO meta (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value")
  return null
}

export type Operations = Record<string, (db: Database, ...args: never[]) => unknown>
