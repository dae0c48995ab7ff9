/**
 * Checks that the open files are still the ones at their paths. A file that was deleted or replaced below a running
 * gateway stays open. SQLite goes on writing into the open file, which no other process will find again, and once the
 * lock is gone a second gateway takes the same path. So the writer compares after each commit, before it is answered.
 *
 * The files are compared by path only. To open one of them and close it again would release all locks that this process
 * has on it (POSIX advisory locks, https://www.sqlite.org/howtocorrupt.html, 2.2).
 */
import { type BigIntStats, statSync } from 'node:fs'
import { LIMITS } from '../../domain/limits.ts'

/** One of the files is not the one that was opened. The message is one line for the operator. */
export class FileTaken extends Error {
  override readonly name = 'FileTaken'
}

/** A file that was taken away, with the advice whether the log can be saved. */
export interface Taken {
  error: FileTaken
  /** No other process can work on the same files: the content of the open log may still be moved into the database. */
  canRescue: boolean
}

interface OpenFile {
  path: string
  device: bigint
  inode: bigint
}

/** The files that hold committed data: without one of them a 2xx would be a lie. */
const HOLDING = ['', '-wal']
/** The files that keep other processes away, and readers and writer together. Checked once in `LIMITS.fileCheckMs`. */
const GUARDING = ['-shm', '.lock']

export class OpenFiles {
  readonly #holding: readonly OpenFile[]
  readonly #guarding: readonly OpenFile[]
  #guardedAt = performance.now()

  /** Call this once the database has been written to, so that all of its files exist. Throws `FileTaken`. */
  constructor(path: string) {
    const open = (suffix: string): OpenFile => {
      const file = `${path}${suffix}`
      const found = find(file)
      if (found === undefined) throw new FileTaken(`${file} was deleted while it was being opened`)
      return { path: file, device: found.dev, inode: found.ino }
    }
    this.#holding = HOLDING.map(open)
    this.#guarding = GUARDING.map(open)
  }

  /** Null as long as the files with the data are at their paths; the other files are checked now and then. */
  check(): Taken | null {
    const error = firstTaken(this.#holding)
    if (error !== null) return { error, canRescue: firstTaken(this.#guarding) === null }
    const now = performance.now()
    if (now - this.#guardedAt < LIMITS.fileCheckMs) return null
    this.#guardedAt = now
    const guarding = firstTaken(this.#guarding)
    return guarding && { error: guarding, canRescue: false }
  }
}

function firstTaken(files: readonly OpenFile[]): FileTaken | null {
  for (const { path, device, inode } of files) {
    const found = find(path)
    if (found !== undefined && found.ino === inode && found.dev === device) continue
    const what = found === undefined ? 'deleted or moved away' : 'replaced by another file'
    return new FileTaken(`${path} was ${what} while the gateway was running`)
  }
  return null
}

/** Undefined when there is no such file. Numbers are bigints: an inode may need more digits than a number has. */
function find(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })
}
