import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AppId, EndpointId } from '../../src/domain/ids.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { ApplicationPaces } from '../../src/services/application-pace.ts'
import { SharedPacer } from '../../src/services/shared-rate.ts'
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
): Promise<{ starts: number[]; asked: number; alone: number }> {
  const pacer = new SharedPacer()
  const starts: number[] = []
  let asked = 0
  let alone = 0
  const end = performance.now() + forMs
  while (performance.now() < end) {
    const now = Date.now()
    const waitMs = pacer.isAlone(now) ? 10 : pacer.waitMs(now)
    if (pacer.isAlone(now)) alone++
    if (waitMs === null) {
      asked++
      pacer.given(await node.redis.limiter.slots(endpointId, perSecond, wanted), Date.now())
    } else if (waitMs > 0) await sleep(Math.ceil(waitMs) + lateMs())
    else {
      pacer.take()
      starts.push(performance.now())
    }
  }
  return { starts, asked, alone }
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
  ])(
    '$perSecond per second is kept by three nodes together, evenly and almost in full',
    async ({ perSecond, lateMs }) => {
      const id = newId('ep')
      const forMs = 1_600
      const runs = await Promise.all(nodes.map((node) => startAll(node, id, { perSecond, forMs, lateMs })))
      const starts = runs.flatMap((run) => run.starts).toSorted((a, b) => a - b)
      expect(mostInOneSecond(starts)).toBeLessThanOrEqual(perSecond)
      expect(starts.length).toBeGreaterThan(((perSecond * forMs) / 1_000) * 0.8)
      // A tenth of a second has about a tenth of them.
      for (let from = starts[0]!; from + 100 < starts.at(-1)!; from += 100) {
        const count = starts.filter((at) => at >= from && at < from + 100).length
        expect(count).toBeLessThanOrEqual(perSecond / 10 + Math.ceil((perSecond * 25) / 1_000) + 2)
      }
      // Each has its share, and nobody asks for every single start.
      for (const run of runs) expect(run.starts.length).toBeGreaterThan(starts.length / 10)
      for (const run of runs) expect(run.asked).toBeLessThan(120)
      expect(runs.every((run) => run.alone === 0)).toBe(true)
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
        const waitMs = paces.waitMs(appId, Date.now())
        if (waitMs === null) await paces.ask(appId, 10)
        else if (waitMs > 0) await sleep(Math.ceil(waitMs))
        else {
          paces.take(appId, Date.now())
          starts.push(performance.now())
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
    expect(starts.length).toBeGreaterThan(110)
    for (const ofNode of perNode) expect(ofNode.length).toBeGreaterThan(starts.length / 10)
  })

  test('endpoints have rates of their own', async () => {
    const run = { perSecond: 50, forMs: 500 }
    const [one, two] = await Promise.all([startAll(nodes[0]!, newId('ep'), run), startAll(nodes[1]!, newId('ep'), run)])
    for (const { starts } of [one, two]) expect(starts.length).toBeGreaterThan(20)
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
    for (let i = 0; i < 40; i++) asked.push(await nodes[0]!.redis.limiter.slots(id, 1_000, 1_000))
    const given = asked.filter((slots) => slots !== null && 'from' in slots)
    expect(given.length).toBeGreaterThan(18)
    expect(given.length).toBeLessThan(24)
    const last = given.at(-1)!
    expect(last.from + last.count * last.gapMs - Date.now()).toBeLessThan(1_100)
    expect(asked.at(-1)).toMatchObject({ count: 0, askAgainInMs: expect.any(Number) })
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
      expect(performance.now() - started).toBeLessThan(1_000)
    } finally {
      server.thaw()
    }
    await expect.poll(() => nodes[0]!.redis.limiter.slots(id, 10, 1), { timeout: 5_000 }).toMatchObject({ count: 1 })
  })
})
