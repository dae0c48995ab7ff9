import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import type { EndpointId } from '../../src/domain/ids.ts'
import { SharedPacer, type SharedRate, type Slots } from '../../src/services/dispatch/shared-rate.ts'
import { answerAfter, createRig } from './rig.ts'

const T = 1_000_000

describe('a shared pacer', () => {
  test('has nothing until it is given something', () => {
    const pacer = new SharedPacer()
    expect(pacer.waitMs(T)).toBeNull()
    pacer.given({ count: 2, gapMs: 10, from: T + 5, until: T + 30 }, T)
    expect(pacer.waitMs(T)).toBe(5)
    expect(pacer.waitMs(T + 5)).toBe(0)
    pacer.take()
    expect(pacer.waitMs(T + 5)).toBe(10)
    expect(pacer.waitMs(T + 15)).toBe(0)
    pacer.take()
    expect(pacer.waitMs(T + 15)).toBeNull()
  })

  test('lets no slot be used outside of its time', () => {
    const slots = { count: 20, gapMs: 7, from: T + 3, until: T + 12 }
    fc.assert(
      fc.property(fc.array(fc.nat(15), { maxLength: 60 }), (steps) => {
        const pacer = new SharedPacer()
        pacer.given(slots, T)
        let now = T
        const used: number[] = []
        for (const step of steps) {
          if (pacer.waitMs(now) === 0) {
            pacer.take()
            used.push(now)
          }
          now += step
        }
        // Each start has a slot of its own, in order.
        let next = 0
        for (const at of used) {
          while (next < slots.count && at > slots.until + next * slots.gapMs) next++
          expect(next).toBeLessThan(slots.count)
          expect(at).toBeGreaterThanOrEqual(slots.from + next * slots.gapMs)
          next++
        }
      }),
    )
  })

  test('asks again when it was told to, not before', () => {
    const pacer = new SharedPacer()
    pacer.given({ count: 0, askAgainInMs: 40 }, T)
    expect(pacer.waitMs(T + 30)).toBe(10)
    expect(pacer.waitMs(T + 40)).toBeNull()
  })

  test('is alone for a moment when there is nobody to ask', () => {
    const pacer = new SharedPacer()
    expect(pacer.isAlone(T)).toBe(false)
    pacer.given(null, T)
    expect([T, T + 249, T + 250].map((at) => pacer.isAlone(at))).toEqual([true, true, false])
  })
})

/** Answers as the test says, and remembers what it was asked. */
class Scripted implements SharedRate {
  readonly asked: { endpointId: EndpointId; perSecond: number; wanted: number }[] = []
  answer: () => Promise<Slots | null> = () => Promise.resolve(null)

  slots(endpointId: EndpointId, perSecond: number, wanted: number): Promise<Slots | null> {
    this.asked.push({ endpointId, perSecond, wanted })
    return this.answer()
  }
}

describe('a dispatcher with a shared rate', () => {
  function rigWith(shared: Scripted) {
    const rig = createRig({ sharedRate: shared, onAttempt: answerAfter(1) })
    rig.endpoint('limited', { rateLimit: 10 })
    rig.endpoint('free')
    return rig
  }

  test('asks for limited endpoints only, once for all that waits, and starts at the slots', async () => {
    const shared = new Scripted()
    const rig = rigWith(shared)
    const at = rig.clock.now()
    shared.answer = () => Promise.resolve({ count: 3, gapMs: 100, from: at + 20, until: at + 30 })
    for (let i = 0; i < 3; i++) for (const id of ['limited', 'free']) rig.accept(id)
    await rig.clock.advance(300)
    expect(rig.attemptsOf('limited').map((one) => one.at - at)).toEqual([20, 120, 220])
    expect(rig.attemptsOf('free').map((one) => one.at - at)).toEqual([0, 0, 0])
    expect(shared.asked).toEqual([{ endpointId: 'ep_limited', perSecond: 10, wanted: 3 }])
  })

  test('does not wait for the answer with anything else', async () => {
    const shared = new Scripted()
    const rig = rigWith(shared)
    shared.answer = () => new Promise(() => {})
    rig.accept('limited')
    await rig.clock.advance(10)
    rig.accept('free')
    rig.accept('limited')
    await rig.clock.advance(10)
    expect([rig.attemptsOf('limited'), rig.attemptsOf('free')].map((some) => some.length)).toEqual([0, 1])
    expect(shared.asked).toHaveLength(1)
  })

  test('keeps to the rate alone while there is nobody to ask, and asks again after a moment', async () => {
    const shared = new Scripted()
    const rig = rigWith(shared)
    for (let i = 0; i < 50; i++) rig.accept('limited')
    await rig.clock.advance(3_000)
    const starts = rig.attemptsOf('limited').map((one) => one.at)
    expect(starts.length).toBeGreaterThanOrEqual(29)
    for (let i = 10; i < starts.length; i++) expect(starts[i]! - starts[i - 10]!).toBeGreaterThanOrEqual(1_000)
    expect(shared.asked.length).toBeGreaterThan(8)
    expect(shared.asked.length).toBeLessThan(16)
    shared.answer = () =>
      Promise.resolve({ count: 1, gapMs: 100, from: rig.clock.now() + 70, until: rig.clock.now() + 95 })
    const before = rig.attemptsOf('limited').length
    await rig.clock.advance(350 + 70)
    expect(rig.attemptsOf('limited').length).toBeGreaterThan(before)
  })

  test('loses a slot to an endpoint that recovers, and never goes faster than that', async () => {
    const shared = new Scripted()
    const rig = createRig({
      sharedRate: shared,
      onAttempt: (attempt, clock) => attempt.end(first-- > 0 ? { pausedUntil: clock.now() + 1_000 } : {}),
    })
    let first = 1
    rig.endpoint('limited', { rateLimit: 100 })
    shared.answer = () =>
      Promise.resolve({ count: 10, gapMs: 10, from: rig.clock.now() + 1, until: rig.clock.now() + 20 })
    for (let i = 0; i < 40; i++) rig.accept('limited')
    await rig.clock.advance(20)
    const from = rig.clock.now() + 1_000
    await rig.clock.advance(2_000)
    const slow = rig.attemptsOf('limited').filter((one) => one.at >= from && one.at < from + 1_000)
    // 2 per second at first, twice as fast after a second.
    expect(slow.length).toBeLessThanOrEqual(4)
    expect(slow.length).toBeGreaterThan(0)
  })

  test('reports an answer that is an error, and tries again', async () => {
    const shared = new Scripted()
    const rig = rigWith(shared)
    shared.answer = () => Promise.reject(new Error('broken'))
    rig.accept('limited')
    await rig.clock.advance(10)
    expect(rig.troubles).toEqual(['keep to a shared rate: broken'])
    shared.answer = () => Promise.resolve(null)
    await rig.clock.advance(1_000)
    expect(rig.attemptsOf('limited')).toHaveLength(1)
  })
})

test('a dispatcher that ends says that something is left', async () => {
  const rig = createRig()
  rig.endpoint('paced', { rateLimit: 1 })
  for (let i = 0; i < 3; i++) rig.accept('paced')
  await rig.clock.settle()
  expect(rig.leftBehind).toEqual([])
  void rig.dispatcher.drain(performance.now() + LIMITS.drainMs)
  await rig.clock.settle()
  expect(rig.leftBehind).toEqual([rig.clock.now()])
  rig.attempts[0]!.end()
})
