/** Opens the encryption of a file: finds the keys that it needs, and leaves no secret in the clear. */
import { randomBytes } from 'node:crypto'
import { Encryption, type EncryptionKey } from '../../domain/encryption.ts'
import { missingKey, renewMeta, renewRow, type SecretRow } from '../keys.ts'
import type { Change, MetaRow } from '../rekey.ts'
import { SECRET_ROWS, secretTable } from '../secret-text.ts'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import { type Database, transaction } from './database.ts'
import { keyFileOf, makeKeyFile, readKeyFile } from './key-file.ts'

export interface Prepared {
  /** Newest first; at least one. */
  keys: readonly EncryptionKey[]
  /** Facts that the operator has to know, one sentence each. */
  notices: string[]
}

/**
 * Uses the keys of ENCRYPTION_KEY, or those of the key file, which is made for a database that has no key yet. From
 * then on all secrets are encrypted; those that were in the clear are encrypted at once. Only the holder of the lock
 * may call this. Throws `UnusableDatabase`, which names the missing key.
 */
export function prepareEncryption(db: Database, path: string, given: readonly EncryptionKey[]): Prepared {
  const used = usedKeys(db)
  const found = given.length > 0 ? given : fileKeys(path)
  const notices: string[] = []
  let keys = found
  if (found.length === 0 && used.length === 0) {
    keys = makeKeyFile(path)
    notices.push(`made ${keyFileOf(path)}, the key of the secrets in ${path}: without it a backup has no secrets`)
  }
  const encryption = checkKeys(path, keys, used)
  if (!used.includes(encryption.keyId!)) {
    const encrypted = begin(db, encryption, used.length === 0)
    if (encrypted > 0)
      notices.push(
        `encrypted what was secret and in the clear: ${encrypted} records. Older backups of ${path} still have them in the clear`,
      )
  }
  return { keys, notices }
}

/** Ids of the keys under which records may be. */
export const usedKeys = (db: Database): string[] =>
  db.all<{ id: string }>('SELECT id FROM encryption_key ORDER BY id').map(({ id }) => id)

/** Throws `UnusableDatabase` when one of `used` is missing. */
export function checkKeys(path: string, keys: readonly EncryptionKey[], used: readonly string[]): Encryption {
  const encryption = new Encryption(keys, randomBytes)
  const problem = missingKey(encryption, used, { where: path, advice: adviceFor(path, used) })
  if (problem !== null) throw new UnusableDatabase(problem)
  return encryption
}

function adviceFor(path: string, used: readonly string[]): string {
  const file = keyFileOf(path)
  try {
    const beside = readKeyFile(path).map(({ id }) => id)
    if (used.every((id) => beside.includes(id)))
      return `${file} has it; put what is in there behind the newest key of ENCRYPTION_KEY, with a comma between`
    if (beside.length > 0)
      return `${file} is another database's; restore the one that belongs to ${path}, or set ENCRYPTION_KEY`
  } catch {
    // A damaged file has no key to offer.
  }
  return `restore ${file} from where it is backed up, or set ENCRYPTION_KEY`
}

/** The keys of the file beside the database. */
export function fileKeys(path: string): readonly EncryptionKey[] {
  try {
    return readKeyFile(path)
  } catch (error) {
    throw new UnusableDatabase((error as Error).message, { cause: error })
  }
}

/** Notes that records may be under this key from now on, and encrypts those in the clear. Returns their number. */
function begin(db: Database, encryption: Encryption, isFirst: boolean): number {
  // Text that was in the clear must not stay behind in free space of the file.
  db.exec('PRAGMA secure_delete = ON')
  const encrypted = transaction(db, () => {
    db.run('INSERT INTO encryption_key (id) VALUES (?)', encryption.keyId)
    return isFirst ? encryptAll(db, encryption) : 0
  })
  // Nor in the log: it is overwritten from its beginning, and cut.
  if (encrypted > 0) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.exec('PRAGMA secure_delete = OFF')
  return encrypted
}

function encryptAll(db: Database, encryption: Encryption): number {
  let encrypted = 0
  for (const before of db.all<SecretRow>(`SELECT * FROM ${SECRET_ROWS}`)) {
    const after = renewRow(encryption, before)
    if (after === null) continue
    replaceSecrets(db, { before, after })
    encrypted++
  }
  for (const before of db.all<MetaRow>('SELECT name, value FROM meta')) {
    const value = renewMeta(encryption, before)
    if (value === null) continue
    replaceMeta(db, { before, after: { ...before, value } })
    encrypted++
  }
  return encrypted
}

/** Replaces the secrets of one row, unless they were changed meanwhile. */
export function replaceSecrets(db: Database, { before, after }: Change<SecretRow>): void {
  const of = [before.app_id, before.id, before.secrets] as const
  if (secretTable(before.id) === 'source')
    db.run('UPDATE source SET secrets = ?4 WHERE app_id = ?1 AND id = ?2 AND secrets = ?3', ...of, after.secrets)
  else
    db.run(
      `UPDATE endpoint SET secrets = ?4, headers = ?5
       WHERE app_id = ?1 AND id = ?2 AND secrets = ?3 AND headers = ?6`,
      ...of,
      after.secrets,
      after.headers,
      before.headers,
    )
}

/** Replaces one value of `meta`, unless it was changed meanwhile. */
export function replaceMeta(db: Database, { before, after }: Change<MetaRow>): void {
  db.run('UPDATE meta SET value = ? WHERE name = ? AND value = ?', after.value, before.name, before.value)
}
