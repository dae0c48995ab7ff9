import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { DISPATCH_LIMITS } from '../../src/services/dispatch/limits.ts'
import { RATE_CATCH_UP_MS } from '../../src/services/dispatch/rate.ts'
import { answerAfter, createRig, OWNER, type Attempt, type Rig } from './rig.ts'

const SECOND = 1_000
const MEGABYTE = 1_048_576

const order = (attempts: readonly Attempt[]) => attempts.map(({ delivery }) => delivery.endpointId.slice(3)).join('')

/** After everything is done nothing may be left: it would pile up, and count against the bounds for ever. */
function expectNothingLeft({ dispatcher }: Rig): void {
  const { inMemory, inFlight, lanes } = dispatcher
  expect({ inMemory, inFlight, lanes }).toEqual({ inMemory: 0, inFlight: 0, lanes: 0 })
}

describe('the way from accepting', () => {
  test('a delivery starts at once, without a claim', async () => {
    const rig = createRig({ onAttempt: answerAfter(5) })
    rig.endpoint('a')
    expect(rig.accept('a')).toBe(true)
    expect(rig.dispatcher.inMemory).toBe(1)
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(1)
    expect(rig.dispatcher.inFlight).toBe(1)
    await rig.clock.advance(5)
    expect(rig.queue.claims).toEqual([])
    expectNothingLeft(rig)
  })

  test('what waited until its lease was over is not started: by then it may be another node’s', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    rig.accept('a')
    rig.accept('a')
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(1)
    await rig.clock.advance(LIMITS.leaseMs)
    rig.attempts[0]!.end()
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(1)
    expectNothingLeft(rig)
  })

  test('room that is not used is given back', () => {
    const rig = createRig()
    const endpoint = rig.endpoint('a')
    for (let i = 0; i < 3 * DISPATCH_LIMITS.deliveriesInMemory; i++) {
      expect(rig.dispatcher.reserve(endpoint, MEGABYTE)).toBe(true)
      rig.dispatcher.unreserve(endpoint, MEGABYTE)
    }
    expectNothingLeft(rig)
  })

  test('the node holds no more deliveries than its bound, and takes more once some are done', async () => {
    const deliveriesInMemory = 256
    const rig = createRig({ onAttempt: answerAfter(10), limits: { deliveriesInMemory } })
    for (let i = 0; i <= deliveriesInMemory; i++) rig.endpoint(String(i))
    let held = 0
    while (rig.accept(String(held))) held++
    expect(held).toBe(deliveriesInMemory)
    await rig.clock.advance(10)
    expect(rig.accept('0')).toBe(true)
    await rig.clock.advance(1 * SECOND)
    expect(rig.attempts).toHaveLength(deliveriesInMemory + 1)
    expectNothingLeft(rig)
  })

  test.each([
    ['without a rate limit', null, DISPATCH_LIMITS.deliveriesInMemoryPerEndpoint],
    ['with a rate limit of 10 per second', 10, 50],
    ['with a rate limit of 1 per second', 1, 5],
  ])('an endpoint %s takes no more memory than it needs', async (_, rateLimit, bound) => {
    const rig = createRig()
    rig.endpoint('a', { rateLimit })
    let held = 0
    while (rig.accept('a')) held++
    expect(held).toBe(bound)
    await rig.clock.settle()
    expect(rig.accept('a')).toBe(false)
  })

  test('payloads in memory are bounded in bytes', () => {
    const rig = createRig()
    const endpoints = Array.from({ length: 200 }, (_, i) => rig.endpoint(String(i)))
    const held = endpoints.filter((endpoint) => rig.dispatcher.reserve(endpoint, MEGABYTE)).length
    expect(held).toBe(DISPATCH_LIMITS.payloadBytesInMemory / MEGABYTE)
  })

  test('the room of a payload is free again when its delivery is done', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a')
    for (let i = 0; i < 3 * (DISPATCH_LIMITS.payloadBytesInMemory / MEGABYTE); i++) {
      expect(rig.accept('a', MEGABYTE)).toBe(true)
      await rig.clock.advance(1)
    }
    expectNothingLeft(rig)
  })

  test('one delivery that is larger than all of the room waits in the store', () => {
    const rig = createRig()
    rig.endpoint('a')
    expect(rig.accept('a', DISPATCH_LIMITS.payloadBytesInMemory + 1)).toBe(false)
    expectNothingLeft(rig)
  })

  test('a paused endpoint takes no memory', () => {
    const rig = createRig()
    const pausedUntil = rig.clock.now() + SECOND
    expect(rig.dispatcher.reserve(rig.endpoint('a', { pausedUntil }), 10)).toBe(false)
    expect(rig.dispatcher.reserve(rig.endpoint('a', { pausedUntil: rig.clock.now() }), 10)).toBe(true)
  })
})

