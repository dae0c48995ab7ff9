import type { Extras } from '../port/accept.ts'
import { acceptIn } from './accept.ts'
import { keepAnswer, takeBackAnswer } from './answers.ts'
import type { Session, Writing } from './database.ts'
import { PAYLOAD, type Partitions } from './partitions.ts'

/** The context of a write that may bring messages along. */
export interface Writer extends Writing {
  partitions: Partitions
}

/**
 * Does a write unless its request was answered before. When the write was `done`, its answer and its announcements are
 * stored.
 *
 * The answer is inserted first. So the same request at another node waits for the end of this transaction, instead of
 * finding that its uid is taken, or that its endpoint was changed, by this very request. `write` may be run several
 * times, and must not have changed anything when it is not done.
 */
export async function once<R extends string>(
  { pool, partitions }: Writer,
  extras: Extras | undefined,
  done: NoInfer<R>,
  write: (session: Session) => Promise<R>,
): Promise<R | 'replayed'> {
  const { answer, announce } = extras ?? { answer: null, announce: [] }
  await partitions.ready(
    PAYLOAD,
    announce.map(({ message }) => message.expiresAt),
  )
  return pool.transaction(async (session) => {
    if (answer !== null && !(await keepAnswer(session, answer))) return 'replayed'
    const result = await write(session)
    if (result === done) await acceptIn(session, announce)
    else if (answer !== null) await takeBackAnswer(session, answer)
    return result
  })
}
