import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Encryption, type EncryptionKey, encryptionKey } from '../../src/domain/encryption.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { APP, endpoint, OTHER_APP } from '../conformance/builders.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { eventually, isTrusted, type Node, Rows, startNode } from './rig.ts'

let server: RedisServer
let rows: Rows
let installation: string
let a: Node
let b: Node

const withUrl = (one: Endpoint, url: string): Endpoint => ({ ...one, url: `https://${url}.example/` })
const urlAt = async (node: Node, { appId, id }: Endpoint) => (await node.cache.get(appId, id))?.url
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Changes the row, and tells of it as the node that did it. */
function change(node: Node, one: Endpoint, url: string): void {
  rows.put(withUrl(one, url))
  node.cache.forget(one.appId, one.id)
}

/** At both nodes, something that neither has. */
async function lookUpSomething(): Promise<void> {
  await Promise.all([a, b].map(async (node) => node.cache.get(APP, endpoint().id)))
}

/** Somebody told of the change: by age alone the node would go on with what it has for twice as long. */
const TOLD_MS = LIMITS.cacheAgeWatchedMs / 2

/** How long the node goes on with another URL, ms. */
async function staleMs(node: Node, one: Endpoint, url: string): Promise<number> {
  const started = performance.now()
  await eventually(async () => (await urlAt(node, one)) === `https://${url}.example/`)
  return performance.now() - started
}