describe('turns', () => {
  test('endpoints take turns, one start each', async () => {
    const rig = createRig({ concurrency: 1, onAttempt: answerAfter(1) })
    for (const id of ['a', 'b', 'c']) {
      rig.endpoint(id)
      for (let i = 0; i < 4; i++) rig.accept(id)
    }
    await rig.clock.advance(100)
    expect(order(rig.attempts)).toBe('abcabcabcabc')
    expectNothingLeft(rig)
  })

  test('an endpoint with a thousand waiting gets no more turns than one with three', async () => {
    const rig = createRig({ concurrency: 2, onAttempt: answerAfter(1) })
    rig.endpoint('a')
    rig.endpoint('b')
    for (let i = 0; i < 1_000; i++) rig.accept('a')
    for (let i = 0; i < 3; i++) rig.accept('b')
    await rig.clock.advance(10)
    expect(rig.attemptsOf('b')).toHaveLength(3)
  })

  test('first attempts go before retries, but every eighth start is a retry', async () => {
    const rig = createRig({ concurrency: 1, onAttempt: answerAfter(1) })
    rig.endpoint('f')
    rig.endpoint('r')
    for (let i = 0; i < 40; i++) rig.accept('f')
    for (let i = 0; i < 10; i++) rig.store('r', { tries: 1 })
    rig.run()
    await rig.clock.advance(100)
    expect(rig.attempts).toHaveLength(50)
    expect(order(rig.attempts)).toMatch(/^(f{7,15}r){3,}f*r+$/)
    await rig.stop()
  })

  test('retries of an endpoint that always has first attempts waiting get their turn, too', async () => {
    const rig = createRig({ endpointConcurrency: 4, onAttempt: answerAfter(1) })
    rig.endpoint('a')
    rig.run()
    for (let ms = 0; ms < 500; ms++) {
      for (let i = 0; i < 5; i++) rig.accept('a')
      if (ms === 100) for (let i = 0; i < 3; i++) rig.store('a', { tries: 1 })
      if (ms === 100) rig.dispatcher.noteDue(rig.clock.now())
      await rig.clock.advance(1)
    }
    expect(rig.attempts.filter(({ delivery }) => delivery.tries > 0)).toHaveLength(3)
    await rig.stop()
  })

  test('retries do not starve while first attempts fill the node', async () => {
    const rig = createRig({ concurrency: 32, onAttempt: answerAfter(5) })
    for (let i = 0; i < 40; i++) rig.endpoint(`f${i}`)
    rig.endpoint('r')
    rig.run()
    // A node that is full all the time: more first attempts come in than it can make.
    for (let ms = 0; ms < 400; ms++) {
      for (let i = 0; i < 10; i++) rig.accept(`f${(ms * 10 + i) % 40}`)
      if (ms === 100) for (let n = 0; n < 20; n++) rig.store('r', { tries: 1 })
      if (ms === 100) rig.dispatcher.noteDue(rig.clock.now())
      await rig.clock.advance(1)
      expect(rig.dispatcher.inFlight).toBe(ms < 3 ? 10 * (ms + 1) : 32)
    }
    expect(rig.attemptsOf('r')).toHaveLength(20)
    await rig.stop()
  })

  test('in a busy node an endpoint without an answer is tried again all the same', async () => {
    const rig = createRig({
      concurrency: 32,
      onAttempt: (attempt, clock) =>
        clock.after(5, () => attempt.end({ gotNoAnswer: attempt.delivery.endpointId === 'ep_s' })),
    })
    for (let i = 0; i < 40; i++) rig.endpoint(`f${i}`)
    rig.endpoint('s')
    rig.accept('s')
    for (let ms = 0; ms < 400; ms++) {
      for (let i = 0; i < 10; i++) rig.accept(`f${(ms * 10 + i) % 40}`)
      if (ms === 4) for (let n = 0; n < 20; n++) rig.accept('s')
      await rig.clock.advance(1)
    }
    expect(rig.attemptsOf('s')).toHaveLength(21)
  })
})

