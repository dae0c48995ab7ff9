import { existsSync } from 'node:fs'
import { type EncryptionKey, keyIdOf } from '../../domain/encryption.ts'
import { metaPlace } from '../secret-text.ts'
import { openReader } from './database.ts'
import { checkKeys, fileKeys } from './encryption.ts'

/**
 * A secret of the installation, read beside a gateway that may be running; null when there is none yet. `keys` are
 * those of ENCRYPTION_KEY; without any, the key file is read. Throws `UnusableDatabase` when none of the keys is the
 * right one.
 */
export function readSecret(path: string, name: string, keys: readonly EncryptionKey[]): string | null {
  if (!existsSync(path)) return null
  const db = openReader(path)
  try {
    const row = db.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)
    if (row === undefined) return null
    const id = keyIdOf(row.value)
    const encryption = checkKeys(path, keys.length > 0 ? keys : fileKeys(path), id === null ? [] : [id])
    return encryption.decrypt(row.value, metaPlace(name))
  } finally {
    db.close()
  }
}
