/** Several real nodes on one PostgreSQL, with a Redis beside it. */
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULT_ORG } from '../../src/domain/application.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'
import { missingPostgres, type PostgresServer, startPostgres } from '../postgres-server.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { type Client, eventually, Program, soon, startGateway, temporaryDirectory } from './gateway.ts'
import { type Hook, type Receiver, silence, startReceiver } from './receiver.ts'

const TOKEN_SECRET = 'signs the tokens of these tests'
const directory = temporaryDirectory()
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const numbersAt = (hook: Hook) => hook.received.map(({ body }) => (JSON.parse(body.toString()) as { n: number }).n)
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n)

describe.skipIf(missingPostgres() !== null || missingRedis() !== null)('several nodes', () => {
  let postgres: PostgresServer
  let redis: RedisServer
  let receiver: Receiver
  let url: string
  let api: Client
  let programs: { api: Program; workers: Program[] }

  const environment = (role: string) => ({
    DATABASE_URL: url,
    REDIS_URL: redis.url,
    ROLE: role,
    API_KEY: 'management-key',
    JWT_SECRET: TOKEN_SECRET,
    HOST: '127.0.0.1',
  })
  const startProgram = (role: string) => new Program(directory.path, environment(role))
  const startWorker = async (): Promise<Program> => {
    const worker = startProgram('worker')
    await worker.address()
    return worker
  }
  /** Posts events that count up, so many at a time, and returns the answers' statuses. */
  async function post(subscription: { id: string }, count: number, atOnce = 20): Promise<Set<number>> {
    const statuses = new Set<number>()
    const left = upTo(count)
    const one = async () => {
      for (let n = left.shift(); n !== undefined; n = left.shift())
        statuses.add((await api.send(`/ingest/${subscription.id}`, { json: { n } })).status)
    }
    await Promise.all(Array.from({ length: atOnce }, one))
    return statuses
  }

  beforeAll(async () => {
    ;[postgres, redis, receiver] = await Promise.all([
      // A gateway refuses a database that may lose what it said was stored.
      startPostgres({ fsync: 'on' }),
      startRedis(),
      startReceiver(),
    ])
    url = await postgres.createDatabase()
    const first = startProgram('api')
    api = await first.client()
    api.headers = { authorization: 'Bearer management-key' }
    programs = { api: first, workers: await Promise.all([startWorker(), startWorker()]) }
  })
  afterAll(async () => {
    api?.agent.destroy()
    for (const program of [programs?.api, ...(programs?.workers ?? [])]) await program?.[Symbol.asyncDispose]()
    await Promise.all([receiver?.[Symbol.asyncDispose](), redis?.[Symbol.asyncDispose]()])
    await postgres?.[Symbol.asyncDispose]()
    directory[Symbol.dispose]()
  })

  test('an event that comes to the door of a source at two nodes at once is one, and both hear of changes', async () => {
    await using second = startProgram('api')
    const other = await second.client()
    const hook = receiver.hook()
    await api.subscribe({ target_url: hook.url, event_types: ['shop.*'] })
    const json = {
      name: 'shop',
      provider: 'generic',
      scheme: [{ header: 'X-Signature' }],
      secrets: [{ secret: 'of the shop' }],
      dedupe: '{body:/id}',
    }
    await api.ask('/sources', { json })
    const send = (node: Client, body: string) => {
      const signature = createHmac('sha256', 'of the shop').update(body).digest('hex')
      return node.send('/in/shop', { method: 'POST', body, headers: { 'x-signature': signature } })
    }
    const storm = Array.from({ length: 200 }, (_, n) => send(n % 2 === 0 ? api : other, '{"id":"evt_1"}'))
    expect(new Set((await Promise.all(storm)).map(({ status }) => status))).toEqual(new Set([200]))
    expect((await send(other, '{"id":"evt_2"}')).status).toBe(200)
    await soon(() => hook.received.length).toBe(2)
    await api.send('/sources/shop', { method: 'PATCH', json: { enabled: false } })
    // The other node may take events until it has heard. So it is asked by a request that it can never take.
    await soon(async () => (await other.send('/in/shop', { method: 'POST', body: '{"id":"evt_3"}' })).status).toBe(404)
    expect((await send(other, '{"id":"evt_3"}')).status).toBe(404)
    expect(hook.received.map(({ body }) => body.toString()).toSorted()).toEqual(['{"id":"evt_1"}', '{"id":"evt_2"}'])
    other.agent.destroy()
  })

  test('what one takes in another carries out, once each', async () => {
    const hook = receiver.hook()
    const subscription = await api.subscribe({ target_url: hook.url })
    const attempts = (program: Program) =>
      program.log.filter((line) => line['msg'] === 'attempt' && line['subscription_id'] === subscription.id).length
    expect(await post(subscription, 200)).toEqual(new Set([202]))
    await soon(() => hook.received.length).toBe(200)
    await sleep(200)
    expect(numbersAt(hook).sort((a, b) => a - b)).toEqual(upTo(200))
    expect(attempts(programs.api)).toBe(0)
    await soon(() => programs.workers.map(attempts).reduce((a, b) => a + b)).toBe(200)
  })

  test('a worker serves its probes and metrics, and nothing else', async () => {
    const client = await programs.workers[0]!.client()
    for (const path of ['/health/live', '/health/ready', '/metrics']) expect((await client.send(path)).status).toBe(200)
    for (const path of ['/ingest', '/webhook', '/subscriptions', '/docs', '/openapi.json', '/api/v1/app'])
      expect((await client.send(path, { json: {} })).status).toBe(404)
    await soon(async () => (await client.send('/metrics')).text).toMatch(/^hookferry_redis_connected 1$/m)
    expect((await client.send('/metrics')).text).toMatch(
      /^hookferry_cache_lookups_total\{level="redis",result="hit"\} /m,
    )
    client.agent.destroy()
  })

  test('no password is in a log', () => {
    for (const program of [programs.api, ...programs.workers]) {
      expect(program.stdout.join()).not.toContain(new URL(url).password)
      const ready = program.log.find((line) => line['msg'] === 'hookferry is ready')
      expect(ready?.['database']).toBe(`127.0.0.1:${postgres.port}${new URL(url).pathname}`)
    }
  })

  test('a URL that is changed at one node is used by the others within a second', async () => {
    const [before, after] = [receiver.hook(), receiver.hook()]
    const subscription = await api.subscribe({ target_url: before.url })
    const arrived = () => before.received.length + after.received.length
    await post(subscription, 50)
    await soon(arrived).toBe(50)
    await api.ask(`/subscriptions/${subscription.id}`, { method: 'PATCH', json: { target_url: after.url } })
    // Meanwhile attempts go on, to the one or the other.
    const posting = post(subscription, 50, 1)
    await sleep(LIMITS.cacheAgeAloneMs)
    await posting
    await soon(arrived).toBe(100)
    const atOld = before.received.length
    await post(subscription, 50)
    await soon(arrived).toBe(150)
    expect(before.received).toHaveLength(atOld)
  })

  test('a rate limit holds over all nodes', async () => {
    const hook = receiver.hook()
    const subscription = await api.subscribe({ target_url: hook.url, rate_limit: 40 })
    await post(subscription, 100)
    await soon(() => hook.received.length).toBe(100)
    await soon(async () => (await api.attempts(subscription, '?limit=250')).length).toBe(100)
    const begun = (await api.attempts(subscription, '?limit=250')).map(({ timestamp }) => Date.parse(timestamp))
    const most = Math.max(...begun.map((from) => begun.filter((at) => at >= from && at < from + 1_000).length))
    // Starts keep to it exactly; what is written down is a moment later.
    expect(most).toBeLessThanOrEqual(42)
  })

  test('content that waits in one node’s memory and is expunged at another is not sent after the answer', async () => {
    const hook = receiver.hook()
    const subscription = await api.subscribe({ target_url: hook.url, rate_limit: 1 })
    const sent: { id: string }[] = []
    for (let n = 0; n < 4; n++) sent.push(await api.ingest(subscription, { n }))
    const last = sent.at(-1)!
    // A worker has taken it along with the others, and will come to it after a few seconds.
    const isLeased = async () =>
      (await postgres.sql(url, `SELECT 1 FROM delivery WHERE msg_id = '${last.id}' AND state = 'leased'`)).length === 1
    await eventually(isLeased)
    const token = await createTokens(hs256(TOKEN_SECRET), systemClock).sign({ sub: DEFAULT_ORG }, Date.now() + 60_000)
    const answer = await api.send(`/api/v1/app/default/msg/${last.id}/content`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(answer.status).toBe(204)
    expect(await isLeased()).toBe(false)
    await soon(() => hook.received.length).toBe(3)
    await api.messageWhen(last.id, 'cancelled')
    await sleep(1_500)
    // Deliveries may overtake each other.
    expect(numbersAt(hook).toSorted((a, b) => a - b)).toEqual([0, 1, 2])
  })

  test('Redis is emptied, hangs and dies under load: no client sees an error, and nothing is lost', async () => {
    const hook = receiver.hook()
    const subscription = await api.subscribe({ target_url: hook.url })
    const posting = post(subscription, 1_500, 10)
    await soon(() => hook.received.length).toBeGreaterThan(100)
    await redis.client.flushall()
    await sleep(100)
    redis.freeze()
    await sleep(300)
    redis.thaw()
    await sleep(100)
    await redis.kill()
    expect(await posting).toEqual(new Set([202]))
    const after = await post(subscription, 50)
    expect(after).toEqual(new Set([202]))
    await soon(() => hook.received.length).toBe(1_550)
    await redis.start()
    expect(new Set(numbersAt(hook)).size).toBe(1_500)
    const client = await programs.workers[1]!.client()
    await soon(async () => (await client.send('/metrics')).text).toMatch(/^hookferry_redis_connected 1$/m)
    client.agent.destroy()
  })

  test('a worker that is told to stop ends its attempts and leaves the others to others', async () => {
    const hook = receiver.hook((response) => void setTimeout(() => response.writeHead(200).end(), 100))
    const subscription = await api.subscribe({ target_url: hook.url })
    await post(subscription, 400)
    await soon(() => hook.received.length).toBeGreaterThan(50)
    const leaving = programs.workers.pop()!
    leaving.signal('SIGTERM')
    expect(await leaving.exited()).toBe(0)
    await soon(() => hook.received.length).toBe(400)
    expect(numbersAt(hook).sort((a, b) => a - b)).toEqual(upTo(400))
    programs.workers.push(await startWorker())
  })

  test('what a killed worker held is carried out by another once its lease has ended', async () => {
    const hook = receiver.hook(silence, 200)
    const others = programs.workers.splice(0)
    await Promise.all(others.map((worker) => worker[Symbol.asyncDispose]()))
    const doomed = await startWorker()
    const subscription = await api.subscribe({ target_url: hook.url })
    const { id } = await api.ingest(subscription)
    await soon(() => hook.received.length).toBe(1)
    await doomed[Symbol.asyncDispose]()
    // This one lives a little later than the lease lasts.
    const clock = { ...systemClock, now: () => Date.now() + LIMITS.leaseMs + 1_000 }
    await using late = await startGateway(environment('worker'), undefined, { clock })
    await api.messageWhen(id, 'delivered')
    expect(late.log.filter((line) => line['msg'] === 'attempt')).toHaveLength(1)
    expect(hook.received).toHaveLength(2)
    expect(new Set(hook.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  })

  test('a worker that was frozen for longer than its lease overwrites nothing when it goes on', async () => {
    const others = programs.workers.splice(0)
    await Promise.all(others.map((worker) => worker[Symbol.asyncDispose]()))
    const frozen = await startWorker()
    programs.workers.push(frozen)
    const hook = receiver.hook(silence, 200)
    const subscription = await api.subscribe({ target_url: hook.url, timeout: '1s' })
    const { id } = await api.ingest(subscription)
    await soon(() => hook.received.length).toBe(1)
    frozen.signal('SIGSTOP')
    const clock = { ...systemClock, now: () => Date.now() + LIMITS.leaseMs + 1_000 }
    {
      await using late = await startGateway(environment('worker'), undefined, { clock })
      await api.messageWhen(id, 'delivered')
      expect(late.log.filter((line) => line['msg'] === 'attempt')).toHaveLength(1)
    }
    frozen.signal('SIGCONT')
    // Its own attempt has timed out meanwhile; it is put on record, and the delivery is left as the other one left it.
    await eventually(async () => (await api.attempts(subscription)).length === 2)
    expect(await api.messageWhen(id, 'delivered')).toMatchObject({ status: 'delivered' })
    expect(hook.received).toHaveLength(2)
    await api.ingest(subscription)
    await soon(() => hook.received.length).toBe(3)
  })

  test('while the database is away nodes are not ready and refuse, and when it is back they go on by themselves', async () => {
    const hook = receiver.hook()
    const subscription = await api.subscribe({ target_url: hook.url })
    await postgres.stop('immediate')
    await eventually(async () => (await api.send('/health/ready')).status === 503)
    const refused = await api.send(`/ingest/${subscription.id}`, { json: { n: 0 } })
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
    await postgres.start()
    await eventually(async () => (await api.send('/health/ready')).status === 200)
    await eventually(async () => (await api.send(`/ingest/${subscription.id}`, { json: { n: 1 } })).status === 202)
    await soon(() => numbersAt(hook)).toContain(1)
  })
})