describe('in flight', () => {
  test('an endpoint has no more attempts in flight than its cap', async () => {
    const rig = createRig({ endpointConcurrency: 3 })
    rig.endpoint('a')
    for (let i = 0; i < 10; i++) rig.accept('a')
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(3)
    rig.attempts[0]?.end()
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(4)
  })

  test('an endpoint that is alone may use all of the node', async () => {
    const rig = createRig({ concurrency: 8, endpointConcurrency: 64 })
    rig.endpoint('a')
    for (let i = 0; i < 10; i++) rig.accept('a')
    await rig.clock.settle()
    expect(rig.dispatcher.inFlight).toBe(8)
  })

  test('a success frees its slot before it is on record, a failure after', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    for (let i = 0; i < 3; i++) rig.accept('a')
    await rig.clock.settle()
    rig.attempts[0]?.succeed()
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(2)
    expect(rig.dispatcher.inMemory).toBe(3)
    rig.attempts[0]?.end()
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(2)
    expect(rig.dispatcher.inMemory).toBe(2)
    rig.attempts[1]?.end({ dueAgainAt: rig.clock.now() + SECOND })
    await rig.clock.settle()
    rig.attempts[2]?.end()
    await rig.clock.settle()
    expectNothingLeft(rig)
  })

  test('an attempt that throws frees its slot, is reported, and the lease is left to end', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    rig.accept('a')
    rig.accept('a')
    await rig.clock.settle()
    rig.attempts[0]?.fail(new Error('the store is gone'))
    await rig.clock.settle()
    expect(rig.troubles).toEqual(['carry out a delivery: the store is gone'])
    expect(rig.attempts).toHaveLength(2)
    rig.attempts[1]?.end()
    await rig.clock.settle()
    expect(rig.queue.released).toEqual([])
    expectNothingLeft(rig)
  })

  test('deliveries to an endpoint that was deleted are carried out, to be cancelled, within the same caps', async () => {
    const rig = createRig({ concurrency: 8, endpointConcurrency: 4, onAttempt: answerAfter(1) })
    for (let i = 0; i < 100; i++) rig.store('deleted')
    rig.run()
    let highest = 0
    for (let ms = 0; ms < 200; ms++) {
      await rig.clock.advance(1)
      highest = Math.max(highest, rig.dispatcher.inFlight)
    }
    expect(rig.attempts).toHaveLength(100)
    expect(highest).toBeLessThanOrEqual(4)
    await rig.stop()
    expectNothingLeft(rig)
  })

  test('an endpoint that cannot be read is reported and tried again a second later', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a')
    const reading = vi.spyOn(rig.cache, 'get').mockRejectedValueOnce(new Error('too slow'))
    rig.accept('a')
    await rig.clock.settle()
    expect(reading).toHaveBeenCalledOnce()
    expect(rig.troubles).toEqual(['read an endpoint: too slow'])
    await rig.clock.advance(999)
    expect(rig.attempts).toHaveLength(0)
    await rig.clock.advance(2)
    expect(rig.attempts).toHaveLength(1)
    expectNothingLeft(rig)
  })

  interface Load {
    concurrency: number
    endpointConcurrency: number
    steps: { endpoint: number; ms: number; ending: 'success' | 'retry' | 'none' | 'throw' | 'pause' | 'delete' }[]
  }
  const load: fc.Arbitrary<Load> = fc.record({
    concurrency: fc.integer({ min: 1, max: 12 }),
    endpointConcurrency: fc.integer({ min: 1, max: 6 }),
    steps: fc.array(
      fc.record({
        endpoint: fc.nat(6),
        ms: fc.nat(30),
        ending: fc.constantFrom('success', 'success', 'retry', 'none', 'throw', 'pause', 'delete'),
      }),
      { maxLength: 120 },
    ),
  })

  test('under any load no cap is exceeded, every delivery is carried out, and nothing is left', async () => {
    await fc.assert(
      fc.asyncProperty(load, async ({ concurrency, endpointConcurrency, steps }) => {
        const inFlightOf = new Map<string, number>()
        let inFlight = 0
        const ends: Load['steps'] = [...steps]
        const rig = createRig({
          concurrency,
          endpointConcurrency,
          onAttempt(attempt, clock) {
            const { endpointId } = attempt.delivery
            const here = (inFlightOf.get(endpointId) ?? 0) + 1
            inFlightOf.set(endpointId, here)
            expect(++inFlight).toBeLessThanOrEqual(concurrency)
            expect(here).toBeLessThanOrEqual(endpointConcurrency)
            const { ms, ending } = ends.pop() ?? { ms: 3, ending: 'success' }
            clock.after(ms, () => {
              inFlight--
              inFlightOf.set(endpointId, inFlightOf.get(endpointId)! - 1)
              const id = endpointId.slice(3)
              const dueAgainAt = clock.now() + 40
              const isThere = rig.cache.peek(attempt.delivery.appId, endpointId) !== undefined
              const again = (recorded: object) => {
                rig.store(id, { tries: 1, dueAt: dueAgainAt })
                attempt.end({ dueAgainAt, ...recorded })
              }
              if (ending === 'throw') attempt.fail(new Error('thrown'))
              else if (ending === 'retry') again({})
              else if (ending === 'none') again({ gotNoAnswer: true })
              else if (ending === 'pause' && isThere) {
                rig.endpoint(id, { pausedUntil: dueAgainAt })
                again({ pausedUntil: dueAgainAt })
              } else {
                if (ending === 'delete') rig.remove(id)
                attempt.end()
              }
            })
          },
        })
        const stored = steps.map(({ endpoint, ms }, i) => ({ id: String(endpoint), gap: ms, viaStore: i % 5 === 4 }))
        rig.run()
        let handedIn = 0
        for (const { id, gap, viaStore } of stored) {
          if (rig.cache.peek('app_test', `ep_${id}`) === undefined)
            rig.endpoint(id, { rateLimit: id === '0' ? 100 : null })
          if (viaStore) rig.store(id)
          else rig.accept(id)
          handedIn++
          if (gap % 3 === 0) await rig.clock.advance(gap)
        }
        await rig.clock.advance(20 * SECOND)
        const started = new Set(rig.attempts.map(({ delivery }) => delivery.msgId))
        expect(started.size).toBe(rig.queue.known.size)
        expect(started.size).toBeGreaterThanOrEqual(handedIn)
        expect(rig.attempts).toHaveLength(started.size)
        await rig.stop()
        expectNothingLeft(rig)
      }),
      { numRuns: 100 },
    )
  })
})

