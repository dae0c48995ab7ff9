import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Pace, paceAt, Paces, slowDown } from '../../src/services/dispatch/pace.ts'

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
  // Half of the limit; from here on it is a twentieth more every second.
  [Math.log2(25), 50],
  [Math.log2(25) + 1, 52.5],
  [Math.log2(25) + 10, 50 * 1.05 ** 10],
])('a limit of 100 a second is met slowly: after %d s the pace is %d', (seconds, expected) => {
  expect(rate(100, seconds)).toBeCloseTo(expected, 6)
})

test('a known limit is forgotten once the pace is at twice of it, and at 1000 a second', () => {
  const growing = (times: number) => Math.log(times) / Math.log(1.05)
  expect(rate(100, Math.log2(25) + growing(20) - 0.001)).toBeCloseTo(1_000, 0)
  expect(rate(100, Math.log2(25) + growing(20) + 0.001)).toBeNull()
  expect(rate(2_000, Math.log2(500) + growing(4) - 0.001)).toBeCloseTo(4_000, 0)
  expect(rate(2_000, Math.log2(500) + growing(4) + 0.001)).toBeNull()
})

test.each([
  [3, 1.5],
  [1, 0.5],
  [0.01, 0.1],
])('a limit of %d a second starts at %d a second, and grows by a twentieth every second', (limit, start) => {
  expect(rate(limit, 0)).toBe(start)
  expect(rate(limit, 2)).toBeCloseTo(start * 1.05 ** 2, 6)
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
        expect(after - before).toBeLessThanOrEqual(before * 0.001)
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

describe('an endpoint that does not say for how long', () => {
  const ID = 'ep_slow'

  test('is left alone twice as long each time, up to 16 seconds, until it takes something', () => {
    const paces = new Paces()
    let now = T0
    const pauses = Array.from({ length: 7 }, () => {
      const ms = paces.pauseMs(ID, now)
      paces.slowDown(ID, now, now + ms)
      now += ms
      return ms / SECOND
    })
    expect(pauses).toEqual([1, 2, 4, 8, 16, 16, 16])
    paces.took(ID, now)
    expect(paces.pauseMs(ID, now)).toBe(SECOND)
  })

  test('is left alone until the end of the pause that it is in, however often it complains meanwhile', () => {
    const paces = new Paces()
    paces.slowDown(ID, T0, T0 + 5 * SECOND)
    paces.slowDown(ID, T0 + 2 * SECOND, T0 + 2 * SECOND + paces.pauseMs(ID, T0 + 2 * SECOND))
    expect(paces.pauseMs(ID, T0 + 4 * SECOND)).toBe(SECOND)
    expect(paces.pauseMs(ID, T0 + 5 * SECOND)).toBe(2 * SECOND)
  })

  test('is known to take events from the last one that it took', () => {
    const paces = new Paces()
    expect(paces.isTaking(ID, T0)).toBe(false)
    paces.took(ID, T0)
    expect([T0 - 1, T0, T0 + 1].map((since) => paces.isTaking(ID, since))).toEqual([true, true, false])
    paces.forgetOver(T0 + 3_600 * SECOND)
    expect(paces.isTaking(ID, T0)).toBe(true)
    paces.forgetOver(T0 + 3_600 * SECOND + 1)
    expect(paces.isTaking(ID, T0)).toBe(false)
  })
})
