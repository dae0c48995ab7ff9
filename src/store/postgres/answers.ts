import type { Answer } from '../once.ts'
import { type Pool, type Session, statement } from './database.ts'

const GET = statement(
  'answer-get',
  'SELECT status, body FROM answer WHERE org_id = $1 AND key = $2 AND expires_at > $3',
)

/** Whether the request was answered before, and the answer still stands. */
export const isReplay = async (session: Session, { orgId, key, at }: Answer): Promise<boolean> =>
  (await session.get(GET, orgId, key, at)) !== undefined

/**
 * Takes the place of one that has expired. Where another node has answered meanwhile, this fails and the transaction is
 * run again, to find that answer.
 */
export async function keepAnswer(session: Session, { orgId, key, status, body, at, expiresAt }: Answer): Promise<void> {
  await session.run('DELETE FROM answer WHERE org_id = $1 AND key = $2 AND expires_at <= $3', orgId, key, at)
  await session.run(
    'INSERT INTO answer (org_id, key, status, body, expires_at) VALUES ($1, $2, $3, $4, $5)',
    orgId,
    key,
    status,
    body,
    expiresAt,
  )
}

export const saveAnswer = (pool: Pool, answer: Answer): Promise<'saved' | 'replayed'> =>
  pool.transaction(async (session) => {
    if (await isReplay(session, answer)) return 'replayed'
    await keepAnswer(session, answer)
    return 'saved'
  })

export async function getAnswer(
  pool: Pool,
  orgId: string,
  key: string,
  now: number,
): Promise<Pick<Answer, 'status' | 'body'> | null> {
  const [row] = await pool.read<{ status: number; body: string }>(GET, orgId, key, now)
  return row ?? null
}

const PRUNE = statement(
  'prune-answers',
  `WITH old AS (
     SELECT org_id, key FROM answer WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
   )
   DELETE FROM answer a USING old o WHERE a.org_id = o.org_id AND a.key = o.key RETURNING 1 AS done`,
)

export const pruneAnswers = async (pool: Pool, now: number, max: number): Promise<number> =>
  (await pool.write(PRUNE, now, max)).length
