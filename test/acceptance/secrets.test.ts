/** Whatever secret a gateway is given or makes, a dump of its database does not hold, nor Redis, nor its log. */
import { createHmac } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseEncryptionKeys } from '../../src/domain/encryption.ts'
import { readSecret } from '../../src/store/sqlite/read-secret.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { Caller } from '../svix/sdk-gateway.ts'
import { eventually, type Gateway, Program, startGateway, temporaryDirectory } from './gateway.ts'
import { type Receiver, startReceiver } from './receiver.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')
const SETTINGS = {
  API_KEY: 'management-key-of-this-test',
  WEBHOOK_SECRET: 'inbox-secret-of-this-test',
  SVIX_TOKEN: 'testsk_svix-token-of-this-test.eu',
  SVIX_APP_ID: 'app_of_this_test',
  SVIX_SERVER_URL: 'http://127.0.0.1:9',
  ENCRYPTION_KEY: base64('encryption key of this test ... '),
}
const SECRETS = {
  subscription: 'subscription-secret-of-this-test',
  endpoint: `whsec_${base64('endpoint secret of this test')}`,
  rotated: `whsec_${base64('rotated secret of this test ')}`,
  operational: `whsec_${base64('operational secret, this test')}`,
  authorization: 'Bearer credentials-of-this-test',
  custom: 'custom-header-value-of-this-test',
}

/** Uses everything that takes or makes a secret; returns all of them, by what they are. */
async function useSecrets(gateway: Gateway, receiver: Receiver, token: string): Promise<Record<string, string>> {
  const api = new Caller(gateway, token)
  const hook = receiver.hook()
  const headers = { authorization: `Bearer ${SETTINGS.API_KEY}` }
  const subscription = await gateway.send('/subscriptions', {
    headers,
    json: {
      target_url: hook.url,
      secret: SECRETS.subscription,
      headers: { authorization: SECRETS.authorization, 'x-custom': SECRETS.custom },
    },
  })
  expect(subscription.status).toBe(201)
  const { svix } = api
  await svix.application.create({ name: 'App', uid: 'app' })
  const endpoint = await svix.endpoint.create('app', { url: hook.url, secret: SECRETS.endpoint })
  await svix.endpoint.rotateSecret('app', endpoint.id, { key: SECRETS.rotated })
  await svix.endpoint.patchHeaders('app', endpoint.id, { headers: { authorization: SECRETS.authorization } })
  await svix.operationalWebhook.endpoint.create({ url: hook.url, secret: SECRETS.operational })
  const made = await svix.endpoint.create('app', { url: hook.url })
  const { key: generated } = await svix.endpoint.getSecret('app', made.id)
  const access = await svix.authentication.appPortalAccess('app', {}, { idempotencyKey: 'portal' })
  await svix.message.create('app', { eventType: 'a.b', payload: { hello: 'visible' } }, { idempotencyKey: 'message' })
  await eventually(() => hook.received.length >= 3)
  const [request] = hook.received.filter((one) => one.headers['authorization'] !== undefined)
  expect(request!.headers['authorization']).toBe(SECRETS.authorization)
  await gateway.send('/webhook', { json: {}, headers: { 'x-signature': 'no' } })
  const { ENCRYPTION_KEY, API_KEY, WEBHOOK_SECRET, SVIX_TOKEN } = SETTINGS
  return { ...SECRETS, generated, token, portal: access.token, ENCRYPTION_KEY, API_KEY, WEBHOOK_SECRET, SVIX_TOKEN }
}

/** Which of the secrets a dump holds, as they are or in the form in which their bytes could be written. */
const found = (secrets: Record<string, string>, dump: string): string[] =>
  Object.entries(secrets).flatMap(([name, secret]) =>
    [secret, secret.replace(/^whsec_/, ''), Buffer.from(secret).toString('hex')].some((form) => dump.includes(form))
      ? [name]
      : [],
  )

const tokenOf = (secret: string) => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256' })}.${part({ sub: 'org_dumped' })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

let receiver: Receiver
beforeAll(async () => {
  receiver = await startReceiver()
})
afterAll(() => receiver[Symbol.asyncDispose]())

test.each([
  ['a key file', ''],
  ['ENCRYPTION_KEY', SETTINGS.ENCRYPTION_KEY],
])('no secret is in the SQLite file, its log, or the gateway’s log, with %s', async (_, ENCRYPTION_KEY) => {
  using directory = temporaryDirectory()
  const files = () => globSync(`${directory.path}/*`).filter((file) => !file.endsWith('.key'))
  const dump = () =>
    files()
      .map((file) => readFileSync(file, 'latin1'))
      .join('\n')
  let secrets: Record<string, string>
  {
    await using gateway = await startGateway({ ...SETTINGS, ENCRYPTION_KEY }, directory.path)
    const parsed = parseEncryptionKeys(ENCRYPTION_KEY)
    const jwt = readSecret(gateway.databasePath, 'jwt', 'keys' in parsed ? parsed.keys : [])!
    secrets = { ...(await useSecrets(gateway, receiver, tokenOf(jwt))), jwt }
    expect(files().length).toBeGreaterThanOrEqual(4)
    expect(dump()).toContain('visible')
    expect(found(secrets, dump())).toEqual([])
    expect(found(secrets, JSON.stringify(gateway.log))).toEqual([])
  }
  expect(found(secrets, dump())).toEqual([])
})

describe.skipIf(missingPostgres() !== null || missingRedis() !== null)('PostgreSQL and Redis', () => {
  let postgres: PostgresServer
  let redis: RedisServer
  beforeAll(async () => {
    ;[postgres, redis] = await Promise.all([startPostgres({ fsync: 'on' }), startRedis()])
  })
  afterAll(async () => {
    await Promise.all([postgres[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()])
  })

  async function dumpOf(url: string): Promise<string> {
    const tables = await postgres.sql<{ name: string }>(
      url,
      "SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace",
    )
    expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(['endpoint', 'meta', 'answer', 'payload']))
    const rows = await Promise.all(tables.map(({ name }) => postgres.sql(url, `SELECT t::text FROM "${name}" t`)))
    return JSON.stringify(rows)
  }
  async function redisDump(): Promise<string> {
    const keys = await redis.client.keys('*')
    const values = await Promise.all(
      keys.map(async (key) => [key, (await redis.client.type(key)) === 'string' ? await redis.client.get(key) : null]),
    )
    return JSON.stringify(values)
  }

  test('hold no secret, and neither does the log', async () => {
    const url = await postgres.createDatabase()
    await using gateway = await startGateway({ ...SETTINGS, DATABASE_URL: url, REDIS_URL: redis.url })
    // The key that signs tokens is the gateway's own.
    using directory = temporaryDirectory()
    await using program = new Program(directory.path, { ...SETTINGS, DATABASE_URL: url }, ['token', 'org_dumped'])
    expect(await program.exited()).toBe(0)
    const secrets = await useSecrets(gateway, receiver, program.stdout[0]!)
    await eventually(async () => (await redisDump()).includes('enc:v1:'))
    const dump = await dumpOf(url)
    expect(dump).toContain(Buffer.from('visible').toString('hex'))
    expect(found(secrets, dump)).toEqual([])
    expect(found(secrets, await redisDump())).toEqual([])
    expect(found(secrets, JSON.stringify(gateway.log))).toEqual([])
    const [jwt] = await postgres.sql<{ value: string }>(url, "SELECT value FROM meta WHERE name = 'jwt'")
    expect(jwt!.value).toMatch(/^enc:v1:/)
  })
})
