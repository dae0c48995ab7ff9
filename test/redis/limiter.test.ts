import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AppId, EndpointId } from '../../src/domain/ids.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { ApplicationPaces } from '../../src/services/dispatch/application-pace.ts'
import { SharedPacer } from '../../src/services/dispatch/shared-rate.ts'
import { application, newId } from '../conformance/builders.ts'
import { missingRedis, type RedisServer, startRedis } from '../redis-server.ts'
import { type Node, Rows, startNode } from './rig.ts'

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Starts as often as the shared rate lets it, as a dispatcher does; its timers are late by what `lateMs` says. */
async function startAll(
  node: Node,
  endpointId: EndpointId,
  {
    perSecond,
    forMs,
    wanted = 1_000,
    lateMs = () => 0,
  }: Record<'perSecond' | 'forMs', number> & {
    wanted?: number
    lateMs?: () => number
  },
): Promise<{ starts: number[]; asked: number }> {
  const pacer = new SharedPacer()
  const starts: number[] = []
  let asked = 0
  const end = performance.now() + forMs
  while (performance.now() < end) {
    const now = Date.now()
    const waitMs = pacer.isAlone(now) ? 10 : pacer.waitMs(now)
    if (waitMs === null) {
      asked++
      pacer.given(await node.redis.limiter.slots(endpointId, perSecond, wanted), Date.now())
    } else if (waitMs > 0) await sleep(Math.ceil(waitMs) + lateMs())
    else {
      pacer.take()
      starts.push(now)
    }
  }
  return { starts, asked }
}

