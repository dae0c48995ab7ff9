import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/domain/errors.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import type { Claimed } from '../../src/store/port/queue.ts'
import { DISPATCH_LIMITS } from '../../src/services/dispatch/limits.ts'
import { answerAfter, createRig, OWNER } from './rig.ts'

const SECOND = 1_000

describe('a claim', () => {
  test('asks for what is due now, leased to this node', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a')
    rig.store('a')
    rig.run()
    await rig.clock.settle()
    const now = rig.clock.now()
    expect(rig.queue.claims[0]).toMatchObject({ lease: { owner: OWNER, until: now + LIMITS.leaseMs }, now, skip: [] })
    expect(rig.attempts).toHaveLength(1)
    await rig.stop()
  })

  test.each([10 * SECOND, 250])('fetches a retry when it is due and not earlier, after %i ms', async (waitMs) => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a')
    rig.run()
    await rig.clock.advance(300)
    const dueAt = rig.clock.now() + waitMs
    rig.store('a', { tries: 1, dueAt })
    rig.attempts[0]?.end({ dueAgainAt: dueAt })
    await rig.clock.advance(waitMs - 1)
    expect(rig.attempts).toHaveLength(1)
    await rig.clock.advance(1)
    expect(rig.attempts.map(({ at }) => at)).toEqual([rig.attempts[0]?.at, dueAt])
    await rig.stop()
  })

  test('finds within a second what nobody told the dispatcher about', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.run()
    await rig.clock.advance(5_300)
    rig.store('a')
    await rig.clock.advance(LIMITS.claimPollMs + 10)
    expect(rig.attempts).toHaveLength(1)
    await rig.stop()
  })

  test('finds it even while other endpoints keep the node busy', async () => {
    const rig = createRig({ onAttempt: answerAfter(3) })
    rig.endpoint('a')
    rig.endpoint('busy')
    rig.run()
    await rig.clock.advance(SECOND)
    rig.store('a')
    for (let ms = 0; ms < LIMITS.claimPollMs + 10; ms += 10) {
      rig.accept('busy')
      await rig.clock.advance(10)
    }
    expect(rig.attemptsOf('a')).toHaveLength(1)
    await rig.stop()
  })

  test('that brings nothing is soon followed by another one when something becomes due meanwhile', async () => {
    const rig = createRig()
    rig.endpoint('a')
    const answer = Promise.withResolvers<Claimed>()
    rig.queue.onClaim = () => answer.promise
    rig.run()
    await rig.clock.settle()
    rig.queue.onClaim = null
    rig.store('a')
    rig.dispatcher.noteDue(rig.clock.now())
    answer.resolve({ deliveries: [], nextDueAt: null })
    await rig.clock.advance(10)
    expect(rig.attempts).toHaveLength(1)
    await rig.stop()
  })

  test('is not repeated in a hot loop when the store holds something back', async () => {
    const rig = createRig()
    rig.queue.onClaim = ({ now }) => Promise.resolve({ deliveries: [], nextDueAt: now - SECOND })
    rig.run()
    await rig.clock.advance(10 * SECOND)
    expect(rig.queue.claims.length).toBeLessThanOrEqual(10 * 20 + 1)
    await rig.stop()
  })

  test('is not made for every message of an endpoint that has no room', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    rig.run()
    while (rig.accept('a'));
    await rig.clock.advance(100)
    const before = rig.queue.claims.length
    for (let i = 0; i < 2_000; i++) {
      rig.accept('a')
      if (i % 4 === 0) await rig.clock.advance(1)
      else await rig.clock.settle()
    }
    expect(rig.queue.claims.length - before).toBeLessThanOrEqual(110)
    await rig.stop()
  })

  test('that fails ends the service, and the next run goes on', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a')
    rig.store('a')
    rig.queue.onClaim = () => Promise.reject(new Error('locked'))
    rig.run()
    await rig.clock.settle()
    await expect(rig.stop()).rejects.toThrow('locked')
    rig.queue.onClaim = null
    rig.run()
    await rig.clock.advance(2 * SECOND)
    expect(rig.attempts).toHaveLength(1)
    await rig.stop()
  })

  test('that fails leaves nothing on the signal', async () => {
    const rig = createRig()
    rig.queue.onClaim = () => Promise.reject(new Error('locked'))
    const stop = new AbortController()
    await expect(rig.dispatcher.claimer.run(stop.signal)).rejects.toThrow('locked')
    expect(getEventListeners(stop.signal, 'abort')).toEqual([])
  })

  test('leaves out an endpoint that has no room, but only as long as it has none', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    rig.run()
    while (rig.accept('a'));
    await rig.clock.advance(10)
    expect(rig.queue.claims.at(-1)?.skip).toEqual(['ep_a'])
    const pausedUntil = rig.clock.now() + 5 * SECOND
    rig.endpoint('a', { pausedUntil })
    rig.attempts[0]?.end()
    await rig.clock.advance(SECOND)
    expect(rig.dispatcher.inMemory).toBe(0)
    await rig.clock.advance(5 * SECOND)
    expect(rig.attempts).toHaveLength(2)
    await rig.stop()
  })

  test('that brings what is held already changes nothing', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a')
    await rig.clock.settle()
    const held = rig.attempts[0]!.delivery
    rig.queue.pending.push({ delivery: { ...held }, dueAt: rig.clock.now() })
    rig.run()
    await rig.clock.advance(2 * SECOND)
    expect(rig.queue.claims[0]?.took).toBe(1)
    expect(rig.attempts).toHaveLength(1)
    expect(rig.dispatcher.inMemory).toBe(1)
    rig.attempts[0]?.end()
    await rig.clock.settle()
    expect(rig.dispatcher.inMemory).toBe(0)
    await rig.stop()
  })

  test('stops at once when it is told to', async () => {
    const rig = createRig()
    rig.run()
    await rig.clock.advance(SECOND / 2)
    await rig.stop()
    const { claims } = rig.queue
    await rig.clock.advance(10 * SECOND)
    expect(rig.queue.claims).toBe(claims)
    expect(rig.clock.timers).toBe(0)
  })
})

