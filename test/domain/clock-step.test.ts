import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dueAfterStep, pauseAfterStep, putBackBy, type WaitingDelivery } from '../../src/domain/clock-step.ts'

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const NOW = Date.UTC(2035, 0, 1)
const STEP = { now: NOW, backMs: HOUR }
/** Now, as the clock showed it before it was put back. */
const AHEAD = NOW + HOUR

const waiting = (given: Partial<WaitingDelivery>): WaitingDelivery => ({
  run: 0,
  dueAt: NOW,
  receivedAt: NOW - SECOND,
  lastAttemptAt: null,
  isPaused: false,
  ...given,
})

describe('when an hour was taken back', () => {
  test.each<[what: string, delivery: Partial<WaitingDelivery>, dueInMs: number]>([
    ['a retry keeps the wait that was left', { dueAt: AHEAD + 10 * SECOND, lastAttemptAt: AHEAD }, 10 * SECOND],
    [
      'a retry whose time has come meanwhile is due',
      { dueAt: AHEAD - 50 * SECOND, lastAttemptAt: AHEAD - 60 * SECOND },
      0,
    ],
    [
      'a retry of a clock that was ahead by even more keeps its wait',
      { dueAt: AHEAD + HOUR + 10 * SECOND, lastAttemptAt: AHEAD + HOUR },
      10 * SECOND,
    ],
    ['a retry from before stays', { dueAt: NOW + 2 * HOUR, lastAttemptAt: NOW - SECOND }, 2 * HOUR],
    ['a manual attempt is due', { run: 1, dueAt: AHEAD }, 0],
    ['a first attempt is due', { dueAt: AHEAD, receivedAt: AHEAD }, 0],
    ['a first attempt that was meant for later stays', { dueAt: NOW + 2 * HOUR }, 2 * HOUR],
    ['what a pause held back is due when the pause ends', { dueAt: AHEAD + SECOND, isPaused: true }, SECOND],
    ['what was due stays so', { dueAt: NOW - SECOND, receivedAt: AHEAD }, -SECOND],
  ])('%s', (_, delivery, dueInMs) => {
    expect(dueAfterStep(waiting(delivery), STEP) - NOW).toBe(dueInMs)
  })

  test('a pause keeps what was left of it', () => {
    expect(pauseAfterStep(AHEAD + SECOND, STEP)).toBe(NOW + SECOND)
    expect(pauseAfterStep(NOW - SECOND, STEP)).toBe(NOW - SECOND)
  })
})

const time = fc.integer({ min: NOW - 3 * HOUR, max: NOW + 30 * HOUR })
const anyDelivery = fc.record<WaitingDelivery>({
  run: fc.nat(3),
  dueAt: time,
  receivedAt: time,
  lastAttemptAt: fc.option(time),
  isPaused: fc.boolean(),
})

test('nothing becomes later, nothing that is due is touched, and nothing is due before now', () => {
  fc.assert(
    fc.property(anyDelivery, fc.nat(2 * HOUR), (delivery, backMs) => {
      const dueAt = dueAfterStep(delivery, { now: NOW, backMs })
      expect(dueAt).toBeLessThanOrEqual(delivery.dueAt)
      expect(dueAt).toBeGreaterThanOrEqual(Math.min(delivery.dueAt, NOW))
    }),
  )
})

test('a retry that was written by a clock that was ahead waits as long as it should have', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 * HOUR }), fc.integer({ min: 1, max: HOUR }), (aheadMs, waitMs) => {
      const attemptedAt = NOW + aheadMs
      const delivery = waiting({ dueAt: attemptedAt + waitMs, lastAttemptAt: attemptedAt })
      expect(dueAfterStep(delivery, { now: NOW, backMs: aheadMs })).toBe(NOW + waitMs)
    }),
  )
})

test('only a clock that is put back by more than the tolerance was put back', () => {
  const at = (wall: number, monotonic: number) => ({ wall: NOW + wall, monotonic })
  expect(putBackBy(at(0, 0), at(1_000, 1_000), 5_000)).toBe(0)
  expect(putBackBy(at(0, 0), at(HOUR, 1_000), 5_000)).toBe(0)
  expect(putBackBy(at(0, 0), at(-4_000, 1_000), 5_000)).toBe(0)
  expect(putBackBy(at(0, 0), at(1_000 - HOUR, 1_000), 5_000)).toBe(HOUR)
})
