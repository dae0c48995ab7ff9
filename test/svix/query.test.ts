import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { GatewayError } from '../../src/domain/errors.ts'
import { createIds, startId } from '../../src/domain/ids.ts'
import { parseInstant } from '../../src/http/instants.ts'
import { SvixError } from '../../src/http/svix/problems.ts'
import {
  channelParameter,
  eventTypes,
  flag,
  idWindow,
  instantParameter,
  iterator,
  limit,
  order,
  parseQuery,
  statusCodeClass,
  statusParameter,
} from '../../src/http/svix/query.ts'

const NOW = Date.UTC(2035, 0, 1)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const NINETY_DAYS = 90 * DAY

describe('an instant', () => {
  const noon = Date.UTC(2024, 0, 31, 12)
  test.each([
    ['2024-01-31T12:00:00Z', noon],
    ['2024-01-31t12:00:00z', noon],
    ['2024-01-31 12:00:00Z', noon],
    ['2024-01-31 12:00:00 UTC', noon],
    ['2024-01-31 12:00:00.123456 UTC', noon + 123],
    ['2024-01-31T12:00:00.5Z', noon + 500],
    ['2024-01-31T12:00:00.999999999Z', noon + 999],
    ['2024-01-31T14:00:00+02:00', noon],
    ['2024-01-31T14:00:00.001+02:00', noon + 1],
    ['2024-01-31T06:30:00-05:30', noon],
    ['2024-01-31T12:00:00+00:00', noon],
    // A plus sign that was not escaped.
    ['2024-01-31T14:00:00 02:00', noon],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['1970-01-01T00:00:00Z', 0],
  ])('%s is read', (text, ms) => {
    expect(parseInstant(text)).toBe(ms)
  })

  test.each([
    '',
    'now',
    '2024-01-31',
    '2024-01-31T12:00Z',
    '2024-01-31T12:00:00',
    '2024-01-31T12:00:00.Z',
    '2024-01-31T12:00:00 CET',
    '2024-01-31T12:00:00utc',
    ' 2024-01-31T12:00:00Z',
    '2024-01-31T12:00:00Z ',
    '1706702400',
    '20240131T120000Z',
    '+002024-01-31T12:00:00Z',
    '2024-13-01T00:00:00Z',
    '2024-01-32T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-02-30T00:00:00Z',
    '2024-04-31T00:00:00+02:00',
    '2024-01-01T24:00:00Z',
    '2024-01-01T23:60:00Z',
    '2024-01-01T12:00:00+24:00',
  ])('%j is none', (text) => {
    expect(parseInstant(text)).toBeNull()
  })

  test('whatever a Date writes is read to the millisecond, in every zone', () => {
    const when = fc.integer({ min: Date.UTC(1, 0, 2), max: Date.UTC(9999, 11, 30) })
    const minutes = fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 })
    fc.assert(
      fc.property(when, minutes, (ms, offset) => {
        const local = new Date(ms + offset * 60_000).toISOString().slice(0, -1)
        const two = (value: number) => String(Math.trunc(value)).padStart(2, '0')
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`
        expect(parseInstant(new Date(ms).toISOString())).toBe(ms)
        expect(parseInstant(local + zone)).toBe(ms)
        expect(parseInstant(`${new Date(ms).toISOString().slice(0, -1).replace('T', ' ')}456 UTC`)).toBe(ms)
      }),
    )
  })
})

describe('the window of a time-limited list', () => {
  type Asked = Parameters<typeof idWindow>[1]
  /** Whether a message that was made at `ms` is in the window. */
  const holds = (asked: Asked, ms: number) => {
    const { from, until } = idWindow('msg', asked, NOW)
    const id = createIds({ now: () => ms, randomBytes: (n) => new Uint8Array(n).fill(1) }).next('msg')
    return from < id && id < until
  }
  const at = (ms: number) => startId('msg', ms)

  test.each<[string, Asked, { first: number; last: number }]>([
    ['is ninety days', {}, { first: NOW - NINETY_DAYS, last: NOW + HOUR - 4 }],
    ['ends before `before`', { before: NOW - DAY }, { first: NOW - DAY - NINETY_DAYS, last: NOW - DAY - 4 }],
    [
      'never ends more than an hour ahead',
      { before: NOW + DAY },
      { first: NOW + DAY - NINETY_DAYS, last: NOW + HOUR - 4 },
    ],
    [
      'begins with `after`',
      { after: NOW - 200 * DAY },
      { first: NOW - 200 * DAY, last: NOW - 200 * DAY + NINETY_DAYS - 4 },
    ],
    ['that begins lately ends now', { after: NOW - DAY }, { first: NOW - DAY, last: NOW + HOUR - 4 }],
    [
      'lies between the two',
      { after: NOW - 20 * DAY, before: NOW - 10 * DAY },
      { first: NOW - 20 * DAY, last: NOW - 10 * DAY - 4 },
    ],
    [
      'of two that are far apart are the days before `before`',
      { after: NOW - 400 * DAY, before: NOW - 10 * DAY },
      { first: NOW - 10 * DAY - NINETY_DAYS, last: NOW - 10 * DAY - 4 },
    ],
    [
      'lies around an iterator',
      { iterator: at(NOW - 300 * DAY) },
      { first: NOW - 300 * DAY - NINETY_DAYS, last: NOW - 300 * DAY + NINETY_DAYS - 4 },
    ],
    [
      'lies around an iterator that leads back',
      { iterator: `-${at(NOW - 300 * DAY)}` },
      { first: NOW - 300 * DAY - NINETY_DAYS, last: NOW - 300 * DAY + NINETY_DAYS - 4 },
    ],
    ['is the usual one with an empty iterator', { iterator: '' }, { first: NOW - NINETY_DAYS, last: NOW + HOUR - 4 }],
    [
      'of an iterator ends before `before` all the same',
      { iterator: at(NOW - 10 * DAY), before: NOW - 20 * DAY },
      { first: NOW - 100 * DAY, last: NOW - 20 * DAY - 4 },
    ],
    [
      'of an iterator begins with `after` all the same',
      { iterator: at(NOW - 10 * DAY), after: NOW - 20 * DAY },
      { first: NOW - 20 * DAY, last: NOW + HOUR - 4 },
    ],
  ])('%s', (_, asked, { first, last }) => {
    expect([first - 4, first, last, last + 4].map((ms) => holds(asked, ms))).toEqual([false, true, true, false])
  })

  test('is never longer than ninety days unless an iterator moves it, and holds all that was asked for of the last days', () => {
    const when = fc.option(fc.integer({ min: NOW - 500 * DAY, max: NOW + DAY }), { nil: undefined })
    fc.assert(
      fc.property(when, when, fc.integer({ min: -600, max: 1 }), (before, after, day) => {
        const ms = NOW + day * DAY + 4
        const isAskedFor = ms <= NOW + HOUR - 4 && ms < (before ?? Infinity) - 4 && ms > (after ?? -Infinity) + 4
        const end = before ?? (after === undefined ? NOW : after + NINETY_DAYS)
        const isHeld = holds({ before, after }, ms)
        const isWithin = ms >= end - NINETY_DAYS - 4
        const isSurelyWithin = isAskedFor && ms > end - NINETY_DAYS + 4 && ms < end - 4
        expect([isHeld && !isWithin, isSurelyWithin && !isHeld]).toEqual([false, false])
      }),
      { numRuns: 2_000 },
    )
  })
})

/** The query as the framework hands it over. */
const read = (text: string) => {
  const raw: Record<string, unknown> = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const before = raw[name]
    raw[name] = before === undefined ? value : [before, value].flat()
  }
  return raw
}
const schema = z.object({
  limit: limit(50),
  iterator: iterator('msg'),
  order,
  with_content: flag(true),
  status: statusParameter,
  status_code_class: statusCodeClass,
  before: instantParameter,
  channel: channelParameter,
  event_types: eventTypes,
})
const parse = (text: string) => parseQuery(schema, read(text))

describe('a list of event types', () => {
  test.each([
    ['event_types=a', ['a']],
    ['event_types=a,b', ['a', 'b']],
    ['event_types=a&event_types=b', ['a', 'b']],
    ['event_types=a,b&event_types=c', ['a', 'b', 'c']],
    ['event_types[]=a&event_types[]=b', ['a', 'b']],
    ['event_types[0]=a&event_types[1]=b', ['a', 'b']],
    ['event_types[10]=a', ['a']],
    ['event_types=a&event_types[]=b&event_types[3]=c,d', ['a', 'b', 'c', 'd']],
    ['event_types%5B%5D=a', ['a']],
    ['', undefined],
  ])('may be written %s', (text, names) => {
    expect(parse(text).event_types).toEqual(names)
  })
})

describe('a query', () => {
  test('that is empty has its defaults', () => {
    expect(parse('')).toEqual({ limit: 50, with_content: true })
  })

  test('is read, and what nobody knows is left out', () => {
    const id = startId('msg', NOW)
    const text = `limit=250&iterator=-${id}&order=ascending&with_content=false&status=3&status_code_class=0&before=2035-01-01T00:00:00Z&channel=a.b&more=1`
    expect(parse(text)).toEqual({
      limit: 250,
      iterator: `-${id}`,
      order: 'ascending',
      with_content: false,
      status: 3,
      status_code_class: 0,
      before: NOW,
      channel: 'a.b',
    })
    expect(parse('more=1&more=2&limit[]=1&limit[]=2&limit=3')).toEqual({ limit: 3, with_content: true })
    expect(parse('limit=0').limit).toBe(0)
  })

  const codeOf = (text: string): [string, unknown] => {
    try {
      parse(text)
    } catch (error) {
      if (error instanceof SvixError) return [error.code, 'unreadable']
      if (error instanceof GatewayError) return [error.code, error.issues?.map(({ loc }) => loc.join('.'))]
    }
    return ['fine', null]
  }

  test.each([
    'limit=many',
    'limit=',
    'limit=-1',
    'limit=1.5',
    'limit=1e2',
    'limit=1&limit=2',
    'order=up',
    'with_content=yes',
    'with_content=TRUE',
    'status=9',
    'status=success',
    'status_code_class=404',
    'before=yesterday',
    'before=2024-02-30T00:00:00Z',
    'iterator=a&iterator=b',
  ])('with %s cannot be read', (text) => {
    expect(codeOf(text)).toEqual(['generic_error', 'unreadable'])
  })

  test.each([
    ['limit=251', 'query.limit'],
    [`iterator=${startId('ep', NOW)}`, 'query.iterator'],
    ['iterator=msg_', 'query.iterator'],
    ['iterator=msg_123', 'query.iterator'],
    [`iterator=--${startId('msg', NOW)}`, 'query.iterator'],
    [`iterator=msg_${'z'.repeat(27)}`, 'query.iterator'],
    ['channel=a%20b', 'query.channel'],
    [`channel=${'x'.repeat(257)}`, 'query.channel'],
    ['event_types=a,b%20c', 'query.event_types'],
    ['event_types=', 'query.event_types'],
    ['event_types=a,,b', 'query.event_types'],
  ])('with %s is read and refused', (text, place) => {
    expect(codeOf(text)).toEqual(['validation', [place]])
  })
})