describe('a backlog', () => {
  test('of one endpoint is worked off as fast as the endpoint answers', async () => {
    const rig = createRig({ onAttempt: answerAfter(10) })
    rig.endpoint('a')
    for (let i = 0; i < 3_000; i++) rig.store('a')
    rig.run()
    // 64 at a time and 10 ms each: 0.47 s without any waiting for claims.
    await rig.clock.advance(600)
    expect(rig.attempts).toHaveLength(3_000)
    await rig.stop()
  })

  test.each([4, 64])('of many endpoints is worked off as fast as a node of %i can', async (concurrency) => {
    const rig = createRig({ concurrency, onAttempt: answerAfter(20) })
    for (let i = 0; i < 500; i++) {
      rig.endpoint(String(i))
      rig.store(String(i))
    }
    rig.run()
    await rig.clock.advance((500 / concurrency) * 20 * 1.5)
    expect(rig.attempts).toHaveLength(500)
    await rig.stop()
  })

  test('leaves half of the room to itself: newer messages do not overtake it for ever', async () => {
    const rig = createRig({ endpointConcurrency: 4, onAttempt: answerAfter(10) })
    rig.endpoint('a')
    const old = Array.from({ length: 200 }, () => rig.store('a').msgId)
    while (rig.accept('a'));
    rig.run()
    // As much comes in as the endpoint can take, so that its memory never gets empty by itself.
    for (let ms = 0; ms < 5 * SECOND; ms += 10) {
      for (let i = 0; i < 4; i++) rig.accept('a')
      await rig.clock.advance(10)
    }
    const done = new Set(rig.attempts.map(({ delivery }) => delivery.msgId))
    expect(old.filter((msgId) => !done.has(msgId))).toEqual([])
    await rig.stop()
  })

  test('of large payloads never fills memory either', async () => {
    const rig = createRig()
    const megabyte = new Uint8Array(1_048_576)
    for (let i = 0; i < 300; i++) {
      rig.endpoint(String(i))
      for (let n = 0; n < 2; n++) rig.store(String(i), { payload: megabyte })
    }
    rig.run()
    await rig.clock.advance(SECOND)
    const payloadsMax = DISPATCH_LIMITS.payloadBytesInMemory / megabyte.byteLength
    expect(rig.dispatcher.inMemory).toBeGreaterThan(payloadsMax / 2)
    expect(rig.dispatcher.inMemory).toBeLessThanOrEqual(payloadsMax)
    for (const attempt of rig.attempts) attempt.end()
    await rig.clock.advance(SECOND)
    expect(rig.attempts.length).toBeGreaterThan(payloadsMax)
    await rig.stop()
  })

  test('never fills memory: what is claimed is twice what can be in flight, at most', async () => {
    const rig = createRig({ concurrency: 16 })
    for (let i = 0; i < 200; i++) {
      rig.endpoint(String(i))
      for (let n = 0; n < 5; n++) rig.store(String(i))
    }
    rig.run()
    await rig.clock.advance(SECOND)
    expect(rig.dispatcher.inMemory).toBeGreaterThan(16)
    expect(rig.dispatcher.inMemory).toBeLessThanOrEqual(32)
    await rig.stop()
  })
})