describe('a rate limit', () => {
  const startsIn = (attempts: readonly Attempt[], from: number) =>
    attempts.filter(({ at }) => at >= from && at < from + SECOND).length

  test.each([1, 7, 50, 400])('%i per second is never exceeded in any second, and is used evenly', async (rateLimit) => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a', { rateLimit })
    while (rig.accept('a'));
    const from = rig.clock.now()
    await rig.clock.advance(2 * SECOND)
    for (let at = from; at <= from + SECOND; at++) {
      const starts = startsIn(rig.attempts, at)
      expect(starts).toBeLessThanOrEqual(rateLimit)
      expect(starts).toBeGreaterThanOrEqual(Math.floor(rateLimit * 0.95))
    }
    const gaps = rig.attempts.slice(1).map(({ at }, i) => at - rig.attempts[i]!.at)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(Math.ceil(SECOND / rateLimit) + RATE_CATCH_UP_MS + 1)
  })

  test('is remembered while nothing waits', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a', { rateLimit: 1 })
    rig.accept('a')
    await rig.clock.advance(100)
    expect(rig.dispatcher.inMemory).toBe(0)
    rig.accept('a')
    await rig.clock.advance(800)
    expect(rig.attempts).toHaveLength(1)
    await rig.clock.advance(2 * SECOND)
    expect(rig.attempts).toHaveLength(2)
    await rig.clock.advance(2 * SECOND)
    expectNothingLeft(rig)
    expect(rig.clock.timers).toBe(0)
  })

  test('of one endpoint delays no other', async () => {
    const rig = createRig({ concurrency: 4, onAttempt: answerAfter(1) })
    rig.endpoint('slow', { rateLimit: 1 })
    rig.endpoint('fast')
    for (let i = 0; i < 5; i++) rig.accept('slow')
    for (let i = 0; i < 100; i++) rig.accept('fast')
    await rig.clock.advance(60)
    expect(rig.attemptsOf('fast')).toHaveLength(100)
    expect(rig.attemptsOf('slow')).toHaveLength(1)
  })

  test('waiting for it takes no slot and no try', async () => {
    const rig = createRig({ concurrency: 1, onAttempt: answerAfter(1) })
    rig.endpoint('a', { rateLimit: 2 })
    for (let i = 0; i < 3; i++) rig.accept('a')
    await rig.clock.advance(300)
    expect(rig.dispatcher.inFlight).toBe(0)
    expect(rig.queue.released).toEqual([])
    await rig.clock.advance(1 * SECOND)
    expect(rig.attempts.map(({ delivery }) => delivery.tries)).toEqual([0, 0, 0])
  })
})

