import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decide,
  type DeliveryState,
  deliveryStatus,
  type MessageStatus,
  messageStatus,
  type Next,
  type Outcome,
} from '../../src/domain/delivery.ts'

const SECOND = 1_000
const NOW = Date.UTC(2035, 0, 1)
const SCHEDULE = [10 * SECOND, 30 * SECOND]

const accepted: Outcome = { kind: 'accepted', statusCode: 200, response: 'ok' }
const refused = (retryAfterMs: number | null): Outcome => ({
  kind: 'refused',
  statusCode: retryAfterMs === null ? 500 : 429,
  response: null,
  error: 'answered',
  isOverload: retryAfterMs !== null,
  retryAfterMs,
})
const gone: Outcome = { kind: 'gone', statusCode: 410, response: null, error: 'answered 410' }
const rejected: Outcome = { kind: 'rejected', statusCode: 422, response: null, error: 'too large' }
const unreachable: Outcome = { kind: 'unreachable', error: 'timed out after 10s' }
const deferred: Outcome = { kind: 'deferred', reason: 'credentials', error: 'wrong token', waitMs: 60 * SECOND }

const spared = (at: number): Next => ({ do: 'retry', at, isSpared: true })
const step = (ms: number): Next => ({ do: 'retry', at: NOW + ms, isSpared: false })
const given = { trigger: 'scheduled', steps: 0, overload: null, scheduleMs: SCHEDULE, now: NOW, random: 0.5 } as const