describe.skipIf(missingRedis() !== null)('endpoints in Redis', () => {
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  beforeEach(async () => {
    rows = new Rows()
    installation = `test-${Math.random()}`
    ;[a, b] = await Promise.all([
      startNode(server.url, rows, { installation }),
      startNode(server.url, rows, { installation }),
    ])
    return async () => {
      await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()])
    }
  })

  test('what one node read the others need not read', async () => {
    const [one, two] = [endpoint(), endpoint({ appId: OTHER_APP })]
    for (const row of [one, two]) rows.put(row)
    expect(await a.cache.get(APP, one.id)).toEqual(one)
    expect(await a.cache.ofApplication(APP)).toEqual([one])
    expect(rows.reads).toBe(2)
    await eventually(() => a.commands.filter(({ name }) => name === 'keep').length === 2)
    expect(await b.cache.get(APP, one.id)).toEqual(one)
    expect(await b.cache.ofApplication(APP)).toEqual([one])
    expect(rows.reads).toBe(2)
    expect(await b.cache.ofApplication(OTHER_APP)).toEqual([two])
    expect(await b.cache.get(APP, two.id)).toBeNull()
    expect(b.cache.counts).toEqual({ memory: { hits: 0, misses: 4 }, shared: { hits: 2, misses: 2 } })
  })

  test('a change is seen at once by the node that made it, and soon by the others', async () => {
    const one = endpoint()
    for (let round = 0; round < 20; round++) {
      rows.put(withUrl(one, `old-${round}`))
      for (const node of [a, b]) node.cache.forget(APP, one.id)
      await Promise.all([staleMs(a, one, `old-${round}`), staleMs(b, one, `old-${round}`)])
      change(a, one, `new-${round}`)
      expect(await urlAt(a, one)).toBe(`https://new-${round}.example/`)
      expect(await staleMs(b, one, `new-${round}`)).toBeLessThan(TOLD_MS)
      expect((await b.cache.ofApplication(APP))[0]?.url).toBe(`https://new-${round}.example/`)
    }
  })

  test('a node that loaded the old row before a change does not put it there afterwards', async () => {
    const one = withUrl(endpoint(), 'old')
    rows.put(one)
    let release = (): void => {}
    rows.held = new Promise((resolve) => (release = resolve))
    const asked = Promise.all([urlAt(b, one), Promise.resolve(b.cache.ofApplication(APP))])
    await eventually(() => rows.reads === 2)
    rows.held = Promise.resolve()
    change(a, one, 'new')
    await eventually(() => a.commands.some(({ name }) => name === 'forget'))
    release()
    await asked
    await eventually(() => b.commands.filter(({ name }) => name === 'keep').length === 2)
    await using c = await startNode(server.url, rows, { installation })
    for (const node of [a, b, c]) {
      expect(await urlAt(node, one)).toBe('https://new.example/')
      expect((await node.cache.ofApplication(APP))[0]?.url).toBe('https://new.example/')
    }
  })

  test('also when Redis was emptied in between', async () => {
    const one = withUrl(endpoint(), 'old')
    rows.put(one)
    let release = (): void => {}
    rows.held = new Promise((resolve) => (release = resolve))
    const asked = urlAt(b, one)
    await eventually(() => rows.reads === 1)
    rows.held = Promise.resolve()
    change(a, one, 'new')
    // Until it has told of the change, the node does not ask Redis.
    await eventually(() => a.commands.some(({ name }) => name === 'forget'))
    await server.client.flushall()
    // Somebody asks, and is given leave again.
    expect(await urlAt(a, one)).toBe('https://new.example/')
    release()
    await asked
    await eventually(() => b.commands.some(({ name }) => name === 'keep'))
    await eventually(async () => (await server.client.keys('*endpoint*')).length === 1)
    await staleMs(b, one, 'new')
    expect(await urlAt(b, one)).toBe('https://new.example/')
  })

  test('what another version of the program kept is not read', async () => {
    const one = endpoint()
    rows.put(one)
    await using old = await startNode(server.url, rows, { installation, version: '1' })
    await using young = await startNode(server.url, rows, { installation, version: '2' })
    await old.cache.get(APP, one.id)
    await eventually(() => old.commands.some(({ name }) => name === 'keep'))
    await young.cache.get(APP, one.id)
    expect(rows.reads).toBe(2)
    change(old, one, 'new')
    expect(await staleMs(young, one, 'new')).toBeLessThan(TOLD_MS)
  })

  describe('with a key', () => {
    const [one, other] = [1, 2].map((n) => encryptionKey(Buffer.alloc(32, n)))
    const secret = 'whsec_bmV2ZXIgaW4gdGhlIGNsZWFy'
    const made = () => endpoint({ secrets: [{ secret, expiresAt: null }], headers: { authorization: 'Bearer x1y2z3' } })
    const startWith = (...keys: EncryptionKey[]) => startNode(server.url, rows, { installation, keys })
    const keptBy = (node: Node) => eventually(() => node.commands.some(({ name }) => name === 'keep'))
    const entries = () => server.client.keys(`*${installation}*endpoint*`)

    test('what is kept cannot be read in Redis, and is what the other nodes get', async () => {
      const made1 = made()
      rows.put(made1)
      await using first = await startWith(one!)
      await using second = await startWith(other!, one!)
      await first.cache.get(APP, made1.id)
      await keptBy(first)
      const [key] = await entries()
      const kept = (await server.client.get(key!))!
      expect(kept).toMatch(/^enc:v1:/)
      expect(kept).not.toMatch(/whsec|x1y2z3|receiver/)
      expect(await second.cache.get(APP, made1.id)).toEqual(made1)
      expect(second.cache.counts.shared.hits).toBe(1)
      expect(rows.reads).toBe(1)
    })

    test.each([
      ['in the clear', () => JSON.stringify(['1', made()])],
      [
        'under another key',
        () => new Encryption([other!], randomBytes).encrypt('["1",{}]', { table: 'redis', column: 'x', id: APP }),
      ],
      [
        'of another endpoint',
        () => new Encryption([one!], randomBytes).encrypt('["1",{}]', { table: 'redis', column: 'x', id: APP }),
      ],
    ])('what somebody else put there %s is not taken', async (_, forged) => {
      const made1 = made()
      rows.put(made1)
      await using first = await startWith(one!)
      await first.cache.get(APP, made1.id)
      await keptBy(first)
      const [key] = await entries()
      await server.client.set(key!, forged(), 'KEEPTTL')
      await using second = await startWith(one!)
      expect(await second.cache.get(APP, made1.id)).toEqual(made1)
      expect(rows.reads).toBe(2)
    })
  })

  test('installations that share a Redis do not see each other', async () => {
    const one = endpoint()
    rows.put(one)
    await a.cache.get(APP, one.id)
    await eventually(() => a.commands.some(({ name }) => name === 'keep'))
    const others = new Rows()
    others.put(withUrl(one, 'other'))
    await using other = await startNode(server.url, others, { installation: 'other' })
    expect(await urlAt(other, one)).toBe('https://other.example/')
  })

  test('every key goes by itself', async () => {
    const one = endpoint()
    rows.put(one)
    await a.cache.get(APP, one.id)
    await a.cache.ofApplication(APP)
    await eventually(() => a.commands.filter(({ name }) => name === 'keep').length === 2)
    const keys = await server.client.keys('*')
    expect(keys.length).toBeGreaterThanOrEqual(3)
    for (const key of keys) {
      expect(key).toMatch(/^hookferry:/)
      expect(await server.client.pttl(key)).toBeGreaterThan(0)
    }
  })

  describe('when Redis', () => {
    test('hangs, nobody waits for it, nothing is used for as long as with it, and all is well again by itself', async () => {
      const one = withUrl(endpoint(), 'old')
      rows.put(one)
      await Promise.all([staleMs(a, one, 'old'), staleMs(b, one, 'old')])
      server.freeze()
      try {
        change(a, one, 'new')
        expect(await urlAt(a, one)).toBe('https://new.example/')
        expect(await staleMs(b, one, 'new')).toBeLessThan(TOLD_MS)
        for (let i = 0; i < 10; i++) await lookUpSomething()
        // By now nobody asks it any more.
        const commands = a.commands.length
        await lookUpSomething()
        expect(a.commands).toHaveLength(commands)
      } finally {
        server.thaw()
      }
      await Promise.all([isTrusted(a), isTrusted(b)])
      await eventually(async () => {
        const commands = a.commands.length
        await a.cache.get(APP, endpoint().id)
        return a.commands.length > commands
      })
      change(b, one, 'newer')
      expect(await staleMs(a, one, 'newer')).toBeLessThan(TOLD_MS)
    })

    test('is killed, the store is asked; when it is back, it is used again, and nothing old with it', async () => {
      const one = withUrl(endpoint(), 'old')
      rows.put(one)
      await Promise.all([staleMs(a, one, 'old'), staleMs(b, one, 'old')])
      await server.kill()
      change(a, one, 'new')
      expect(await urlAt(a, one)).toBe('https://new.example/')
      expect(await staleMs(b, one, 'new')).toBeLessThan(TOLD_MS)
      await eventually(() => a.connections.at(-1) === false)
      await server.start()
      await Promise.all([isTrusted(a), isTrusted(b)])
      expect(a.connections).toEqual([true, false, true])
      // The change that could not be told is told.
      await eventually(() => a.commands.some(({ name, failed }) => name === 'forget' && !failed))
      change(b, one, 'newer')
      expect(await staleMs(a, one, 'newer')).toBeLessThan(TOLD_MS)
    })

    test('comes back with what it had saved before a change, that is not used', async () => {
      const one = withUrl(endpoint(), 'old')
      rows.put(one)
      await staleMs(a, one, 'old')
      await eventually(async () => (await server.client.keys('*endpoint*')).length > 0)
      await server.client.save()
      await server.kill()
      // Whoever changed it is gone, too.
      rows.put(withUrl(one, 'new'))
      await server.start()
      expect((await server.client.keys('*endpoint*')).length).toBeGreaterThan(0)
      await using fresh = await startNode(server.url, rows, { installation })
      expect(await urlAt(fresh, one)).toBe('https://new.example/')
      await server.client.flushall()
      await server.client.save()
    })

    test('was not told of a change, any other word of it will do', async () => {
      const one = withUrl(endpoint(), 'old')
      rows.put(one)
      await staleMs(a, one, 'old')
      await eventually(() => a.commands.some(({ name }) => name === 'keep'))
      // The change is made by somebody who cannot reach Redis, and told another way.
      rows.put(withUrl(one, 'new'))
      for (const node of [a, b]) node.cache.forgetRemote(APP, one.id)
      expect([await urlAt(a, one), await urlAt(b, one)]).toEqual(['https://new.example/', 'https://new.example/'])
    })
  })

  test('a node that finds no Redis at all is as good, but for the speed', async () => {
    const one = withUrl(endpoint(), 'old')
    rows.put(one)
    expect(await urlAt(a, one)).toBe('https://old.example/')
    await server.kill()
    await sleep(LIMITS.cacheAgeAloneMs)
    expect(await urlAt(a, one)).toBe('https://old.example/')
    await server.start()
  })
})
