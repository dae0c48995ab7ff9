/**
 * Database acts of commands, beside a running gateway or without one. Like `app/store.ts`, this file knows the concrete
 * stores.
 */
import type { Config, Secrets } from '../config.ts'
import type { Finding } from '../domain/finding.ts'
import type { Clock } from '../lib/clock.ts'
import type { CopyOptions } from '../store/copy/copy.ts'
import type { Backup, BackupOptions } from '../store/sqlite/backup.ts'
import type { Rekeyed } from '../store/rekey.ts'

/** Copies a SQLite file into a PostgreSQL database that is empty or holds the beginning of this copy. */
export async function copyData(
  path: string,
  { databaseUrl, encryptionKeys }: Secrets,
  told: Pick<CopyOptions, 'onProgress' | 'onNotice'>,
): Promise<Record<string, number>> {
  const { copyToPostgres } = await import('../store/copy/copy.ts')
  return copyToPostgres({ path, url: databaseUrl.reveal(), encryptionKeys, ...told })
}

/** Encrypts the secrets in the database with the newest key. */
export async function rekeyData(
  { database }: Config,
  { databaseUrl, encryptionKeys }: Secrets,
  onProgress: (done: { rewritten: number }) => void,
): Promise<Rekeyed> {
  if (database.engine === 'sqlite') {
    const { rekeySqlite } = await import('../store/sqlite/rekey.ts')
    return rekeySqlite(database.path, encryptionKeys, onProgress)
  }
  const { rekeyPostgres } = await import('../store/postgres/rekey.ts')
  return rekeyPostgres(databaseUrl.reveal(), encryptionKeys, onProgress)
}

/** Copies the SQLite file at `path`; `advice` names what the copy is useless without. */
export async function backupData(
  path: string,
  { encryptionKeys: keys }: Secrets,
  options: Pick<BackupOptions, 'target' | 'isForced' | 'signal'>,
): Promise<Backup & { advice: string }> {
  const { backupSqlite, sayKey } = await import('../store/sqlite/backup.ts')
  const backup = await backupSqlite({ ...options, path, keys })
  return { ...backup, advice: sayKey(backup.key, path, options.target) }
}

/** Examines the store, and Redis if it is used, beside a gateway that may be running. Changes nothing. */
export async function examineData({ database, redis }: Config, secrets: Secrets, clock: Clock): Promise<Finding[]> {
  const { encryptionKeys: keys } = secrets
  if (database.engine === 'sqlite') {
    const { examineSqlite } = await import('../store/sqlite/examine.ts')
    return examineSqlite(database.path, keys, clock.now())
  }
  const { examinePostgres } = await import('../store/postgres/examine.ts')
  const ofStore = await examinePostgres(secrets.databaseUrl.reveal(), keys, () => clock.now())
  if (redis === null || secrets.redisUrl === null) return ofStore
  const { examineRedis } = await import('../redis/examine.ts')
  return [...ofStore, await examineRedis(secrets.redisUrl.reveal(), redis, clock)]
}
