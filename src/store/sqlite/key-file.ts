/**
 * The key file beside the database, used when no ENCRYPTION_KEY is set: one key a line, newest first. It protects data
 * that leaves without the key file, such as a copy of the database. A reader of the whole directory has both.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { ENCRYPTION_KEY_BYTES, type EncryptionKey, parseEncryptionKeys } from '../../domain/encryption.ts'

export const keyFileOf = (path: string): string => `${path}.key`

/** The keys in the file, newest first; none when there is no file. Throws an Error of one line when it is damaged. */
export function readKeyFile(path: string): EncryptionKey[] {
  const file = keyFileOf(path)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw new Error(`${file} cannot be read (${(error as Error).message}): it is the key of the secrets in ${path}`, {
      cause: error,
    })
  }
  const parsed = parseEncryptionKeys(text)
  if ('problem' in parsed) throw new Error(`${file} ${parsed.problem}`)
  if (parsed.keys.length === 0) throw new Error(`${file} is empty: restore it from where it is backed up`)
  return parsed.keys
}

/**
 * Makes the file with a new key and returns the key, once both the file and its name are on disk. Only the holder of
 * the lock may call this: a file that exists already would be replaced.
 */
export function makeKeyFile(path: string): EncryptionKey[] {
  const file = keyFileOf(path)
  const text = `${randomBytes(ENCRYPTION_KEY_BYTES).toString('base64')}\n`
  const draft = `${file}.new`
  rmSync(draft, { force: true })
  const descriptor = openSync(draft, 'wx', 0o600)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(draft, file)
  flushDirectory(dirname(path))
  return readKeyFile(path)
}

/** Flushes a directory, so that the names in it are on disk. */
export function flushDirectory(path: string): void {
  // Windows cannot open a directory, and needs no flush for its names.
  if (process.platform === 'win32') return
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
