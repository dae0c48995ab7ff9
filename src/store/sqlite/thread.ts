/**
 * A thread that owns one connection. The writer runs each batch it is sent as one transaction; a reader answers one
 * question after the other. A thread waits for nothing but the disk.
 */
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import type { EncryptionKey } from '../../domain/encryption.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Verb } from '../verbs.ts'
import { type Database, explain, isFileTrouble, openReader, openWriter, transaction } from './database.ts'
import { prepareEncryption, type Prepared } from './encryption.ts'
import { OpenFiles } from './files.ts'
import { takeOverLeases } from './leases.ts'
import { OPERATIONS } from './operations.ts'

export interface ThreadOptions {
  role: 'writer' | 'reader'
  path: string
  /** True when the thread yields the processor to the others: its operations may take longer than theirs. */
  isPatient: boolean
  /** The keys of ENCRYPTION_KEY, newest first; for the writer. */
  keys: readonly EncryptionKey[]
}

/** One operation and its arguments. */
export type Call = [verb: Verb, ...args: unknown[]]
export type Reply = { ok: true; value: unknown } | { ok: false; error: ThreadError }
export interface ThreadError {
  message: string
  /** True when the store could not do it now; otherwise the operation itself is at fault. */
  unavailable: boolean
}
/** `opened` of the writer reports the keys. */
export type FromThread = { opened: Prepared | null } | { failed: string } | { replies: Reply[] } | { closed: true }
export type ToThread = { calls: Call[] } | { close: true }

const port = parentPort!
const { role, path, isPatient, keys } = workerData as ThreadOptions
if (isPatient) lowerPriority()

try {
  let prepared: Prepared | null = null
  if (role === 'writer') {
    const { db, lock, exposed } = openWriter(path)
    try {
      prepared = prepareEncryption(db, path, keys)
      for (const file of exposed)
        prepared.notices.push(`${file} belongs to another user, and can be read by more than the gateway: chmod 600 it`)
      transaction(db, () => takeOverLeases(db, Date.now()))
    } catch (error) {
      db.close()
      lock.close()
      throw error
    }
    const watch = watchFiles(db)
    serve(
      db,
      (calls) => {
        const replies = inOneTransaction(db, calls)
        // Checked between the commit and its answer: a write into a file that is no longer at its path is not
        // acknowledged.
        watch.check()
        return replies
      },
      () => {
        watch.stop()
        lock.close()
      },
    )
  } else {
    const db = openReader(path)
    serve(db, (calls) => calls.map((call) => attempt(() => run(db, call))))
  }
  port.postMessage({ opened: prepared } satisfies FromThread)
} catch (error) {
  port.postMessage({ failed: explain(error, path).message } satisfies FromThread)
}

/**
 * A file that was taken away ends the thread, and with it the process: a new process opens the files that are there.
 */
function watchFiles(db: Database): { check: () => void; stop: () => void } {
  const files = new OpenFiles(path)
  const check = () => {
    const taken = files.check()
    if (taken === null) return
    if (taken.canRescue) rescue(db)
    throw taken.error
  }
  const timer = setInterval(check, LIMITS.fileCheckMs)
  return { check, stop: () => clearInterval(timer) }
}

/** Moves the content of the log into the database: the log was deleted, so a new process would not find it. */
function rescue(db: Database): void {
  try {
    db.exec('PRAGMA busy_timeout = 500; PRAGMA wal_checkpoint(FULL)')
  } catch {
    // Then the log goes away with this process; no message claims that it was kept.
  }
}

/** Linux keeps a priority for each thread; elsewhere it is the process's, and stays as it is. */
function lowerPriority(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    setPriority(thread, constants.priority.PRIORITY_LOW)
  } catch {
    // Without it, everything works all the same.
  }
}

function serve(db: Database, answer: (calls: Call[]) => Reply[], afterwards?: () => void): void {
  port.on('message', (message: ToThread) => {
    if ('calls' in message) {
      port.postMessage({ replies: answer(message.calls) } satisfies FromThread)
      return
    }
    db.close()
    afterwards?.()
    port.postMessage({ closed: true } satisfies FromThread)
    port.close()
  })
}

function run(db: Database, [verb, ...args]: Call): unknown {
  const operation = OPERATIONS[verb] as (db: Database, ...args: unknown[]) => unknown
  return operation(db, ...args)
}

/**
 * Runs all calls in one transaction. If one of them throws, each is tried alone: a bad call must not fail the others.
 */
function inOneTransaction(db: Database, calls: Call[]): Reply[] {
  const [first] = calls
  try {
    return transaction(db, () => calls.map((call) => ({ ok: true, value: run(db, call) })))
  } catch (error) {
    if (calls.length === 1 || first === undefined || isFileTrouble(error)) return calls.map(() => failure(error))
    return calls.map((call) => attempt(() => transaction(db, () => run(db, call))))
  }
}

function attempt(work: () => unknown): Reply {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    return failure(error)
  }
}

function failure(error: unknown): Reply {
  const message =
    error instanceof Error ? `${error.message}${'errstr' in error ? ` (${String(error.errstr)})` : ''}` : String(error)
  return { ok: false, error: { message, unavailable: isFileTrouble(error) } }
}
