import type { Answer } from '../port/answers.ts'
import type { Database } from './database.ts'
import { READS } from './reads.ts'

/** True when the request was answered before and that answer has not expired. */
export const isReplay = (db: Database, { orgId, key, at }: Answer): boolean =>
  READS.getAnswer(db, orgId, key, at) !== null

export function keepAnswer(db: Database, { orgId, key, status, body, expiresAt }: Answer): void {
  db.run(
    `INSERT INTO answer (org_id, key, status, body, expires_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET status = excluded.status, body = excluded.body, expires_at = excluded.expires_at`,
    orgId,
    key,
    status,
    body,
    expiresAt,
  )
}

export function saveAnswer(db: Database, answer: Answer): 'saved' | 'replayed' {
  if (isReplay(db, answer)) return 'replayed'
  keepAnswer(db, answer)
  return 'saved'
}

export function pruneAnswers(db: Database, now: number, max: number): number {
  const rows = db.all<{ org_id: string; key: string }>(
    'SELECT org_id, key FROM answer WHERE expires_at <= ? ORDER BY expires_at LIMIT ?',
    now,
    max,
  )
  for (const row of rows) db.run('DELETE FROM answer WHERE org_id = ? AND key = ?', row.org_id, row.key)
  return rows.length
}
