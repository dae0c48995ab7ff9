import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { REDIS_LIMITS } from '../../src/redis/limits.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { eventually, isTrusted, type Node, Rows, startNode } from './rig.ts'

/** Nodes tell each other how far away something is: what is on its way for a while is heard as that much later. */
const isSoonAfter = (at: number, due: number): boolean => at > due - 100 && at < due + 2_000
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe.skipIf(missingRedis() !== null)('the doorbell', () => {
  let server: RedisServer
  let a: Node
  let b: Node
  beforeAll(async () => {
    server = await startRedis()
    ;[a, b] = await Promise.all([startNode(server.url, new Rows()), startNode(server.url, new Rows())])
  })
  afterAll(async () => {
    await Promise.all([a, b].map((node) => node[Symbol.asyncDispose]()))
    await server[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await sleep(REDIS_LIMITS.doorbellRestMs * 2)
    for (const node of [a, b]) node.due.length = node.commands.length = 0
  })

  test('is heard at once by the others, and not by whoever rings', async () => {
    const started = Date.now()
    a.redis.bell.ring(started)
    await eventually(() => b.due.length === 1)
    expect(isSoonAfter(b.due[0]!, started)).toBe(true)
    expect(a.due).toEqual([])
  })

  test('says when something is due soon, and keeps quiet about what the others find by themselves', async () => {
    const now = Date.now()
    a.redis.bell.ring(now + LIMITS.claimPollMs + 1_000)
    await sleep(50)
    expect(a.commands).toEqual([])
    a.redis.bell.ring(now + 500)
    await eventually(() => b.due.length === 1)
    expect(isSoonAfter(b.due[0]!, now + 500)).toBe(true)
  })

  test('rings once for all that is due within a moment, with the earliest time', async () => {
    const now = Date.now()
    for (let i = 0; i < 1_000; i++) a.redis.bell.ring(now + 900 - (i % 500))
    await eventually(() => b.due.length === 2)
    await sleep(3 * REDIS_LIMITS.doorbellRestMs)
    expect(a.commands.filter(({ name }) => name === 'ring')).toHaveLength(2)
    expect(isSoonAfter(b.due[1]!, now + 401)).toBe(true)
  })

  test('is silent while Redis is away, and rings again by itself afterwards', async () => {
    await server.kill()
    a.redis.bell.ring(Date.now())
    await server.start()
    await Promise.all([isTrusted(a), isTrusted(b)])
    await expect
      .poll(() => {
        a.redis.bell.ring(Date.now())
        return b.due.length
      })
      .toBeGreaterThan(0)
  })

  test('what is no message of ours is not listened to', async () => {
    const [channel] = (await server.client.call('pubsub', 'channels', '*due')) as string[]
    for (const text of ['', 'x', 'x y', 'node_x -5', 'node_x 99999999999', 'node_x 1e9', '{"a":1}'])
      await server.client.publish(channel!, text)
    const [changes] = (await server.client.call('pubsub', 'channels', '*changes')) as string[]
    for (const text of ['', 'x', 'x y', 'a b c d']) await server.client.publish(changes!, text)
    a.redis.bell.ring(Date.now())
    await eventually(() => b.due.length > 0)
    expect(b.due).toHaveLength(1)
  })
})
