/** What is due is attempted because somebody told of it: no node looks by itself here. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_APP_UID, DEFAULT_ORG } from '../../src/domain/application.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { Caller, JWT_SECRET, orgToken } from '../svix/sdk-gateway.ts'
import { eventually, type Gateway, startGateway } from './gateway.ts'
import { switchPollsOff } from './no-polls.ts'
import { startReceiver } from './receiver.ts'

switchPollsOff()

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

const ALONE = 'one node on SQLite'
const NODES = 'an api and a worker node on PostgreSQL'
const WITH_REDIS = 'an api and a worker node on PostgreSQL with Redis'

describe.each([ALONE, NODES, WITH_REDIS])('%s', (which) => {
  const isMissing = (which !== ALONE && missingPostgres() !== null) || (which === WITH_REDIS && missingRedis() !== null)
  let postgres: PostgresServer | null = null
  let redis: RedisServer | null = null
  let api: Gateway
  let worker: Gateway | null = null

  beforeAll(async () => {
    if (isMissing) return
    const shared: NodeJS.ProcessEnv = { JWT_SECRET, API_KEY: 'management-key', HOST: '127.0.0.1' }
    if (which !== ALONE) {
      postgres = await startPostgres({ fsync: 'on' })
      shared['DATABASE_URL'] = await postgres.createDatabase()
      if (which === WITH_REDIS) redis = await startRedis()
      if (redis !== null) shared['REDIS_URL'] = redis.url
      worker = await startGateway({ ...shared, ROLE: 'worker' })
      shared['ROLE'] = 'api'
    }
    api = await startGateway(shared)
    api.headers = { authorization: 'Bearer management-key' }
  })
  afterAll(async () => {
    await api?.[Symbol.asyncDispose]()
    await worker?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
    await postgres?.[Symbol.asyncDispose]()
  })

  const caller = () => new Caller(api, orgToken(DEFAULT_ORG))

  /** An event whose only attempt has failed, at a receiver that takes the next one. */
  async function failedOnce() {
    const hook = receiver.hook(500, 200)
    const subscription = await api.subscribe({ target_url: hook.url, retry_schedule: [] })
    const { id } = await api.ingest(subscription)
    await api.messageWhen(id, 'failed')
    return { hook, id, subscription }
  }

  test.skipIf(isMissing)('attempts a new event, and again when its retry is due', async () => {
    const hook = receiver.hook(500, 500, 200)
    const { id } = await api.ingest(await api.subscribe({ target_url: hook.url }))
    await api.messageWhen(id, 'delivered')
    expect(hook.received).toHaveLength(3)
  })

  test.skipIf(isMissing)('makes the attempt that is asked for by hand', async () => {
    const { hook, id } = await failedOnce()
    await api.ask(`/deliveries/${id}/retry`, { method: 'POST' })
    expect(await eventually(() => hook.received.length === 2)).toBe(true)
  })

  test.skipIf(isMissing)('makes the attempt that is asked for through the Svix API', async () => {
    const { hook, id, subscription } = await failedOnce()
    await caller().svix.messageAttempt.resend(DEFAULT_APP_UID, id, subscription.id)
    expect(await eventually(() => hook.received.length === 2)).toBe(true)
  })

  test.skipIf(isMissing)('recovers what has failed', async () => {
    const { hook, subscription } = await failedOnce()
    const since = new Date(Date.now() - 60_000)
    await caller().svix.endpoint.recover(DEFAULT_APP_UID, subscription.id, { since })
    expect(await eventually(() => hook.received.length === 2)).toBe(true)
  })
})
