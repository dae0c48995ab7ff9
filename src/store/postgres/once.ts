import type { Extras } from '../once.ts'
import { acceptIn } from './accept.ts'
import { isReplay, keepAnswer } from './answers.ts'
import type { Pool, Session } from './database.ts'

/** Does a write unless its request was answered before; when it was `done`, its answer and what tells of it are stored. */
export const once = <R extends string>(
  pool: Pool,
  extras: Extras | undefined,
  done: NoInfer<R>,
  write: (session: Session) => Promise<R>,
): Promise<R | 'replayed'> =>
  pool.transaction(async (session) => {
    if (extras?.answer && (await isReplay(session, extras.answer))) return 'replayed'
    const result = await write(session)
    if (result === done && extras !== undefined) {
      if (extras.answer !== null) await keepAnswer(session, extras.answer)
      await acceptIn(session, extras.announce)
    }
    return result
  })
