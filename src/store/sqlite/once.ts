import type { Extras } from '../port/accept.ts'
import { accept } from './accept.ts'
import { isReplay, keepAnswer } from './answers.ts'
import type { Database } from './database.ts'

/**
 * Does a write unless its request was answered before. When the write was `done`, its answer and its announcements are
 * stored.
 */
export function once<R extends string>(
  db: Database,
  extras: Extras | undefined,
  done: NoInfer<R>,
  write: () => R,
): R | 'replayed' {
  if (extras?.answer && isReplay(db, extras.answer)) return 'replayed'
  const result = write()
  if (result === done && extras !== undefined) {
    if (extras.answer !== null) keepAnswer(db, extras.answer)
    accept(db, extras.announce)
  }
  return result
}
