import type { Extras } from '../port/accept.ts'
import { acceptIn } from './accept.ts'
import { keepAnswer, takeBackAnswer } from './answers.ts'
import type { Session, Writing } from './database.ts'
import { PAYLOAD, type Partitions } from './partitions.ts'

/** What a write needs that may bring messages along. */
export interface Writer extends Writing {
  partitions: Partitions
}

/**
 * Does a write unless its request was answered before; when it was `done`, its answer and what tells of it are stored.
 *
 * The answer comes first: the same request at another node waits there for the end of this transaction, instead of finding
 * the uid taken or the endpoint changed by what it asks for itself. `write` may be run several times, and must not have
 * changed anything when it is not done.
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