describe('a pause that a receiver asked for', () => {
  test('sends what waits back to the store, due when the pause is over', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    for (let i = 0; i < 5; i++) rig.accept('a')
    await rig.clock.settle()
    const pausedUntil = rig.clock.now() + 60 * SECOND
    rig.endpoint('a', { pausedUntil })
    rig.attempts[0]?.end({ pausedUntil, dueAgainAt: pausedUntil })
    await rig.clock.advance(1)
    expect(rig.attempts).toHaveLength(1)
    expect(rig.queue.released.map(({ keys, dueAt }) => [keys.length, dueAt])).toEqual([[4, pausedUntil]])
    expectNothingLeft(rig)
  })

  test('holds for a delivery that was being committed when it began', async () => {
    const rig = createRig()
    const endpoint = rig.endpoint('a')
    rig.accept('a')
    await rig.clock.settle()
    expect(rig.dispatcher.reserve(endpoint, 10)).toBe(true)
    const pausedUntil = rig.clock.now() + 60 * SECOND
    rig.endpoint('a', { pausedUntil })
    rig.attempts[0]?.end({ pausedUntil, dueAgainAt: pausedUntil })
    await rig.clock.settle()
    rig.dispatcher.start(rig.delivery('a'))
    await rig.clock.advance(SECOND)
    expect(rig.attempts).toHaveLength(1)
    expect(rig.queue.released.map(({ keys, dueAt }) => [keys.length, dueAt])).toEqual([[1, pausedUntil]])
    expectNothingLeft(rig)
  })

  test('holds for what a claim brings', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    const pausedUntil = rig.clock.now() + 60 * SECOND
    rig.endpoint('a', { pausedUntil })
    rig.store('a')
    rig.run()
    await rig.clock.advance(59 * SECOND)
    expect(rig.attempts).toHaveLength(0)
    await rig.clock.advance(3 * SECOND)
    expect(rig.attempts).toHaveLength(1)
    await rig.stop()
  })

  test('ends on time', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    rig.accept('a')
    rig.accept('a')
    rig.run()
    await rig.clock.settle()
    const pausedUntil = rig.clock.now() + 250
    rig.endpoint('a', { pausedUntil })
    rig.attempts[0]?.end()
    await rig.clock.advance(250)
    expect(rig.attempts.map(({ at }) => at)).toEqual([pausedUntil - 250, pausedUntil])
    await rig.stop()
  })

  test('is survived by what could not be given back: it is reported, and kept for the next claim', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.queue.onRelease = () => Promise.reject(new Error('disk full'))
    rig.endpoint('a')
    for (let i = 0; i < 3; i++) rig.accept('a')
    await rig.clock.settle()
    rig.endpoint('a', { pausedUntil: rig.clock.now() + SECOND })
    rig.attempts[0]?.end()
    await rig.clock.advance(1)
    expect(rig.troubles).toEqual(['put deliveries back: disk full'])
    expectNothingLeft(rig)
  })
})

