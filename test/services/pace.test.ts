import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Pace, paceAt, slowDown } from '../../src/services/pace.ts'

const T0 = Date.UTC(2035, 0, 1)
const SECOND = 1_000
const rate = (limit: number | null, seconds: number) => paceAt({ from: T0, limit }, T0 + seconds * SECOND)

test.each([
  [-5, 2],
  [0, 2],
  [0.5, 2 * Math.SQRT2],
  [1, 4],
  [2, 8],
  [5, 64],
  [8, 512],
  [8.9, 955.4],
])(
  'without a known limit the pace starts at 2 a second and doubles every second: after %d s it is %d',
  (seconds, expected) => {
    expect(rate(null, seconds)).toBeCloseTo(expected, 1)
  },
)

test('without a known limit the pace is back altogether at 1000 a second', () => {
  expect(rate(null, Math.log2(500) - 0.001)).toBeCloseTo(1_000, -1)
  expect(rate(null, Math.log2(500) + 0.001)).toBeNull()
  expect(rate(null, 1e9)).toBeNull()
})

test.each([
  [0, 2],
  [3, 16],
  // Half of the limit; from here on it is a twentieth of the limit every second.
  [Math.log2(25), 50],
  [Math.log2(25) + 1, 55],
  [Math.log2(25) + 10, 100],
  [Math.log2(25) + 100, 550],
])('a limit of 100 a second is met slowly: after %d s the pace is %d', (seconds, expected) => {
  expect(rate(100, seconds)).toBeCloseTo(expected, 6)
})

test('a known limit is forgotten once the pace is at twice of it, and at 1000 a second', () => {
  expect(rate(100, Math.log2(25) + 189.9)).toBeCloseTo(999.5, 6)
  expect(rate(100, Math.log2(25) + 190.01)).toBeNull()
  expect(rate(2_000, Math.log2(500) + 29.9)).toBeCloseTo(3_990, 3)
  expect(rate(2_000, Math.log2(500) + 30.01)).toBeNull()
})

test('a tiny limit grows by at least one a second', () => {
  expect([0, 1, 2, 10].map((seconds) => rate(0.5, seconds))).toEqual([2, 3, 4, 12])
})

describe('whatever the limit', () => {
  const limit = fc.option(fc.double({ min: 0.01, max: 5_000, noNaN: true }))
  const seconds = fc.double({ min: -10, max: 3_000, noNaN: true })

  // Without a pace there is nothing to hold back.
  const speed = (of: number | null, at: number) => rate(of, at) ?? Infinity

  test('the pace never falls as time goes by, and once it is back it stays so', () => {
    fc.assert(
      fc.property(limit, seconds, fc.double({ min: 0, max: 100, noNaN: true }), (of, at, more) => {
        expect(speed(of, at + more)).toBeGreaterThanOrEqual(speed(of, at))
      }),
    )
  })

  test('the pace makes no leap until it is back', () => {
    fc.assert(
      fc.property(limit, seconds, (of, at) => {
        const [before, after] = [speed(of, at), speed(of, at + 0.001)]
        fc.pre(after !== Infinity)
        expect(after - before).toBeLessThanOrEqual(before * 0.001 + (of ?? 0) * 0.0001 + 0.002)
      }),
    )
  })

  test('the pace is back within twenty minutes', () => {
    fc.assert(
      fc.property(limit, (of) => {
        expect(rate(of, 1_200)).toBeNull()
      }),
    )
  })
})

describe('a complaint', () => {
  const first = (pauseMs: number) => slowDown(undefined, T0, T0 + pauseMs)

  test('begins a pace after its pause', () => {
    expect(first(5_000)).toEqual({ from: T0 + 5_000, limit: null })
  })

  test('in the same round counts once, and the longest pause of the round holds', () => {
    let pace = first(5_000)
    pace = slowDown(pace, T0 + 10, T0 + 9_000)
    pace = slowDown(pace, T0 + 20, T0 + 6_000)
    expect(pace).toEqual({ from: T0 + 9_000, limit: null })
  })

  test('after a pause tells the rate at which it came', () => {
    const now = T0 + 5_000 + 3 * SECOND
    expect(slowDown(first(5_000), now, now + 1_000)).toEqual({ from: now + 1_000, limit: 16 })
  })

  test('in a later round keeps the limit that was known', () => {
    const pace: Pace = { from: T0, limit: 30 }
    expect(slowDown(pace, T0 - 1, T0 + 10)).toEqual({ from: T0 + 10, limit: 30 })
  })

  test('long after the pace was back keeps what the limit was, if that was known', () => {
    const now = T0 + 3_600 * SECOND
    expect(slowDown({ from: T0, limit: 30 }, now, now + 1)).toEqual({ from: now + 1, limit: 30 })
    expect(slowDown({ from: T0, limit: null }, now, now + 1)).toEqual({ from: now + 1, limit: null })
  })

  test('every round leaves an endpoint with a steady limit fewer complaints', () => {
    // It takes 40 a second and complains as soon as more come; each pause is a second.
    const [limit, end] = [40, T0 + 600 * SECOND]
    let [pace, complaints, now]: [Pace, number[], number] = [first(SECOND), [], T0]
    for (; now < end; now += 100) {
      const current = paceAt(pace, now)
      if (now < pace.from || (current !== null && current <= limit)) continue
      complaints.push(now)
      pace = slowDown(pace, now, now + SECOND)
    }
    // The first is found out while doubling; then there are long stretches between them.
    const gaps = complaints.slice(1).map((at, i) => at - complaints[i]!)
    expect(Math.min(...gaps.slice(1))).toBeGreaterThan(10 * SECOND)
  })
})
