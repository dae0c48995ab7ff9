import { sourceContents, sourceInsert } from '../rows/source.ts'
import type { StoredSource } from '../source-codec.ts'
import { isLiveApplication } from './applications.ts'
import { bound, type Database } from './database.ts'

const INSERT = `INSERT INTO source (${sourceInsert.names}) VALUES (${sourceInsert.places()})`
const UPDATE = `UPDATE source SET ${sourceContents.assignments(3)} WHERE app_id = $1 AND id = $2`

const isNameTaken = (db: Database, { appId, name, id }: StoredSource): boolean =>
  db.get('SELECT 1 FROM source WHERE app_id = ? AND name = ? AND id <> ?', appId, name, id) !== undefined

export function createSource(
  db: Database,
  source: StoredSource,
  max: number,
): 'created' | 'name_taken' | 'unknown' | 'limit_reached' {
  if (!isLiveApplication(db, source.appId)) return 'unknown'
  if (isNameTaken(db, source)) return 'name_taken'
  const { n } = db.get<{ n: number }>('SELECT count(*) AS n FROM source WHERE app_id = ?', source.appId)!
  if (n >= max) return 'limit_reached'
  db.run(INSERT, ...bound(sourceInsert.values(source)))
  return 'created'
}

export function updateSource(
  db: Database,
  source: StoredSource,
  unchangedSince: number,
): 'updated' | 'changed' | 'unknown' | 'name_taken' {
  const of = [source.appId, source.id] as const
  const before = db.get<{ updated_at: number }>('SELECT updated_at FROM source WHERE app_id = ? AND id = ?', ...of)
  if (before === undefined) return 'unknown'
  if (before.updated_at !== unchangedSince) return 'changed'
  if (isNameTaken(db, source)) return 'name_taken'
  db.run(UPDATE, ...of, ...bound(sourceContents.values(source)))
  return 'updated'
}

export const deleteSource = (db: Database, appId: string, id: string): boolean =>
  db.run('DELETE FROM source WHERE app_id = ? AND id = ?', appId, id) > 0