describe('leases', () => {
  test('only those that are about to end are prolonged', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a')
    await rig.clock.advance(DISPATCH_LIMITS.leaseRenewBeforeMs)
    rig.accept('a')
    await rig.dispatcher.leases.renew()
    expect(rig.queue.renewed).toEqual([])
    await rig.clock.advance(1)
    await rig.dispatcher.leases.renew()
    const until = rig.clock.now() + LIMITS.leaseMs
    expect(rig.queue.renewed).toMatchObject([{ keys: [{ msgId: 'msg_1', tries: 0 }], lease: { owner: OWNER, until } }])
    // It is prolonged now, so that there is nothing to do the next time.
    await rig.dispatcher.leases.renew()
    expect(rig.queue.renewed).toHaveLength(1)
  })

  test('what was lost and waits is dropped, what was lost and is in flight goes on', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    for (let i = 0; i < 4; i++) rig.accept('a')
    await rig.clock.advance(DISPATCH_LIMITS.leaseRenewBeforeMs + 1)
    rig.queue.lost = ['msg_1', 'msg_3'].map((id) => rig.queue.known.get(id)!)
    await rig.dispatcher.leases.renew()
    expect(rig.dispatcher.inMemory).toBe(3)
    for (let i = 0; i < 3; i++) {
      rig.attempts[i]?.end()
      await rig.clock.settle()
    }
    expect(rig.attempts.map(({ delivery }) => delivery.msgId)).toEqual(['msg_1', 'msg_2', 'msg_4'])
    expectNothingLeft(rig)
  })

  test('an endpoint all of whose deliveries were lost leaves nothing behind', async () => {
    const rig = createRig({ concurrency: 1 })
    rig.endpoint('a')
    rig.endpoint('b')
    rig.accept('a')
    await rig.clock.settle()
    rig.accept('b')
    await rig.clock.advance(DISPATCH_LIMITS.leaseRenewBeforeMs + 1)
    rig.queue.lost = [rig.queue.known.get('msg_2')!]
    await rig.dispatcher.leases.renew()
    expect(rig.dispatcher.lanes).toBe(1)
    rig.attempts[0]?.end()
    await rig.clock.settle()
    expect(rig.attempts).toHaveLength(1)
    expectNothingLeft(rig)
  })

  test('many are prolonged in steps', async () => {
    const rig = createRig()
    for (let i = 0; i < 2 * DISPATCH_LIMITS.claimMax + 1; i++) {
      rig.endpoint(String(i))
      rig.accept(String(i))
    }
    await rig.clock.advance(DISPATCH_LIMITS.leaseRenewBeforeMs + 1)
    await rig.dispatcher.leases.renew()
    expect(rig.queue.renewed.map(({ keys }) => keys.length)).toEqual([
      DISPATCH_LIMITS.claimMax,
      DISPATCH_LIMITS.claimMax,
      1,
    ])
  })
})

