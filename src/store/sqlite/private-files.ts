/**
 * Makes the files private to the gateway's user. Files that exist are changed by their path and never opened here: to
 * close one of them would release the locks that this process has on it (https://www.sqlite.org/howtocorrupt.html,
 * 2.2).
 */
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, normalize } from 'node:path'

const OTHERS = 0o077
const PRIVATE_FILE = 0o600
const PRIVATE_DIRECTORY = 0o700
/** Suffixes of the database and of the files beside it. */
export const SUFFIXES = ['', '-wal', '-shm', '-journal', '.lock', '.key']

/** Makes the missing directories on the way to the file. */
export function makeDirectory(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_DIRECTORY })
}

/** Makes an empty file unless there is one: SQLite would make a file that any user may read, and its log likewise. */
export function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', PRIVATE_FILE))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Removes the rights of other users from the files of a database. Returns the files that could not be changed. */
export function makePrivate(path: string): string[] {
  const files = SUFFIXES.map((suffix) => `${path}${suffix}`).filter((file) => !restrict(file, PRIVATE_FILE))
  if (isOwnDirectory(path)) restrict(dirname(path), PRIVATE_DIRECTORY)
  return files
}

/** Returns false when other users have rights that could not be removed. */
function restrict(path: string, mode: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined || (found.mode & OTHERS) === 0 || process.platform === 'win32') return true
  try {
    chmodSync(path, mode)
    return true
  } catch {
    return false
  }
}

/**
 * True for `data` in the working directory, which the gateway makes by default, with no other files in it. Any other
 * directory was made by a user who may have opened it to others on purpose, such as the mount point of a container.
 */
function isOwnDirectory(path: string): boolean {
  if (normalize(dirname(path)) !== 'data') return false
  return readdirSync(dirname(path)).every((name) => name.startsWith(basename(path)))
}
