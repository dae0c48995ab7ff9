/** `hookferry doctor` on PostgreSQL and Redis. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { examineData } from '../../src/cli/database.ts'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'

const missing = missingPostgres() ?? missingRedis()

describe.skipIf(missing !== null)('hookferry doctor on PostgreSQL', () => {
  let postgres: PostgresServer
  let redis: RedisServer
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: 'on' })
    redis = await startRedis()
  })
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]()
    await redis[Symbol.asyncDispose]()
  })

  const KEY = Buffer.alloc(32, 1).toString('base64')
  const examined = async (environment: NodeJS.ProcessEnv, now = () => systemClock.now()) => {
    const { config, secrets } = readConfig(environment)
    const findings = await examineData(config, secrets, { ...systemClock, now })
    return Object.fromEntries(findings.map(({ check, state, says }) => [check, `${state}: ${says}`]))
  }

  test('tells an empty database from one with a schema, and checks key, clock, commits and Redis', async () => {
    const DATABASE_URL = await postgres.createDatabase()
    expect(await examined({ DATABASE_URL })).toEqual({
      clock: expect.stringMatching(/^ok/) as string,
      store: expect.stringMatching(/^ok.*first start makes the schema/) as string,
    })
    expect(await postgres.sql(DATABASE_URL, "SELECT to_regclass('hookferry_schema') AS name")).toEqual([{ name: null }])
    const { encryptionKeys } = readConfig({ ENCRYPTION_KEY: KEY }).secrets
    await (await openPostgresStore({ url: DATABASE_URL, encryptionKeys }))[Symbol.asyncDispose]()
    const all = await examined({ DATABASE_URL, ENCRYPTION_KEY: KEY, REDIS_URL: redis.url })
    expect(Object.keys(all).toSorted()).toEqual(['clock', 'commit', 'key', 'redis', 'store'])
    for (const one of Object.values(all)) expect(one).toMatch(/^ok/)
    expect(await examined({ DATABASE_URL })).toMatchObject({ key: expect.stringMatching(/^fail.*key/) as string })
    const behind = await examined({ DATABASE_URL, ENCRYPTION_KEY: KEY }, () => systemClock.now() - 60_000)
    expect(behind['clock']).toMatch(/^warn: (59|60)\.\d s from PostgreSQL/)
  })

  test('a server that is not there, or would lose data, fails without its password', async () => {
    const url = new URL(await postgres.createDatabase())
    url.password = 'wrong-password'
    url.port = '1'
    const { store } = await examined({ DATABASE_URL: url.href, REDIS_URL: 'redis://u:wrong-password@127.0.0.1:1' })
    expect(store).toMatch(/^fail/)
    const { redis: away } = await examined({
      DATABASE_URL: url.href,
      REDIS_URL: 'redis://u:wrong-password@127.0.0.1:1',
    })
    expect(away).toMatch(/^fail: 127\.0\.0\.1:1 does not answer/)
    expect(`${store}${away}`).not.toContain('wrong-password')
    await using unsafe = await startPostgres()
    expect(await examined({ DATABASE_URL: await unsafe.createDatabase() })).toEqual({
      store: expect.stringMatching(/^fail.*fsync is off/) as string,
    })
  })
})