describe('the end', () => {
  test('nothing new starts, what waits is released, and what is in flight is awaited', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    for (const id of ['a', 'b']) {
      rig.endpoint(id)
      for (let i = 0; i < 3; i++) rig.accept(id)
    }
    await rig.clock.settle()
    let isDrained = false
    const drained = rig.dispatcher.drain(performance.now() + 60_000).then(() => (isDrained = true))
    await rig.clock.settle()
    expect(rig.queue.released.flatMap(({ keys }) => keys.map((key) => key.msgId)).sort()).toEqual([
      'msg_2',
      'msg_3',
      'msg_5',
      'msg_6',
    ])
    expect(rig.queue.released.every(({ dueAt }) => dueAt === rig.clock.now())).toBe(true)
    expect(rig.dispatcher.reserve(rig.endpoint('c'), 10)).toBe(false)
    rig.attempts[0]?.end()
    await rig.clock.settle()
    expect(isDrained).toBe(false)
    rig.attempts[1]?.succeed()
    await rig.clock.settle()
    // Its slot is free, but what the receiver has taken is not on record yet.
    expect(isDrained).toBe(false)
    rig.attempts[1]?.end()
    await drained
    expect(rig.attempts).toHaveLength(2)
    expectNothingLeft(rig)
  })

  test('what was being committed when it began is given back, too', async () => {
    const rig = createRig()
    expect(rig.dispatcher.reserve(rig.endpoint('a'), 10)).toBe(true)
    await rig.dispatcher.drain(performance.now() + 60_000)
    rig.dispatcher.start(rig.delivery('a'))
    await rig.clock.settle()
    expect(rig.attempts).toEqual([])
    expect(rig.queue.released.map(({ keys, dueAt }) => [keys.length, dueAt])).toEqual([[1, rig.clock.now()]])
    expectNothingLeft(rig)
  })

  test('attempts that do not end are left behind at the deadline', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a')
    await rig.clock.settle()
    const drained = rig.dispatcher.drain(performance.now() + 50)
    await rig.clock.advance(50)
    await drained
    expect(rig.dispatcher.inFlight).toBe(1)
  })

  test('with nothing in flight it takes no time', async () => {
    const rig = createRig()
    await rig.dispatcher.drain(performance.now() + 60_000)
    expect(rig.clock.timers).toBe(0)
  })

  test('what cannot be put back is reported and does not delay the end', async () => {
    const rig = createRig({ endpointConcurrency: 1, onAttempt: answerAfter(1) })
    rig.queue.onRelease = () => Promise.reject(new Error('disk full'))
    for (const id of ['a', 'b']) {
      rig.endpoint(id)
      for (let i = 0; i < 3; i++) rig.accept(id)
    }
    await rig.clock.settle()
    const drained = rig.dispatcher.drain(performance.now() + 60_000)
    await rig.clock.advance(1)
    await drained
    expect(rig.troubles).toEqual(['put deliveries back: disk full'])
    expectNothingLeft(rig)
  })
})

test('an endpoint that this node lacked the means for rests a while, and others go on', async () => {
  const rig = createRig({ endpointConcurrency: 2 })
  for (const id of ['a', 'b']) rig.endpoint(id)
  for (let i = 0; i < 6; i++) rig.accept('a')
  await rig.clock.settle()
  expect(rig.attemptsOf('a')).toHaveLength(2)
  for (const attempt of rig.attemptsOf('a')) attempt.end({ restMs: 1_000, dueAgainAt: rig.clock.now() + 1_000 })
  await rig.clock.advance(999)
  rig.accept('a')
  rig.accept('b')
  await rig.clock.settle()
  expect([rig.attemptsOf('a'), rig.attemptsOf('b')].map(({ length }) => length)).toEqual([2, 1])
  await rig.clock.advance(1)
  expect(rig.attemptsOf('a')).toHaveLength(4)
  // Nothing went back to the store: it is not the endpoint that was paused.
  expect(rig.queue.released).toEqual([])
})