/** The most starts in any second, of start times in any order. */
function mostInOneSecond(times: readonly number[]): number {
  const starts = times.toSorted((a, b) => a - b)
  let most = 0
  let from = 0
  for (let to = 0; to < starts.length; to++) {
    while (starts[to]! - starts[from]! >= 1_000) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

describe.skipIf(missingRedis() !== null)('a rate for all nodes', () => {
  let server: RedisServer
  let nodes: Node[]
  beforeAll(async () => {
    server = await startRedis()
    nodes = await Promise.all(Array.from({ length: 3 }, () => startNode(server.url, new Rows())))
  })
  afterAll(async () => {
    await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
    await server[Symbol.asyncDispose]()
  })

  test.each([
    { perSecond: 20, lateMs: () => 0 },
    { perSecond: 300, lateMs: () => 0 },
    { perSecond: 300, lateMs: () => Math.random() * 15 },
    { perSecond: 2_000, lateMs: () => 0 },
  ])('$perSecond per second is kept by three nodes together, evenly', async ({ perSecond, lateMs }) => {
    const id = newId('ep')
    const forMs = 1_600
    const runs = await Promise.all(nodes.map((node) => startAll(node, id, { perSecond, forMs, lateMs })))
    const starts = runs.flatMap((run) => run.starts).toSorted((a, b) => a - b)
    expect(mostInOneSecond(starts)).toBeLessThanOrEqual(perSecond)
    // A tenth of a second has about a tenth of them.
    for (let from = starts[0]!; from + 100 < starts.at(-1)!; from += 100) {
      const count = starts.filter((at) => at >= from && at < from + 100).length
      expect(count).toBeLessThanOrEqual(perSecond / 10 + Math.ceil((perSecond * 25) / 1_000) + 2)
    }
    // Nobody asks for every single start.
    for (const run of runs) expect(run.asked).toBeLessThan(120)
  })

  test.each([20, 300, 2_000])(
    '%d per second are given out almost in full: slots that nodes take in turns follow each other without a gap',
    async (perSecond) => {
      const id = newId('ep')
      await nodes[0]!.redis.limiter.slots(id, perSecond, 1)
      const [key] = await server.client.keys(`*rate:${id}`)
      // Far enough ahead that none of them is lost, however slow the machine is.
      const before = Date.now() + 500
      await server.client.set(key!, String(before))
      const given = []
      for (let i = 0; i < 9; i++) given.push(await nodes[i % 3]!.redis.limiter.slots(id, perSecond, 1_000))
      // An answer that came late is not used, but its slots are gone all the same.
      const { count, gapMs } = given.find((slots) => slots !== null && 'from' in slots)!
      expect(Number(await server.client.get(key!)) - before).toBeCloseTo(9 * count * gapMs, 1)
      expect(1_000 / gapMs).toBeGreaterThan(perSecond * 0.95)
    },
  )

  test('a throttle rate of an application holds for all endpoints of all nodes together', async () => {
    const throttled = application({ throttleRate: 100 })
    const applications = { peek: () => throttled, get: () => throttled }
    const end = performance.now() + 1_500
    /** One lane of a node: it starts whenever its application may. */
    const lane = async (paces: ApplicationPaces, appId: AppId) => {
      const starts: number[] = []
      while (performance.now() < end) {
        const now = Date.now()
        const waitMs = paces.waitMs(appId, now)
        if (waitMs === null) await paces.ask(appId, 10)
        else if (waitMs > 0) await sleep(Math.ceil(waitMs))
        else {
          paces.take(appId, now)
          starts.push(now)
        }
      }
      return starts
    }
    const perNode = await Promise.all(
      nodes.map(async ({ redis }) => {
        const paces = new ApplicationPaces(applications, systemClock, redis.limiter)
        return (await Promise.all([1, 2, 3].map(() => lane(paces, throttled.id)))).flat()
      }),
    )
    const starts = perNode.flat()
    expect(mostInOneSecond(starts)).toBeLessThanOrEqual(100)
    for (const ofNode of perNode) expect(ofNode.length).toBeGreaterThan(0)
  })

  test('endpoints have rates of their own', async () => {
    const [one, two] = [newId('ep'), newId('ep')]
    // One slot every 20 s: the sixteen that are given out ahead are gone, and none comes back while the test runs.
    const ask = (id: EndpointId) => nodes[0]!.redis.limiter.slots(id, 0.05, 1)
    for (let i = 0; i < 20; i++) await ask(one)
    expect(await ask(one)).toMatchObject({ count: 0 })
    await expect.poll(() => ask(two)).toMatchObject({ count: 1 })
  })

  test('a clock that was set back holds nobody up', async () => {
    const id = newId('ep')
    const [first] = [await nodes[0]!.redis.limiter.slots(id, 100, 1)]
    expect(first).toMatchObject({ count: 1 })
    const [key] = await server.client.keys(`*rate:${id}`)
    await server.client.set(key!, String(Date.now() + 3_600_000))
    expect(await nodes[0]!.redis.limiter.slots(id, 100, 1)).toMatchObject({ count: 1 })
  })

  test('a raised rate holds at once', async () => {
    const id = newId('ep')
    for (let i = 0; i < 5; i++) await nodes[0]!.redis.limiter.slots(id, 1, 1)
    const slots = await nodes[0]!.redis.limiter.slots(id, 1_000, 1)
    expect(slots).toMatchObject({ count: 1, from: expect.any(Number) })
    expect((slots as { from: number }).from - Date.now()).toBeLessThan(100)
  })

  test('how far ahead slots are given out is bounded', async () => {
    const id = newId('ep')
    const asked = []
    const begun = performance.now()
    for (let i = 0; i < 40; i++) asked.push(await nodes[0]!.redis.limiter.slots(id, 1_000, 1_000))
    const given = asked.filter((slots) => slots !== null && 'from' in slots)
    // A second's worth in pieces of 50 ms, and what became free meanwhile.
    expect(given.length).toBeLessThan(24 + (performance.now() - begun) / 50)
    const last = given.at(-1)!
    expect(last.from + last.count * last.gapMs - Date.now()).toBeLessThan(1_100)
    expect(asked.some((slots) => slots?.count === 0)).toBe(true)
  })

  test('its keys go by themselves', async () => {
    const id = newId('ep')
    await nodes[0]!.redis.limiter.slots(id, 1, 1)
    const [key] = await server.client.keys(`*rate:${id}`)
    const ttl = await server.client.pttl(key!)
    expect(ttl).toBeGreaterThan(1_000)
    expect(ttl).toBeLessThan(5_000)
  })

  test('when Redis hangs, nodes wait for a moment, then each keeps to the rate alone, and together again when it is back', async () => {
    const id = newId('ep')
    server.freeze()
    const started = performance.now()
    try {
      let slots = await nodes[0]!.redis.limiter.slots(id, 10, 1)
      expect(slots).toMatchObject({ count: 0 })
      for (; slots !== null; slots = await nodes[0]!.redis.limiter.slots(id, 10, 1)) await sleep(50)
      expect(performance.now() - started).toBeGreaterThan(400)
    } finally {
      server.thaw()
    }
    await expect.poll(() => nodes[0]!.redis.limiter.slots(id, 10, 1), { timeout: 5_000 }).toMatchObject({ count: 1 })
  })
})
