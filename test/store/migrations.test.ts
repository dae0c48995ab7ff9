import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MIGRATIONS as POSTGRES } from '../../src/store/postgres/migrations.ts'
import { MIGRATIONS as SQLITE } from '../../src/store/sqlite/migrations.ts'
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { temporaryDirectory } from '../acceptance/gateway.ts'
import { A, APP, claim, newId, ORG, T0 } from '../conformance/builders.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'

const missing = missingPostgres()

const [msgId, endpointId] = [newId('msg'), newId('ep')]

/** A message that waits, as the first version of the schema has it. */
const ROWS = `
  INSERT INTO delivery (app_id, msg_id, endpoint_id, run, state, due_at)
    VALUES ('${APP}', '${msgId}', '${endpointId}', 0, 'pending', ${T0});
  INSERT INTO lane (app_id, endpoint_id, retry, wake_at, oldest_due_at, size)
    VALUES ('${APP}', '${endpointId}', 0, ${T0}, ${T0}, 1);
  ${[newId('qtask'), newId('qtask'), newId('qtask')]
    .map(
      (
        id,
      ) => `INSERT INTO task (org_id, id, kind, app_id, endpoint_id, since, until, status, position, added, created_at, updated_at)
        VALUES ('${ORG}', '${id}', 'endpoint.replay', '${APP}', '${endpointId}', 0, 1, 'running', '', 0, ${T0}, ${T0});`,
    )
    .join('\n')}`
/** What was begun goes on, of each kind one after the other. */
async function finishTasks(store: Store): Promise<number> {
  for (let i = 0; i < 10; i++) if ((await store.stepTask(T0, 10)).task === null) break
  const page = { limit: 10, after: null, order: 'ascending' } as const
  return (await store.listTasks({ orgId: ORG, status: 'finished', kind: null }, page)).length
}
const MESSAGE = `'${APP}', '${msgId}', 'user.created', 'application/json', ${T0}, ${T0 + 3_600_000}`

const EXPECTED = [{ msgId, endpointId, hops: 0 }]

test('messages of a SQLite file of the first version have come through no other gateway', async () => {
  using directory = temporaryDirectory()
  const path = `${directory.path}/hookferry.db`
  {
    using db = new DatabaseSync(path)
    db.exec(`${SQLITE[0]!.sql}; PRAGMA application_id = 1214989945; PRAGMA user_version = 1;
      INSERT INTO msg (app_id, id, event_type, content_type, received_at, expires_at, payload) VALUES (${MESSAGE}, x'7b7d');
      ${ROWS}`)
  }
  await using store = await openSqliteStore({ path })
  expect((await claim(store, A)).deliveries).toMatchObject(EXPECTED)
  expect(await finishTasks(store)).toBe(3)
})

describe.skipIf(missing !== null)('PostgreSQL', () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  test('messages of a database of the first version have come through no other gateway', async () => {
    const url = await server!.createDatabase()
    await server!.sql(
      url,
      `CREATE TABLE hookferry_schema (version INTEGER NOT NULL); INSERT INTO hookferry_schema VALUES (1);
       ${POSTGRES[0]!.sql}
       INSERT INTO msg (app_id, id, event_type, content_type, received_at, expires_at, payload_bytes) VALUES (${MESSAGE}, 2);
       INSERT INTO payload (app_id, msg_id, expires_at, bytes) VALUES ('${APP}', '${msgId}', ${T0 + 3_600_000}, '{}');
       ${ROWS}`,
    )
    await using store = await openPostgresStore({ url, allowUnsafeFsync: true })
    expect((await claim(store, A)).deliveries).toMatchObject(EXPECTED)
    expect(await finishTasks(store)).toBe(3)
  })
})
