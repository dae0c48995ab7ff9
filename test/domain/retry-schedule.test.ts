import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { NAMED_SCHEDULES, withJitter } from '../../src/domain/retry-schedule.ts'

const hours = (ms: number) => ms / 3_600_000

test('the schedule of Standard Webhooks is ten attempts, the last one after 75 hours, 35 minutes and 5 seconds', () => {
  const waits = NAMED_SCHEDULES['standard-webhooks']!
  expect(waits).toHaveLength(9)
  expect(waits.reduce((sum, wait) => sum + wait, 0)).toBe(((75 * 60 + 35) * 60 + 5) * 1_000)
})

test('the schedule of Svix is eight attempts in 27.6 hours', () => {
  const waits = NAMED_SCHEDULES['svix']!
  expect(waits).toHaveLength(7)
  expect(hours(waits.reduce((sum, wait) => sum + wait, 0))).toBeCloseTo(27.6, 1)
})

test('the waits of a named schedule never become shorter', () => {
  for (const waits of Object.values(NAMED_SCHEDULES)) expect(waits.toSorted((a, b) => a - b)).toEqual(waits)
})

test.each([
  [10_000, 0, 9_000],
  [10_000, 0.25, 9_500],
  [10_000, 0.5, 10_000],
  [10_000, 0.999999, 11_000],
  [1, 0, 1],
  [0, 0.7, 0],
])('a wait of %i ms with the draw %d is %i ms', (waitMs, random, expected) => {
  expect(withJitter(waitMs, random)).toBe(expected)
})

test('a wait moves by a tenth at most, grows with the draw and is whole milliseconds', () => {
  const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.nat(90 * 86_400_000), draw, draw, (waitMs, a, b) => {
      const [less, more] = [withJitter(waitMs, Math.min(a, b)), withJitter(waitMs, Math.max(a, b))]
      expect(less).toBeLessThanOrEqual(more)
      expect(less).toBeGreaterThanOrEqual(Math.floor(waitMs * 0.9))
      expect(more).toBeLessThanOrEqual(Math.ceil(waitMs * 1.1))
      expect(Number.isInteger(less)).toBe(true)
    }),
  )
})