describe('a delivery that is claimed while it is still held', () => {
  test('is attempted as soon as the attempt before, which is on record, lets go of it', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a', 20)
    rig.run()
    await rig.clock.settle()
    const [first] = rig.attempts
    // Its retry is due at once, and claimed before the one who waits for the commit goes on.
    const { msgId, payload } = first!.delivery
    rig.store('a', { msgId, payload, tries: 1 })
    rig.dispatcher.noteDue(rig.clock.now())
    await rig.clock.advance(10)
    expect(rig.queue.pending).toEqual([])
    expect(rig.attempts).toHaveLength(1)
    first!.end({ dueAgainAt: rig.clock.now() })
    await rig.clock.settle()
    expect(rig.attempts.map(({ delivery }) => [delivery.msgId, delivery.tries])).toEqual([
      [msgId, 0],
      [msgId, 1],
    ])
    rig.attempts[1]!.end()
    await rig.clock.advance(10 * SECOND)
    expect(rig.queue.released).toEqual([])
    expect(rig.attempts).toHaveLength(2)
    expect([rig.dispatcher.inMemory, rig.dispatcher.inFlight, rig.dispatcher.lanes]).toEqual([0, 0, 0])
    await rig.stop()
  })

  test('goes back to the store when this node is about to end', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a')
    rig.run()
    await rig.clock.settle()
    const [first] = rig.attempts
    rig.store('a', { msgId: first!.delivery.msgId, tries: 1 })
    rig.dispatcher.noteDue(rig.clock.now())
    await rig.clock.advance(10)
    await rig.stop()
    const drained = rig.dispatcher.drain(performance.now() + 60_000)
    first!.end({ dueAgainAt: rig.clock.now() })
    await drained
    expect(rig.queue.released).toMatchObject([{ keys: [{ msgId: first!.delivery.msgId, tries: 1 }] }])
    expect(rig.attempts).toHaveLength(1)
    expect(rig.dispatcher.inMemory).toBe(0)
  })

  test('with the same number of tries is given back once it is let go of, which changes nothing if it is final', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.accept('a')
    rig.accept('a')
    rig.run()
    await rig.clock.settle()
    const [settled, deferred] = rig.attempts
    // Their leases had ended while they were under way.
    for (const { delivery } of rig.attempts) rig.store('a', { msgId: delivery.msgId })
    await rig.clock.advance(5 * SECOND)
    expect(rig.queue.released).toEqual([])
    expect(rig.attempts).toHaveLength(2)
    rig.queue.final.add(settled!.delivery.msgId)
    settled!.end()
    deferred!.end({ dueAgainAt: rig.clock.now() })
    await rig.clock.advance(LIMITS.claimPollMs + 10)
    const keys = rig.queue.released.flatMap((one) => one.keys)
    expect(keys.map(({ msgId }) => msgId).sort()).toEqual([settled, deferred].map((one) => one!.delivery.msgId).sort())
    expect(rig.attempts.map(({ delivery }) => delivery.msgId).slice(2)).toEqual([deferred!.delivery.msgId])
    await rig.stop()
  })
})