describe('after an attempt', () => {
  test.each<[string, Partial<Parameters<typeof decide>[0]> & { outcome: Outcome }, Next]>([
    ['that was accepted, the delivery ends', { outcome: accepted }, { do: 'finish' }],
    ['that was accepted late, it ends', { outcome: accepted, steps: 7 }, { do: 'finish' }],
    ['without an answer, it is retried', { outcome: unreachable }, { do: 'retry', at: NOW + 10_000, isSpared: false }],
    ['that was refused, it is retried', { outcome: refused(null) }, { do: 'retry', at: NOW + 10_000, isSpared: false }],
    [
      'for the second time, the second wait counts',
      { outcome: refused(null), steps: 1 },
      { do: 'retry', at: NOW + 30_000, isSpared: false },
    ],
    ['that was the last of the schedule, it has failed', { outcome: refused(null), steps: 2 }, { do: 'giveUp' }],
    ['beyond the schedule, it has failed', { outcome: unreachable, steps: 9 }, { do: 'giveUp' }],
    ['with an empty schedule, it has failed', { outcome: unreachable, scheduleMs: [] }, { do: 'giveUp' }],
    [
      'that asks for a long wait, the wait is kept',
      { outcome: refused(60_000) },
      { do: 'retry', at: NOW + 60_000, isSpared: false },
    ],
    [
      'that asks for a short wait, the backoff is kept',
      { outcome: refused(1) },
      { do: 'retry', at: NOW + 10_000, isSpared: false },
    ],
    ['that asks for a wait at the end, it has failed', { outcome: refused(60_000), steps: 2 }, { do: 'giveUp' }],
    ['that says gone, the endpoint is disabled', { outcome: gone }, { do: 'disableEndpoint' }],
    ['that rejects it for good, it has failed', { outcome: rejected }, { do: 'giveUp' }],
    ['that never happened, it is put off', { outcome: deferred, steps: 2 }, { do: 'defer', until: NOW + 60_000 }],
    ['by hand that was accepted, it ends', { outcome: accepted, trigger: 'manual' }, { do: 'finish' }],
    ['by hand that failed, there is no other', { outcome: unreachable, trigger: 'manual' }, { do: 'giveUp' }],
    ['by hand that was refused, there is no other', { outcome: refused(60_000), trigger: 'manual' }, { do: 'giveUp' }],
    [
      'by hand that says gone, the endpoint is disabled',
      { outcome: gone, trigger: 'manual' },
      { do: 'disableEndpoint' },
    ],
    [
      'by hand that never happened, it is put off',
      { outcome: deferred, trigger: 'manual' },
      { do: 'defer', until: NOW + 60_000 },
    ],
  ])('%s', (_, what, next) => {
    expect(decide({ ...given, ...what })).toEqual(next)
  })

  const waits = fc.array(fc.integer({ min: 1, max: 90 * 86_400 * SECOND }), { maxLength: 12 })
  const asked = fc.option(fc.nat(24 * 3_600 * SECOND))
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

  test('a retry is never earlier than the schedule less a tenth, nor than the receiver asked for', () => {
    fc.assert(
      fc.property(waits, fc.nat(12), asked, random, (scheduleMs, tries, retryAfterMs, drawn) => {
        const next = decide({ ...given, outcome: refused(retryAfterMs), steps: tries, scheduleMs, random: drawn })
        const waitMs = scheduleMs[tries]
        fc.pre(waitMs !== undefined)
        expect(next.do).toBe('retry')
        const afterMs = next.do === 'retry' ? next.at - NOW : NaN
        expect(afterMs).toBeGreaterThanOrEqual(Math.max(Math.floor(waitMs * 0.9), retryAfterMs ?? 0))
        expect(afterMs).toBeLessThanOrEqual(Math.max(Math.ceil(waitMs * 1.1), retryAfterMs ?? 0))
        expect(Number.isInteger(afterMs)).toBe(true)
      }),
    )
  })

  test('a manual attempt is never followed by another one', () => {
    const outcome = fc.constantFrom(accepted, refused(null), refused(5), gone, rejected, unreachable, deferred)
    fc.assert(
      fc.property(outcome, waits, fc.nat(12), random, (any, scheduleMs, tries, drawn) => {
        const next = decide({
          outcome: any,
          trigger: 'manual',
          steps: tries,
          overload: null,
          scheduleMs,
          now: NOW,
          random: drawn,
        })
        expect(next.do).not.toBe('retry')
      }),
    )
  })

  const until = NOW + 5_000
  test.each<[string, Partial<Parameters<typeof decide>[0]>, Next]>([
    ['is put off as long as it takes others', { overload: { pausedUntil: until, isTaking: true } }, spared(until)],
    [
      'is put off also at the end of its schedule',
      { overload: { pausedUntil: until, isTaking: true }, steps: 2 },
      spared(until),
    ],
    [
      'uses up its schedule where nothing is taken',
      { overload: { pausedUntil: until, isTaking: false } },
      step(10_000),
    ],
    [
      'has failed where nothing is taken',
      { overload: { pausedUntil: until, isTaking: false }, steps: 2 },
      { do: 'giveUp' },
    ],
    [
      'by hand has no other attempt',
      { overload: { pausedUntil: until, isTaking: true }, trigger: 'manual' },
      { do: 'giveUp' },
    ],
  ])('a delivery that comes when the endpoint has too much %s', (_, what, next) => {
    expect(decide({ ...given, outcome: refused(1), ...what })).toEqual(next)
  })

  test('a delivery that always fails gets one attempt more than its schedule has waits', () => {
    fc.assert(
      fc.property(waits, random, (scheduleMs, drawn) => {
        let tries = 0
        while (decide({ ...given, outcome: unreachable, steps: tries, scheduleMs, random: drawn }).do === 'retry')
          tries++
        expect(tries).toBe(scheduleMs.length)
      }),
    )
  })
})

describe('the status of a message', () => {
  const info = (state: DeliveryState, attempts = 0) => ({ state, attempts })

  test.each<[MessageStatus, ReturnType<typeof info>[]]>([
    ['filtered', []],
    ['queued', [info('pending')]],
    ['queued', [info('leased')]],
    ['delivering', [info('pending', 1)]],
    ['delivering', [info('leased', 2)]],
    ['delivered', [info('delivered', 1)]],
    ['failed', [info('failed', 6)]],
    ['cancelled', [info('cancelled')]],
    ['queued', [info('pending'), info('delivered', 1)]],
    ['queued', [info('pending'), info('failed', 6), info('cancelled')]],
    ['delivering', [info('pending'), info('leased', 1), info('failed', 6)]],
    ['failed', [info('delivered', 1), info('failed', 6), info('cancelled')]],
    ['cancelled', [info('delivered', 1), info('cancelled', 1)]],
    ['delivered', [info('delivered', 1), info('delivered', 4)]],
  ])('is %s for %j', (status, deliveries) => {
    expect(messageStatus(deliveries)).toBe(status)
    expect(messageStatus(deliveries.toReversed())).toBe(status)
  })

  test('of one delivery is in the same words', () => {
    expect(deliveryStatus(info('pending', 1))).toBe('delivering')
    expect(deliveryStatus(info('delivered', 1))).toBe('delivered')
  })
})
