import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterFailure, type Health, HEALTHY } from '../../src/domain/endpoint-health.ts'

const DAY = 24 * 3_600_000
const AFTER = 5 * DAY

type Seen = { at: number; what: 'success' | 'failed' | 'gave up' }

/** The numbers of the events that disable the endpoint, if it is enabled again by nobody. */
function disabledAt(events: readonly Seen[]): number[] {
  let health: Health = HEALTHY
  const found: number[] = []
  for (const [i, { at, what }] of events.entries()) {
    if (what === 'success') health = HEALTHY
    else {
      const after = afterFailure(health, { at, gaveUp: what === 'gave up' }, AFTER)
      health = after.health
      if (after.disables) found.push(i)
    }
  }
  return found
}

/**
 * The same from the whole history, as slowly as it is said: look at what was given up since the last success; the mark is
 * the first of these, unless a later one found it too old, which then is the mark, and so on.
 */
function reference(events: readonly Seen[]): number[] {
  return events.flatMap(({ at, what }, i) => {
    if (what !== 'gave up') return []
    const past = events.slice(0, i)
    const lastSuccess = past.findLastIndex((one) => one.what === 'success')
    const givenUp = past.slice(lastSuccess + 1).filter((one) => one.what === 'gave up')
    const marks = givenUp.filter((one, n) => {
      const earlier = givenUp.slice(0, n)
      return !earlier.some((mark) => isMark(mark, earlier) && one.at - mark.at <= 2 * AFTER)
    })
    const mark = marks.findLast((one) => at - one.at <= 2 * AFTER)
    return mark !== undefined && at - mark.at > AFTER ? [i] : []
  })
}

/** Whether `one` was a mark: no mark before it was young enough to count. */
function isMark(one: Seen, all: readonly Seen[]): boolean {
  const earlier = all.slice(0, all.indexOf(one))
  return !earlier.some((mark) => isMark(mark, earlier) && one.at - mark.at <= 2 * AFTER)
}

const histories = fc
  .array(
    fc.record({
      gap: fc.oneof(
        fc.integer({ min: 0, max: 3 * AFTER }),
        fc.constantFrom(0, 1, AFTER, AFTER + 1, 2 * AFTER, 2 * AFTER + 1),
      ),
      what: fc.constantFrom<Seen['what']>('success', 'failed', 'gave up', 'gave up'),
    }),
    { maxLength: 12 },
  )
  .map((steps) => {
    let at = 0
    return steps.map(({ gap, what }): Seen => ({ at: (at += gap), what }))
  })

describe('the rule that disables an endpoint', () => {
  test('says the same as a slow reading of the whole history', () => {
    fc.assert(
      fc.property(histories, (events) => {
        expect(disabledAt(events)).toEqual(reference(events))
      }),
      { numRuns: 2_000 },
    )
  })

  test('needs two deliveries that were given up, the right time apart, with no success between', () => {
    fc.assert(
      fc.property(histories, (events) => {
        for (const i of disabledAt(events)) {
          const earlier = events.slice(0, i).findLastIndex((one) => one.what === 'success')
          const gaps = events
            .slice(earlier + 1, i)
            .flatMap((one) => (one.what === 'gave up' ? [events[i]!.at - one.at] : []))
          expect(gaps.some((gap) => gap > AFTER && gap <= 2 * AFTER)).toBe(true)
        }
      }),
    )
  })

  test('is never met by a single failure, whatever the endpoint went through before its last success', () => {
    fc.assert(
      fc.property(histories, fc.constantFrom<Seen['what']>('failed', 'gave up'), (events, what) => {
        const end = (events.at(-1)?.at ?? 0) + 1
        const all: Seen[] = [...events, { at: end, what: 'success' }, { at: end + 100 * AFTER, what }]
        expect(disabledAt(all)).not.toContain(all.length - 1)
      }),
    )
  })

  test('is never met by attempts whose deliveries are tried again', () => {
    const failures = Array.from({ length: 100 }, (_, i): Seen => ({ at: i * DAY, what: 'failed' }))
    expect(disabledAt(failures)).toEqual([])
  })

  test('is met by an endpoint that gives up something every day, as soon as the first is old enough', () => {
    const daily = Array.from({ length: 7 }, (_, i): Seen => ({ at: i * DAY, what: 'gave up' }))
    expect(disabledAt(daily)).toEqual([6])
  })

  test.each<[string, Seen[], number[]]>([
    ['half an hour of outage, quiet days, one failure', [gaveUp(0), failed(12 * DAY)], []],
    ['two given up exactly the time apart', [gaveUp(0), gaveUp(AFTER)], []],
    ['two given up more than the time apart', [gaveUp(0), gaveUp(AFTER + 1)], [1]],
    ['two given up twice the time apart', [gaveUp(0), gaveUp(2 * AFTER)], [1]],
    ['two given up longer apart than twice the time', [gaveUp(0), gaveUp(2 * AFTER + 1)], []],
    ['the second of these is a new mark', [gaveUp(0), gaveUp(3 * AFTER), gaveUp(4 * AFTER + 1)], [2]],
    ['a success between the two', [gaveUp(0), success(DAY), gaveUp(AFTER + 1)], []],
  ])('%s', (_, events, expected) => {
    expect(disabledAt(events)).toEqual(expected)
  })

  test('a run of failures begins with its first failure, of whatever kind', () => {
    const { health } = afterFailure(HEALTHY, { at: 5, gaveUp: false }, AFTER)
    expect(health).toEqual({ failingSince: 5, givenUpSince: null })
    expect(afterFailure(health, { at: 9, gaveUp: true }, AFTER).health).toEqual({ failingSince: 5, givenUpSince: 9 })
  })
})

function gaveUp(at: number): Seen {
  return { at, what: 'gave up' }
}
function failed(at: number): Seen {
  return { at, what: 'failed' }
}
function success(at: number): Seen {
  return { at, what: 'success' }
}
