import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../../src/domain/limits.ts'
import { parseRetryAfter } from '../../src/domain/retry-after.ts'

/** The instant of the examples of RFC 9110, section 5.6.7. */
const AT = Date.UTC(1994, 10, 6, 8, 49, 37)
const DAY_MS = 86_400_000

test.each([
  ['0', 0],
  ['1', 1_000],
  ['120', 120_000],
  ['007', 7_000],
  ['86400', DAY_MS],
  ['86401', DAY_MS],
  ['99999999999999999999', DAY_MS],
  ['9'.repeat(400), DAY_MS],
])('%s seconds are a wait of %d ms', (value, ms) => {
  expect(parseRetryAfter(value, AT)).toBe(ms)
})

test('the cap is 24 hours', () => {
  expect(LIMITS.retryAfterMaxMs).toBe(DAY_MS)
})

test.each([
  ['IMF-fixdate', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ['RFC 850', 'Sunday, 06-Nov-94 08:49:37 GMT'],
  ['asctime', 'Sun Nov  6 08:49:37 1994'],
])('a date in the format of %s is a wait until then', (_, value) => {
  expect(parseRetryAfter(value, AT - 90_000)).toBe(90_000)
  expect(parseRetryAfter(value, AT - 500)).toBe(500)
  expect(parseRetryAfter(value, AT)).toBe(0)
  expect(parseRetryAfter(value, AT + 1)).toBe(0)
  expect(parseRetryAfter(value, AT - DAY_MS - 1)).toBe(DAY_MS)
})

test('every second can be written in each of the formats', () => {
  const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(2000) / 1_000, max: Date.UTC(2070) / 1_000 }), (seconds) => {
      const at = seconds * 1_000
      const imf = new Date(at).toUTCString()
      const [, day = '', month = '', year = '', time = ''] = imf.split(/[ ,]+/)
      const weekday = days[new Date(at).getUTCDay()] ?? ''
      const formats = [
        imf,
        `${weekday}, ${day}-${month}-${year.slice(2)} ${time} GMT`,
        `${weekday.slice(0, 3)} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`,
      ]
      for (const value of formats) expect(parseRetryAfter(value, at - 60_000)).toBe(60_000)
    }),
  )
})

test('two digits of a year are at most 50 years ahead', () => {
  const now = Date.UTC(2026, 0, 1)
  expect(parseRetryAfter('Wednesday, 01-Jan-76 00:00:00 GMT', now)).toBe(DAY_MS)
  expect(parseRetryAfter('Saturday, 01-Jan-77 00:00:00 GMT', now)).toBe(0)
  expect(parseRetryAfter('Thursday, 01-Jan-26 00:00:10 GMT', now)).toBe(10_000)
})

test('29 February is a date in a leap year, and a leap second a time', () => {
  expect(parseRetryAfter('Thu, 29 Feb 2024 00:00:01 GMT', Date.UTC(2024, 1, 29))).toBe(1_000)
  expect(parseRetryAfter('Sat, 31 Dec 2016 23:59:60 GMT', Date.UTC(2016, 11, 31, 23, 59, 59))).toBe(1_000)
})

test.each([
  undefined,
  '',
  ' ',
  '-1',
  '+1',
  '1.5',
  '1e3',
  '0x10',
  'NaN',
  'Infinity',
  'soon',
  '120s',
  '1,2',
  '120, 120',
  ' 120',
  '120\n',
  '１２０',
  '1994-11-06T08:49:37Z',
  'Nov 6 1994',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'sun, 06 nov 1994 08:49:37 gmt',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 94 08:49:37 GMT',
  'Sunday, 06-Nov-1994 08:49:37 GMT',
  'Sun Nov 06 08:49:37 1994 GMT',
  'Sun, 06 Foo 1994 08:49:37 GMT',
  'Sun, 00 Nov 1994 08:49:37 GMT',
  'Sun, 31 Nov 1994 08:49:37 GMT',
  'Thu, 30 Feb 2024 00:00:00 GMT',
  'Wed, 29 Feb 2023 00:00:00 GMT',
  'Sun, 06 Nov 1994 24:00:00 GMT',
  'Sun, 06 Nov 1994 08:60:37 GMT',
  'Sun, 06 Nov 1994 08:49:61 GMT',
  'Sun, 06 Nov 1994 08:49:37 GMT, x',
])('%j is no Retry-After', (value) => {
  expect(parseRetryAfter(value, AT)).toBeNull()
})

test('whatever a receiver sends, the wait is null or within the bounds', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.date().map(String)), (value) => {
      const wait = parseRetryAfter(value, AT)
      expect(wait === null || (wait >= 0 && wait <= DAY_MS)).toBe(true)
    }),
  )
})
