/**
 * Copies the file while a gateway writes to it. `VACUUM INTO` reads one state of the database, in a read transaction
 * that waits for no other one. (SQLite's own backup in steps begins anew whenever another process has written, so that
 * under load it never ends: https://www.sqlite.org/backup.html.)
 *
 * The copy is made under another name beside its target. It is moved to the target once it is on disk and was checked:
 * a file at the target is always whole.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { EncryptionKey } from '../../domain/encryption.ts'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import type { BackupFromThread, BackupThreadOptions } from './backup-thread.ts'
import { flushDirectory, keyFileOf, readKeyFile } from './key-file.ts'
import { SUFFIXES } from './private-files.ts'

export interface BackupOptions {
  /** The database. */
  path: string
  /** Path of the copy; its directory has to exist. */
  target: string
  /** Replaces a file at `target`. */
  isForced: boolean
  /** The keys of ENCRYPTION_KEY. */
  keys: readonly EncryptionKey[]
  /** Stops the backup and removes its draft. The promise is rejected, and the thread goes on until it has noticed. */
  signal: AbortSignal
  /** For tests: bytes that may be written to a directory. */
  freeBytes?: (directory: string) => number
}

export interface Backup {
  bytes: number
  tookMs: number
  key: BackupKey
}

/** The keys that open the secrets of a copy. */
export interface BackupKey {
  /** Ids of the keys that encrypt the secrets; none when they are in the clear. */
  ids: readonly string[]
  /** The holder of all of these keys; null when neither has all. */
  heldBy: 'environment' | 'file' | null
}

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** Copies the database to `target`. Throws `UnusableDatabase` with one line; then nothing at `target` has changed. */
export async function backupSqlite(options: BackupOptions): Promise<Backup> {
  const { path, target, isForced, signal } = options
  const startedAt = performance.now()
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
    throw new UnusableDatabase(`${path}, the database of DATABASE_URL, does not exist`)
  refuseTarget(path, target, isForced)
  const draft = `${target}.${randomBytes(4).toString('hex')}.partial`
  makeDraft(draft)
  const remove = () => rmSync(draft, { force: true })
  signal.addEventListener('abort', remove)
  try {
    const free = options.freeBytes ?? ((directory: string) => freeBytes(directory))
    const keyIds = await copyTo(draft, { path, freeBytes: free(dirname(target)) }, signal)
    signal.throwIfAborted()
    const { size } = statSync(draft)
    put(draft, target, isForced)
    flushDirectory(dirname(target))
    return { bytes: size, tookMs: performance.now() - startedAt, key: keyFor(path, keyIds, options.keys) }
  } catch (error) {
    if (error instanceof UnusableDatabase) throw error
    throw new UnusableDatabase(`${target} cannot be written: ${(error as Error).message}`, { cause: error })
  } finally {
    signal.removeEventListener('abort', remove)
    remove()
  }
}

/** Refuses to overwrite the database itself, or a file that other programs would take for the log of the copy. */
function refuseTarget(path: string, target: string, isForced: boolean): void {
  const directory = dirname(target)
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UnusableDatabase(`${directory}, where the copy should go, is no directory`)
  const found = statSync(target, { throwIfNoEntry: false, bigint: true })
  if (found?.isDirectory() === true)
    throw new UnusableDatabase(`${target} is a directory: name a file, such as ${join(target, basename(path))}`)
  const real = realPath(target)
  for (const suffix of SUFFIXES) {
    const own = statSync(`${path}${suffix}`, { throwIfNoEntry: false, bigint: true })
    const isSame = own !== undefined && found !== undefined && own.ino === found.ino && own.dev === found.dev
    if (isSame || real === `${realPath(path)}${suffix}`)
      throw new UnusableDatabase(`${target} belongs to the database that should be copied: name another file`)
  }
  if (found !== undefined && !isForced)
    throw new UnusableDatabase(`${target} exists: name another file, or add --force to replace it`)
  // SQLite would play a log that was left at this place into the copy.
  for (const log of ['-wal', '-journal'])
    if (statSync(`${target}${log}`, { throwIfNoEntry: false }) !== undefined)
      throw new UnusableDatabase(
        `${target}${log} exists, so that a database is in use at ${target}, or was: name another file`,
      )
}

const realPath = (path: string): string => join(realpathSync(dirname(path)), basename(path))

function makeDraft(draft: string): void {
  try {
    // SQLite writes into this file and keeps its rights.
    closeSync(openSync(draft, 'wx', 0o600))
  } catch (error) {
    throw new UnusableDatabase(`${dirname(draft)} cannot be written to: ${(error as Error).message}`, { cause: error })
  }
}

/** Resolves with the ids of the keys that the copy needs. */
function copyTo(draft: string, source: { path: string; freeBytes: number }, signal: AbortSignal): Promise<string[]> {
  const workerData: BackupThreadOptions = { ...source, draft }
  const worker = new Worker(new URL(`./backup-thread.${EXTENSION}`, import.meta.url), { workerData, name: 'backup' })
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('it was stopped')))
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the thread that copies ended')))
    worker.once('message', (message: BackupFromThread) => {
      if ('failed' in message) reject(new UnusableDatabase(message.failed))
      else resolve(message.keyIds)
    })
  })
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** Moves the copy to its target, where a file may have appeared meanwhile. */
function put(draft: string, target: string, isForced: boolean): void {
  const descriptor = openSync(draft, 'r+')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  if (isForced) return renameSync(draft, target)
  try {
    // Unlike a rename, a link fails when there is a file. The name of the draft is removed afterwards.
    linkSync(draft, target)
  } catch (error) {
    if (statSync(target, { throwIfNoEntry: false }) !== undefined)
      throw new UnusableDatabase(`${target} exists: name another file, or add --force to replace it`, { cause: error })
    // For a file system without links.
    renameSync(draft, target)
  }
}

function keyFor(path: string, ids: string[], given: readonly EncryptionKey[]): BackupKey {
  const hasAll = (keys: readonly EncryptionKey[]) => ids.every((id) => keys.some((key) => key.id === id))
  if (hasAll(given)) return { ids, heldBy: 'environment' }
  try {
    return { ids, heldBy: hasAll(readKeyFile(path)) ? 'file' : null }
  } catch {
    return { ids, heldBy: null }
  }
}

/** The key that an operator has to keep beside a copy, in one sentence. */
export function sayKey({ ids, heldBy }: BackupKey, path: string, target: string): string {
  if (ids.length === 0) return 'the secrets in it are in the clear: keep it as you keep secrets'
  const keys = ids.length === 1 ? `the key ${ids[0]}` : `the keys ${ids.join(', ')}`
  const file = keyFileOf(path)
  if (heldBy === 'environment') return `its secrets need ${keys} of ENCRYPTION_KEY: without that they are lost`
  if (heldBy === 'file')
    return `its secrets need ${keys} in ${file}: keep that file too, and apart from the copy; beside the copy it is ${keyFileOf(target)}`
  return `its secrets need ${keys}, which neither ENCRYPTION_KEY nor ${file} has here: keep what the gateway has`
}
