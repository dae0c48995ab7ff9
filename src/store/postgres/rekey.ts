import { randomBytes } from 'node:crypto'
import { Encryption, type EncryptionKey } from '../../domain/encryption.ts'
import { type Rekeyed, rekey, type SecretRows } from '../rekey.ts'
import { SECRET_ROWS, secretTable } from '../secret-text.ts'
import { Pool } from './database.ts'
import { refuseMissingKey, usedKeys } from './encryption.ts'
import { SCHEMA_VERSION_NOW, schemaProblem, sessionSettings } from './start.ts'

const TIMEOUT_MS = 60_000

/** Brings a database under the newest key of ENCRYPTION_KEY while nodes run on it. Throws an Error of one line. */
export async function rekeyPostgres(
  url: string,
  keys: readonly EncryptionKey[],
  onProgress: (done: { rewritten: number }) => void,
): Promise<Rekeyed> {
  if (keys.length === 0) throw new Error('ENCRYPTION_KEY is not set, so there is nothing to encrypt with')
  const settings = { ...sessionSettings('on'), statement_timeout: TIMEOUT_MS }
  const pool = new Pool({
    url,
    settings,
    max: 1,
    connectTimeoutMs: 5_000,
    queryTimeoutMs: TIMEOUT_MS,
    onTrouble: () => {},
  })
  try {
    const [schema] = await pool.read<{ version: number }>(SCHEMA_VERSION_NOW)
    const problem = schemaProblem(schema?.version)
    if (problem !== null) throw new Error(problem.replace('this gateway', 'this version'))
    const encryption = new Encryption(keys, randomBytes)
    refuseMissingKey(encryption, await usedKeys(pool))
    return await rekey(rowsOf(pool), encryption, onProgress)
  } finally {
    await pool.close()
  }
}

const rowsOf = (pool: Pool): SecretRows => ({
  usedKeys: () => usedKeys(pool),
  secrets: (after, max) =>
    pool.read(
      `SELECT * FROM ${SECRET_ROWS} s WHERE (app_id, id) > ($1, $2) ORDER BY app_id, id LIMIT $3`,
      after?.app_id ?? '',
      after?.id ?? '',
      max,
    ),
  meta: () => pool.read('SELECT name, value FROM meta ORDER BY name'),
  async replaceSecrets(changes) {
    await pool.transaction(async (session) => {
      for (const { before, after } of changes) {
        const of = [before.app_id, before.id, before.secrets, after.secrets] as const
        if (secretTable(before.id) === 'source')
          await session.run('UPDATE source SET secrets = $4 WHERE app_id = $1 AND id = $2 AND secrets = $3', ...of)
        else
          await session.run(
            `UPDATE endpoint SET secrets = $4, headers = $5
             WHERE app_id = $1 AND id = $2 AND secrets = $3 AND headers = $6`,
            ...of,
            after.headers,
            before.headers,
          )
      }
    })
  },
  async replaceMeta(changes) {
    await pool.transaction(async (session) => {
      for (const { before, after } of changes)
        await session.run(
          'UPDATE meta SET value = $1 WHERE name = $2 AND value = $3',
          after.value,
          before.name,
          before.value,
        )
    })
  },
  async forgetKeys(ids) {
    for (const id of ids) await pool.write('DELETE FROM encryption_key WHERE id = $1', id)
  },
})
