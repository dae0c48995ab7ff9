/**
 * Examines a file for `hookferry doctor`, beside a gateway that may be running. It makes no file, migrates nothing,
 * takes no lock for longer than one small commit, and reads nothing but the schema's version and the ids of keys.
 */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { EncryptionKey } from '../../domain/encryption.ts'
import { compareClocks, fail, type Finding, fine, warn } from '../../domain/finding.ts'
import { checkFile, explain, openBeside, openReader, pragma } from './database.ts'
import { checkKeys, fileKeys, usedKeys } from './encryption.ts'
import { SCHEMA_VERSION } from './migrations.ts'
import { SUFFIXES } from './private-files.ts'

/** Free space that a start and a full log need (docs/storage.md). */
const FREE_MIN_BYTES = 128 * 1_048_576
const FREE_WARN_BYTES = 1_024 * 1_048_576

export function examineSqlite(path: string, given: readonly EncryptionKey[], now: number): Finding[] {
  if (!existsSync(path)) return [examineDirectory(path), examineDisk(path)]
  const files = examineFiles(path)
  if (files.some(({ state }) => state === 'fail')) return files
  return [...examineContent(path, given, now), examineDisk(path), ...files]
}

/** The nearest directory above the file that exists. */
function directoryOf(path: string): string {
  const directory = dirname(resolve(path))
  return existsSync(directory) || directory === dirname(directory) ? directory : directoryOf(directory)
}

function mayUse(path: string, how: number): boolean {
  try {
    accessSync(path, how)
    return true
  } catch {
    return false
  }
}

function examineDirectory(path: string): Finding {
  const directory = directoryOf(path)
  const isUsable = statSync(directory).isDirectory() && mayUse(directory, constants.W_OK | constants.X_OK)
  return isUsable
    ? fine('store', `${path} will be made by the first start`)
    : fail(
        'store',
        `${path} cannot be made: ${directory} cannot be written`,
        'change DATABASE_URL, or the rights of the directory',
      )
}

function examineContent(path: string, given: readonly EncryptionKey[], now: number): Finding[] {
  const findings: Finding[] = []
  try {
    const reader = openReader(path)
    try {
      checkFile(reader.connection, path)
      const version = Number(pragma(reader.connection, 'user_version'))
      if (version < SCHEMA_VERSION)
        return [
          warn(
            'store',
            `${path} has schema ${version}, and this version needs ${SCHEMA_VERSION}`,
            'back it up: the next start migrates it',
          ),
        ]
      findings.push(fine('store', `${path} opens, with schema ${version}`), examineClock(path, now))
      checkKeys(path, given.length > 0 ? given : fileKeys(path), usedKeys(reader))
      findings.push(fine('key', `the keys of the secrets in ${path} are there`))
    } finally {
      reader.close()
    }
    return [...findings, examineCommit(path)]
  } catch (error) {
    return [...findings, fail(findings.length < 2 ? 'store' : 'key', explain(error, path).message)]
  }
}

/** Commits one empty row, as the gateway's own probe does. */
function examineCommit(path: string): Finding {
  const db = openBeside(path)
  try {
    const started = performance.now()
    db.run(
      "INSERT INTO meta (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    return fine('commit', `a commit took ${(performance.now() - started).toFixed(1)} ms`)
  } catch (error) {
    return fail('commit', explain(error, path).message)
  } finally {
    db.close()
  }
}

/** The file was written in the past, unless the clock was ahead then or is behind now. */
function examineClock(path: string, now: number): Finding {
  const written = Math.max(
    ...[path, `${path}-wal`].map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0),
  )
  return written <= now
    ? fine('clock', 'not behind what was stored last')
    : compareClocks(now, written, 'when the file was written last, which lies ahead')
}

function examineDisk(path: string): Finding {
  const directory = directoryOf(path)
  const { bavail, bsize } = statfsSync(directory)
  const free = bavail * bsize
  const says = `${Math.floor(free / 1_048_576)} MiB free in ${directory}`
  const advice = 'make room, or shorten ATTEMPT_RETENTION and MESSAGE_RETENTION'
  if (free < FREE_MIN_BYTES) return fail('disk', says, advice)
  return free < FREE_WARN_BYTES ? warn('disk', says, advice) : fine('disk', says)
}

function examineFiles(path: string): Finding[] {
  const files = SUFFIXES.map((suffix) => `${path}${suffix}`).filter((file) => existsSync(file))
  const unusable = files.filter((file) => !statSync(file).isFile() || !mayUse(file, constants.R_OK | constants.W_OK))
  if (unusable.length > 0)
    return [
      fail(
        'files',
        `${unusable.join(', ')} cannot be read and written`,
        'run it as the user that owns them: ls -l says who',
      ),
    ]
  const open = process.platform === 'win32' ? [] : files.filter((file) => (statSync(file).mode & 0o077) !== 0)
  return open.length === 0
    ? [fine('files', 'readable for their user alone')]
    : [warn('files', `${open.join(', ')} can be read by other users`, `chmod 600 ${open.join(' ')}`)]
}
