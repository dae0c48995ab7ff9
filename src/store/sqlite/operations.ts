/** The operations of the threads. The main thread knows only the names of the verbs: no SQL runs on the event loop. */
import { HELD_UNTIL } from '../../domain/endpoint.ts'
import type { ArgumentsOf, ResultOf, Verb } from '../verbs.ts'
import * as accept from './accept.ts'
import * as answers from './answers.ts'
import * as applications from './applications.ts'
import * as attempts from './attempts.ts'
import * as claim from './claim.ts'
import * as clockStep from './clock-step.ts'
import type { Database } from './database.ts'
import * as deliveryList from './delivery-list.ts'
import * as endpointLog from './endpoint-log.ts'
import * as endpoints from './endpoints.ts'
import * as eventTypes from './event-types.ts'
import * as hold from './hold.ts'
import * as inbox from './inbox.ts'
import * as leases from './leases.ts'
import * as lists from './lists.ts'
import * as manual from './manual.ts'
import * as messages from './messages.ts'
import { SCHEMA_VERSION } from './migrations.ts'
import { READS } from './reads.ts'
import * as retention from './retention.ts'
import * as settle from './settle.ts'
import * as sources from './sources.ts'
import * as tasks from './tasks.ts'

type Operations = { [V in Verb]: (db: Database, ...args: ArgumentsOf<V>) => ResultOf<V> }

/** Each file has the functions of some verbs, under the verbs' names. */
export const OPERATIONS: Operations = {
  ...accept,
  ...answers,
  ...applications,
  ...attempts,
  ...claim,
  ...clockStep,
  ...deliveryList,
  ...endpointLog,
  ...endpoints,
  ...eventTypes,
  ...hold,
  ...inbox,
  ...leases,
  ...lists,
  ...manual,
  ...messages,
  ...READS,
  ...retention,
  ...settle,
  ...sources,
  ...tasks,
  backlog,
  secret,
  problem,
}

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
  // To write the same value again is a commit all the same, and shows that commits work.
  db.run("INSERT INTO meta (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value")
  return null
}
