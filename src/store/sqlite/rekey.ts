import { existsSync } from 'node:fs'
import type { EncryptionKey } from '../../domain/encryption.ts'
import { type Rekeyed, rekey } from '../rekey.ts'
import { SECRET_ROWS } from '../secret-text.ts'
import { type Database, openBeside, transaction } from './database.ts'
import { checkKeys, fileKeys, replaceMeta, replaceSecrets, usedKeys } from './encryption.ts'

/**
 * Brings a file under the newest key of ENCRYPTION_KEY, or of the key file. A gateway may be running on the file.
 * Throws an Error of one line.
 */
export async function rekeySqlite(
  path: string,
  given: readonly EncryptionKey[],
  onProgress: (done: { rewritten: number }) => void,
): Promise<Rekeyed> {
  if (!existsSync(path)) throw new Error(`${path} does not exist`)
  const db = openBeside(path)
  try {
    const keys = given.length > 0 ? given : fileKeys(path)
    const encryption = checkKeys(path, keys, usedKeys(db))
    // Text under the old key must not stay behind in free space of the file.
    db.exec('PRAGMA secure_delete = ON')
    return await rekey(rowsOf(db), encryption, onProgress)
  } finally {
    // The log is emptied as far as readers allow; the gateway's own checkpoints empty the rest.
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    db.close()
  }
}

const rowsOf = (db: Database): Parameters<typeof rekey>[0] => ({
  usedKeys: async () => usedKeys(db),
  secrets: async (after, max) =>
    db.all(
      `SELECT * FROM ${SECRET_ROWS} WHERE (app_id, id) > (?, ?) ORDER BY app_id, id LIMIT ?`,
      after?.app_id ?? '',
      after?.id ?? '',
      max,
    ),
  meta: async () => db.all('SELECT name, value FROM meta ORDER BY name'),
  replaceSecrets: async (changes) => transaction(db, () => changes.forEach((change) => replaceSecrets(db, change))),
  replaceMeta: async (changes) => transaction(db, () => changes.forEach((change) => replaceMeta(db, change))),
  forgetKeys: async (ids) =>
    transaction(db, () => ids.forEach((id) => db.run('DELETE FROM encryption_key WHERE id = ?', id))),
})
