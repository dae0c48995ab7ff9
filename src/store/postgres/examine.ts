/** Examines a database for `hookferry doctor`: nothing is made or migrated, and other nodes do not notice. */
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { Encryption, type EncryptionKey } from '../../domain/encryption.ts'
import { compareClocks, fail, type Finding, fine, warn } from '../../domain/finding.ts'
import { missingKey } from '../keys.ts'
import { UnusableDatabase } from '../shared/unusable-database.ts'
import { connectionConfig } from './database.ts'
import { SCHEMA_VERSION } from './migrations.ts'
import { checkServer, explain, nameOf } from './start.ts'

const TIMEOUT_MS = 5_000

export async function examinePostgres(
  url: string,
  keys: readonly EncryptionKey[],
  now: () => number,
): Promise<Finding[]> {
  const settings = { lock_timeout: TIMEOUT_MS, statement_timeout: TIMEOUT_MS }
  const client = new Client(connectionConfig({ url, settings, connectTimeoutMs: TIMEOUT_MS }))
  client.on('error', () => {})
  const findings: Finding[] = []
  try {
    await client.connect()
    await checkServer(client, { url, allowUnsafeFsync: false })
    findings.push(await examineClock(client, now))
    findings.push(...(await examineSchema(client, { url, keys })))
  } catch (error) {
    findings.push(fail('store', (error instanceof UnusableDatabase ? error : explain(error, url)).message))
  } finally {
    await client.end().catch(() => {})
  }
  return findings
}

async function examineClock(client: Client, now: () => number): Promise<Finding> {
  const before = now()
  const { rows } = await client.query<{ at: string }>('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS at')
  return compareClocks((before + now()) / 2, Number(rows[0]!.at), "PostgreSQL's clock")
}

interface Examined {
  url: string
  keys: readonly EncryptionKey[]
}

async function examineSchema(client: Client, { url, keys }: Examined): Promise<Finding[]> {
  const found = await client.query<{ name: string | null }>("SELECT to_regclass('hookferry_schema') AS name")
  if (found.rows[0]?.name == null) return [fine('store', `${nameOf(url)} answers; the first start makes the schema`)]
  const { rows } = await client.query<{ version: number }>('SELECT version FROM hookferry_schema')
  const version = rows[0]?.version ?? 0
  if (version > SCHEMA_VERSION)
    return [
      fail('store', `schema ${version} is of a newer Hookferry; this one knows ${SCHEMA_VERSION}`, 'run that version'),
    ]
  if (version < SCHEMA_VERSION)
    return [
      warn(
        'store',
        `schema ${version}, and this version needs ${SCHEMA_VERSION}`,
        'back it up: the next start migrates it',
      ),
    ]
  const used = await client.query<{ id: string }>('SELECT id FROM encryption_key ORDER BY id')
  const missing = missingKey(
    new Encryption(keys, randomBytes),
    used.rows.map(({ id }) => id),
    { where: nameOf(url), advice: 'add it to ENCRYPTION_KEY' },
  )
  return [
    fine('store', `${nameOf(url)} answers, with schema ${version}`),
    missing === null ? fine('key', 'the keys of the secrets in it are there') : fail('key', missing),
    await examineCommit(client),
  ]
}

/** Commits one empty row, as the gateway's own probe does. */
async function examineCommit(client: Client): Promise<Finding> {
  const started = performance.now()
  await client.query(
    "INSERT INTO meta (name, value) VALUES ('probe', '') ON CONFLICT (name) DO UPDATE SET value = excluded.value",
  )
  return fine('commit', `a commit took ${(performance.now() - started).toFixed(1)} ms`)
}
