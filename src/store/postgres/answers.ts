import type { Answer } from '../port/answers.ts'
import { type Pool, type Writing, type Session, statement } from './database.ts'

/**
 * Keeps an answer. The statement waits for another transaction that is about to answer the same request. An expired
 * answer is replaced; against one that has not expired the statement does nothing.
 */
const KEEP = statement(
  'answer-keep',
  `INSERT INTO answer AS a (org_id, key, status, body, expires_at) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (org_id, key) DO UPDATE SET status = excluded.status, body = excluded.body, expires_at = excluded.expires_at
     WHERE a.expires_at <= $6
   RETURNING 1 AS kept`,
)

const valuesOf = ({ orgId, key, status, body, expiresAt, at }: Answer) =>
  [orgId, key, status, body, expiresAt, at] as const

/** False when the request was answered before and that answer has not expired. */
export const keepAnswer = async (session: Session, answer: Answer): Promise<boolean> =>
  (await session.run(KEEP, ...valuesOf(answer))) > 0

/** Removes the answer again: the write that it answers was not done. */
export const takeBackAnswer = (session: Session, { orgId, key }: Answer): Promise<number> =>
  session.run('DELETE FROM answer WHERE org_id = $1 AND key = $2', orgId, key)

export const saveAnswer = async ({ pool }: Writing, answer: Answer): Promise<'saved' | 'replayed'> =>
  (await pool.write(KEEP, ...valuesOf(answer))).length > 0 ? 'saved' : 'replayed'

const PRUNE = statement(
  'prune-answers',
  `WITH old AS (
     SELECT org_id, key FROM answer WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
   )
   DELETE FROM answer a USING old o WHERE a.org_id = o.org_id AND a.key = o.key RETURNING 1 AS done`,
)

export const pruneAnswers = async (pool: Pool, now: number, max: number): Promise<number> =>
  (await pool.write(PRUNE, now, max)).length
