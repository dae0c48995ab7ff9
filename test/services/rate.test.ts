import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { paceAt, Paces } from '../../src/services/dispatch/pace.ts'
import { Pacer, RATE_CATCH_UP_MS } from '../../src/services/dispatch/rate.ts'
import { createRig } from './rig.ts'

const SECOND = 1_000
const START = Date.UTC(2035, 0, 1)

/** The most starts in any second, of start times in order. */
function mostInOneSecond(starts: readonly number[]): number {
  let most = 0
  let from = 0
  for (let to = 0; to < starts.length; to++) {
    while (starts[to]! - starts[from]! >= SECOND) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

/** Starts as often as the pacer lets it, from `START` on for `ms`; its timers are late by what `lateness` gives. */
function startAllDuring(ms: number, perSecond: number, pacer: Pacer, lateness = () => 0): number[] {
  const starts: number[] = []
  for (let now = START; now < START + ms;) {
    const waitMs = pacer.waitMs(perSecond, now)
    if (waitMs > 0) now += Math.ceil(waitMs) + lateness()
    else {
      pacer.take(perSecond, now)
      starts.push(now)
    }
  }
  return starts
}

const rate = fc.integer({ min: 1, max: 5_000 })

describe('a paced endpoint', () => {
  test('never gets more than its limit in any second, however late the timers are', () => {
    const latenesses = fc.infiniteStream(fc.oneof(fc.constant(0), fc.nat(RATE_CATCH_UP_MS), fc.nat(3_000)))
    fc.assert(
      fc.property(rate, latenesses, (perSecond, lateness) => {
        const starts = startAllDuring(4 * SECOND, perSecond, new Pacer(), () => lateness.next().value!)
        expect(mostInOneSecond(starts)).toBeLessThanOrEqual(perSecond)
      }),
    )
  })

  test('gets at least 99 % of its limit when the timers are a little late', () => {
    fc.assert(
      fc.property(rate, fc.infiniteStream(fc.nat(RATE_CATCH_UP_MS - 1)), (perSecond, lateness) => {
        const starts = startAllDuring(10 * SECOND, perSecond, new Pacer(), () => lateness.next().value!)
        expect(starts.length).toBeGreaterThanOrEqual(Math.floor(perSecond * 10 * 0.99))
      }),
      { numRuns: 30 },
    )
  })

  test('cannot save up a burst while it is idle, beyond what a late timer may catch up', () => {
    fc.assert(
      fc.property(rate, fc.nat(3_600 * SECOND), (perSecond, idleMs) => {
        const pacer = new Pacer()
        startAllDuring(SECOND, perSecond, pacer)
        const now = START + 2 * SECOND + idleMs
        let burst = 0
        while (pacer.waitMs(perSecond, now) === 0) {
          pacer.take(perSecond, now)
          burst++
        }
        expect(burst).toBeLessThanOrEqual(1 + Math.ceil((perSecond * RATE_CATCH_UP_MS) / SECOND))
      }),
    )
  })

  test('starts evenly', () => {
    const starts = startAllDuring(3 * SECOND, 10, new Pacer())
    const gaps = starts.slice(1).map((at, i) => at - starts[i]!)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(95)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(106)
  })

  test('without a limit never waits, and leaves no trace', () => {
    const pacer = new Pacer()
    for (let i = 0; i < 1_000; i++) pacer.take(null, START)
    expect(pacer.waitMs(null, START)).toBe(0)
    expect(pacer.aheadMs(START)).toBe(0)
  })

  test('is as good as new once it may start again', () => {
    const pacer = new Pacer()
    pacer.take(4, START)
    const aheadMs = pacer.aheadMs(START)
    expect(aheadMs).toBeGreaterThan(240)
    expect(pacer.waitMs(4, START)).toBe(aheadMs)
    expect(pacer.aheadMs(START + aheadMs)).toBe(0)
  })
})

describe('an endpoint that complained', () => {
  const endpoint = createRig().endpoint('a')

  test('is tried slowly after its pause, twice as fast every second, until nothing is held back', () => {
    const paces = new Paces()
    expect(paces.rateOf(endpoint, START)).toBeNull()
    paces.slowDown(endpoint.id, START, START + 60 * SECOND)
    const rates = [0, 1, 2, 5, 8, 9].map((s) => paces.rateOf(endpoint, START + (60 + s) * SECOND))
    expect(rates).toEqual([2, 4, 8, 64, 512, null])
  })

  test('never goes beyond its own limit', () => {
    const paces = new Paces()
    paces.slowDown(endpoint.id, START, START)
    const limited = { ...endpoint, rateLimit: 5 }
    expect([0, 1, 2, 60].map((s) => paces.rateOf(limited, START + s * SECOND))).toEqual([2, 4, 5, 5])
  })

  test('is approached more carefully near the rate at which it complained', () => {
    const paces = new Paces()
    paces.slowDown(endpoint.id, START, START)
    // At 64 per second it complains again.
    const again = START + 5 * SECOND
    paces.slowDown(endpoint.id, again, again + SECOND)
    const rateAfter = (s: number) => paces.rateOf(endpoint, again + SECOND + s * SECOND)!
    expect(rateAfter(0)).toBe(2)
    expect(rateAfter(4)).toBe(32)
    expect(rateAfter(5)).toBeLessThan(36)
    expect(rateAfter(14)).toBeLessThan(64 + 1)
  })

  test('is forgotten once the pace has come back', () => {
    const pace = { from: START, limit: null }
    const paces = new Paces()
    paces.slowDown(endpoint.id, START, START)
    paces.forgetOver(START + 8 * SECOND)
    expect(paces.rateOf(endpoint, START + 8 * SECOND)).toBe(paceAt(pace, START + 8 * SECOND))
    paces.forgetOver(START + 20 * SECOND)
    // Gone for good: going back in time does not bring it back.
    expect(paces.rateOf(endpoint, START)).toBeNull()
  })
})
