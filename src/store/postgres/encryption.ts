/**
 * Opens the encryption of a database: finds the keys that it needs. Secrets in the clear stay so until `hookferry
 * rekey`, for there may be many.
 */
import { randomBytes } from 'node:crypto'
import { Encryption, type EncryptionKey } from '../../domain/encryption.ts'
import { missingKey } from '../keys.ts'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import type { Pool } from './database.ts'

const WHERE = 'the PostgreSQL database'
const IN_THE_CLEAR =
  'ENCRYPTION_KEY is not set: secrets of endpoints, custom headers and the key that signs tokens are stored in the clear, for ' +
  'whoever can read the database or a backup of it. `openssl rand -base64 32` makes a key; every node needs the same one'
const NOT_YET =
  'what was stored before there was an ENCRYPTION_KEY is in the clear until `hookferry rekey` has encrypted it'

/** Throws `UnusableDatabase`, which names the missing key. */
export async function prepareEncryption(
  pool: Pool,
  keys: readonly EncryptionKey[],
): Promise<{ encryption: Encryption; notices: string[] }> {
  const encryption = new Encryption(keys, randomBytes)
  const used = await usedKeys(pool)
  refuseMissingKey(encryption, used)
  if (encryption.keyId === null) return { encryption, notices: [IN_THE_CLEAR] }
  // Noted before any record is written under the key: from now on no node starts without this key.
  await pool.write('INSERT INTO encryption_key (id) VALUES ($1) ON CONFLICT DO NOTHING', encryption.keyId)
  return { encryption, notices: (await hasPlain(pool, used.length === 0)) ? [NOT_YET] : [] }
}

/** Throws `UnusableDatabase` when one of `used` is missing. */
export function refuseMissingKey(encryption: Encryption, used: readonly string[]): void {
  const advice = 'set ENCRYPTION_KEY to the keys of the other nodes'
  const problem = missingKey(encryption, used, { where: WHERE, advice })
  if (problem !== null) throw new UnusableDatabase(problem)
}

/** Ids of the keys under which records may be. */
export const usedKeys = async (pool: Pool): Promise<string[]> =>
  (await pool.read<{ id: string }>('SELECT id FROM encryption_key ORDER BY id')).map(({ id }) => id)

/**
 * True when there are secrets in the clear. Endpoints are searched only at the first start with a key. Rekeying
 * encrypts the key that signs tokens last.
 */
async function hasPlain(pool: Pool, isFirst: boolean): Promise<boolean> {
  const [meta] = await pool.read("SELECT 1 AS found FROM meta WHERE name = 'jwt' AND value NOT LIKE 'enc:%'")
  if (meta !== undefined || !isFirst) return meta !== undefined
  const [endpoint] = await pool.read(
    `SELECT 1 AS found FROM endpoint
     WHERE (secrets <> '[]' AND secrets NOT LIKE 'enc:%') OR (headers <> '{}' AND headers NOT LIKE 'enc:%')
     UNION ALL SELECT 1 FROM source WHERE secrets <> '[]' AND secrets NOT LIKE 'enc:%' LIMIT 1`,
  )
  return endpoint !== undefined
}
