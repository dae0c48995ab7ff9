import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldCase, timestampKey, timestampProblem } from '../../src/domain/inbox.ts'

const digits = (value: number, width = 2) => String(value).padStart(width, '0')

/** Digits after the point of a second: many with zeros at their end, some longer than any clock is exact. */
const fraction = () =>
  fc
    .tuple(fc.stringMatching(/^\d{0,20}$/), fc.nat({ max: 12 }))
    .map(([exact, zeros]) => exact + '0'.repeat(zeros))
    .filter((text) => text !== '')

/** A real second of the years that a timestamp can have. */
const second = () =>
  fc
    .date({ min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
    .map((date) => date.toISOString().slice(0, 19))

const timestamp = () =>
  fc.tuple(second(), fc.option(fraction())).map(([at, rest]) => (rest === null ? `${at}Z` : `${at}.${rest}Z`))

describe('a timestamp', () => {
  test.each([
    '2025-01-15T10:00:00Z',
    '2025-01-15T00:00:00Z',
    '2025-01-15T23:59:59Z',
    '2025-01-15T10:00:00.5Z',
    '2025-01-15T10:00:00.000Z',
    '2025-01-15T10:00:00.123456789Z',
    `2025-01-15T10:00:00.${'9'.repeat(32)}Z`,
    '2024-02-29T00:00:00Z',
    '2000-02-29T00:00:00Z',
    '2400-02-29T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
  ])('%s is valid', (text) => {
    expect(timestampProblem(text)).toBeNull()
  })

  test.each([
    '2025-02-29T00:00:00Z',
    '2025-02-30T00:00:00Z',
    '2100-02-29T00:00:00Z',
    '1900-02-29T00:00:00Z',
    '2025-04-31T00:00:00Z',
    '2025-13-01T00:00:00Z',
    '2025-00-10T00:00:00Z',
    '2025-01-00T00:00:00Z',
    '2025-01-32T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '2025-01-15T24:00:00Z',
    '2025-01-15T10:60:00Z',
    '2025-01-15T10:00:60Z',
    '2016-12-31T23:59:60Z',
  ])('%s is written well but does not exist', (text) => {
    expect(timestampProblem(text)).toMatch(/exists/)
  })

  test.each([
    '',
    ' ',
    'Z',
    '2025-01-15',
    '2025-01-15T10:00Z',
    '2025-01-15T10Z',
    '2025-01-15T10:00:00',
    '2025-01-15T10:00:00+00:00',
    '2025-01-15T10:00:00-00:00',
    '2025-01-15T10:00:00+05:30',
    '2025-01-15T10:00:00Z+00:00',
    '2025-01-15t10:00:00Z',
    '2025-01-15T10:00:00z',
    '2025-01-15 10:00:00Z',
    '2025-01-15T10:00:00 Z',
    ' 2025-01-15T10:00:00Z',
    '2025-01-15T10:00:00Z ',
    '2025-01-15T10:00:00Z\n',
    '2025-01-15T10:00:00Z\0',
    '2025-01-15T10:00:00.Z',
    '2025-01-15T10:00:00,5Z',
    '2025-01-15T10:00:00.5.5Z',
    '2025-01-15T10:00:00.5e1Z',
    `2025-01-15T10:00:00.${'9'.repeat(33)}Z`,
    '2025-1-15T10:00:00Z',
    '2025-01-15T1:00:00Z',
    '25-01-15T10:00:00Z',
    '02025-01-15T10:00:00Z',
    '+002025-01-15T10:00:00Z',
    '-000001-01-15T10:00:00Z',
    '20250115T100000Z',
    '2025-W03-3T10:00:00Z',
    '2025-015T10:00:00Z',
    '٢٠٢٥-01-15T10:00:00Z',
    '1736935200',
    'Wed, 15 Jan 2025 10:00:00 GMT',
  ])('%j is written in another way', (text) => {
    expect(timestampProblem(text)).toMatch(/2025-01-15T10:00:00Z/)
  })

  /** Date rolls over what it takes and does not exist: February 30 is its March 2. */
  const existsForDate = (text: string) => {
    const date = new Date(text)
    return !Number.isNaN(date.getTime()) && date.toISOString().slice(0, 19) === text.slice(0, 19)
  }

  test('is valid on exactly the days that Date knows, in all 400 years of the calendar', () => {
    const wrong: string[] = []
    for (let year = 1_801; year <= 2_200; year++)
      for (let month = 0; month <= 13; month++)
        for (let day = 0; day <= 32; day++) {
          const text = `${year}-${digits(month)}-${digits(day)}T12:00:00Z`
          if ((timestampProblem(text) === null) !== existsForDate(text)) wrong.push(text)
        }
    expect(wrong).toEqual([])
  })

  test('is valid at exactly the times of day that Date knows', () => {
    const wrong: string[] = []
    for (let hour = 0; hour <= 25; hour++)
      for (let minute = 0; minute <= 61; minute++)
        for (const second of [0, 1, 59, 60, 61, 99]) {
          const text = `2025-01-15T${digits(hour)}:${digits(minute)}:${digits(second)}Z`
          if ((timestampProblem(text) === null) !== existsForDate(text)) wrong.push(text)
        }
    expect(wrong).toEqual([])
  })

  test('is valid at any real instant, with any fraction', () => {
    fc.assert(
      fc.property(timestamp(), (text) => {
        expect(timestampProblem(text)).toBeNull()
      }),
    )
  })

  test('with a character put in, taken out or replaced is valid if it is well written and Date says so', () => {
    const character = () => fc.oneof(fc.constantFrom(...'0123456789-:.TZtz+ \n'.split('')), fc.string({ maxLength: 1 }))
    const edited = fc
      .tuple(timestamp(), fc.nat(), fc.nat({ max: 1 }), character())
      .map(
        ([text, at, removed, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + removed),
      )
    fc.assert(
      fc.property(edited, (text) => {
        const isWellWritten = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,32})?Z$/.test(text) && !text.startsWith('0000')
        expect(timestampProblem(text) === null).toBe(isWellWritten && existsForDate(text))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the key of a timestamp', () => {
  /** In units of 10⁻³² seconds. */
  const instantOf = (text: string) => {
    const [at = '', rest = ''] = text.slice(0, -1).split('.')
    return BigInt(Date.parse(`${at}Z`) / 1_000) * 10n ** 32n + BigInt(rest.padEnd(32, '0'))
  }
  const sign = (difference: bigint) => (difference < 0n ? -1 : difference > 0n ? 1 : 0)
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

  test.each([
    ['2025-01-15T10:00:00Z', '2025-01-15T10:00:00.000Z'],
    ['2025-01-15T10:00:00.5Z', '2025-01-15T10:00:00.50Z'],
    ['2025-01-15T10:10:10.010Z', '2025-01-15T10:10:10.01Z'],
    ['2025-01-15T00:00:00Z', `2025-01-15T00:00:00.${'0'.repeat(32)}Z`],
  ])('%s and %s are one instant and have one', (one, other) => {
    expect(timestampKey(one)).toBe(timestampKey(other))
  })

  test('sorts a second before its fractions, and those by their value and not by their length', () => {
    const seconds = ['09:59:59.999', '10:00:00', '10:00:00.0001', '10:00:00.1', '10:00:00.12', '10:00:00.2', '10:00:01']
    const keys = seconds.map((second) => timestampKey(`2025-01-15T${second}Z`))
    expect(keys.toReversed().sort()).toEqual(keys)
  })

  test('sorts as the instants do, and is the same only for the same instant', () => {
    const near = fc
      .tuple(second(), fraction(), fraction())
      .map(([at, one, other]) => [`${at}.${one}Z`, `${at}.${other}Z`] as const)
    const sameWithZeros = fc
      .tuple(second(), fraction(), fc.nat({ max: 12 }))
      .map(([at, one, zeros]) => [`${at}.${one}Z`, `${at}.${one}${'0'.repeat(zeros)}Z`.slice(0, 53)] as const)
    const apart = fc.tuple(timestamp(), timestamp())
    fc.assert(
      fc.property(fc.oneof(near, sameWithZeros, apart), ([a, b]) => {
        expect(order(timestampKey(a), timestampKey(b))).toBe(sign(instantOf(a) - instantOf(b)))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('texts that differ in case only', () => {
  test.each([
    ['Hello', 'hELLO'],
    ['ПРИВЕТ, Ёж', 'привет, ёж'],
    ['STRASSE', 'straße'],
    ['STRAẞE', 'strasse'],
    ['ΟΔΥΣΣΕΥΣ', 'οδυσσευς'],
    ['οδυσσευς', 'οδυσσευσ'],
    ['Café', 'CAFE\u0301'],
    ['İstanbul', 'i\u0307STANBUL'],
    ['Diyarbakır', 'DIYARBAKIR'],
    ['ΐ', '\u0399\u0308\u0301'],
    ['ŉ', 'ʼN'],
    ['ﬁ', 'FI'],
    ['Ǆ', 'ǆ'],
    ['ǅ', 'ǆ'],
    ['ᾳ', 'ΑΙ'],
    ['ᾴ', 'α\u0345\u0301'],
    ['ſ', 'S'],
    ['\u212a', 'k'],
    ['𐐀', '𐐨'],
    ['Ꭰ', 'ꭰ'],
  ])('%s and %s have one form', (one, other) => {
    expect(foldCase(one)).toBe(foldCase(other))
  })

  test.each([
    ['a', 'b'],
    ['e', 'é'],
    ['o', 'ö'],
    ['0', 'O'],
    ['и', 'й'],
    ['ｈ', 'h'],
    ['²', '2'],
    ['%', '_'],
  ])('but %s and %s do not', (one, other) => {
    expect(foldCase(one)).not.toBe(foldCase(other))
  })

  test('are folded alike whatever the letter and however it is composed, and once is enough', () => {
    const wrong: string[] = []
    for (let code = 0; code <= 0x10_ffff; code++) {
      if (code === 0xd800) code = 0xe000
      const letter = String.fromCodePoint(code)
      const folded = foldCase(letter)
      const others = [letter.toLowerCase(), letter.toUpperCase(), letter.normalize('NFD'), folded]
      if (others.some((other) => foldCase(other) !== folded)) wrong.push(letter)
    }
    expect(wrong).toEqual([])
  })

  test('are, letter for letter, what a regular expression without regard to case takes for the same', () => {
    // It folds one code point into one, and knows no dotless i, which upper case turns into an ordinary one.
    const wrong: string[] = []
    for (let code = 0; code <= 0xffff; code++) {
      if (code === 0xd800) code = 0xe000
      const letter = String.fromCodePoint(code).normalize('NFC')
      const folded = foldCase(letter)
      if (folded === letter || Array.from(folded).length > 1 || letter === 'ı') continue
      if (!new RegExp(`^${folded}$`, 'iu').test(letter)) wrong.push(letter)
    }
    expect(wrong).toEqual([])
  })

  test('are folded the same in the middle of others', () => {
    const letter = () => fc.constantFrom(...Array.from('aAzZéÉßẞΣσςİıДдñÑ0%_ \\\'"😀'))
    const text = () => fc.array(letter(), { maxLength: 6 }).map((letters) => letters.join(''))
    fc.assert(
      fc.property(text(), text(), text(), (before, part, after) => {
        const whole = foldCase(before + part + after)
        expect(whole).toContain(foldCase(part))
        expect(whole).toContain(foldCase(part.toUpperCase()))
        expect(whole).toContain(foldCase(part.toLowerCase()))
      }),
    )
  })
})