describe('what may be leased to this node although it does not hold it', () => {
  const unavailable = () => Promise.reject(new GatewayError('store_unavailable'))

  test('is given back before the next claim, and attempted', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.dispatcher.doubt([rig.delivery('a')])
    rig.run()
    await rig.clock.settle()
    expect(rig.queue.released).toMatchObject([{ keys: [{ msgId: 'msg_1', tries: 0 }], dueAt: rig.clock.now() }])
    expect(rig.queue.released[0]!.keys[0]).not.toHaveProperty('payload')
    expect(rig.attempts).toHaveLength(1)
    await rig.clock.advance(5 * SECOND)
    expect(rig.queue.released).toHaveLength(1)
    await rig.stop()
  })

  test('is kept for later while the store is away, some of it at a time, and claims go on', async () => {
    const rig = createRig({ onAttempt: answerAfter(1) })
    rig.endpoint('a')
    rig.queue.onRelease = unavailable
    rig.dispatcher.doubt(Array.from({ length: DISPATCH_LIMITS.claimMax + 1 }, () => rig.delivery('a')))
    rig.run()
    await rig.clock.advance(SECOND)
    expect(rig.queue.claims.length).toBeGreaterThan(0)
    expect(rig.troubles[0]).toMatch(/^give back leases that may be left: /)
    rig.queue.onRelease = () => Promise.resolve()
    await rig.clock.advance(5 * SECOND)
    expect(rig.queue.released.map(({ keys }) => keys.length)).toEqual([DISPATCH_LIMITS.claimMax, 1])
    expect(new Set(rig.attempts.map(({ delivery }) => delivery.msgId)).size).toBe(DISPATCH_LIMITS.claimMax + 1)
    await rig.stop()
  })

  test('is left to its end when the store has a fault with it', async () => {
    const rig = createRig()
    rig.endpoint('a')
    rig.queue.onRelease = () => Promise.reject(new GatewayError('internal'))
    rig.dispatcher.doubt([rig.delivery('a')])
    rig.run()
    await rig.clock.advance(5 * SECOND)
    expect(rig.troubles).toHaveLength(1)
    await rig.stop()
  })

  test('is remembered up to a bound', async () => {
    const looseLeasesMax = 40
    const rig = createRig({ onAttempt: answerAfter(1), limits: { looseLeasesMax } })
    rig.endpoint('a')
    const one = rig.delivery('a')
    rig.dispatcher.doubt(Array.from({ length: looseLeasesMax + 5 }, (_, i) => ({ ...one, msgId: `msg_x${i}` })))
    for (let i = 0; i <= looseLeasesMax; i++) rig.queue.final.add(`msg_x${i}`)
    rig.run()
    await rig.clock.advance(60 * SECOND)
    const given = rig.queue.released.flatMap(({ keys }) => keys)
    expect(given).toHaveLength(looseLeasesMax)
    await rig.stop()
  })

  test('because it could not be put back is put back by the next claim', async () => {
    const rig = createRig({ endpointConcurrency: 1 })
    rig.endpoint('a')
    for (let i = 0; i < 3; i++) rig.accept('a')
    rig.run()
    await rig.clock.settle()
    rig.queue.onRelease = unavailable
    rig.endpoint('a', { pausedUntil: rig.clock.now() + SECOND })
    rig.attempts[0]!.end()
    await rig.clock.settle()
    expect(rig.troubles).toHaveLength(1)
    rig.queue.onRelease = () => Promise.resolve()
    await rig.clock.advance(LIMITS.claimPollMs)
    expect(rig.queue.released[0]?.keys.map(({ msgId }) => msgId)).toEqual(['msg_2', 'msg_3'])
    await rig.clock.advance(2 * SECOND)
    expect(rig.attempts[1]?.delivery.msgId).toBe('msg_2')
    await rig.stop()
  })
})
