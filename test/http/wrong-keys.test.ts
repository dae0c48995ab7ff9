import { describe, expect, test } from 'vitest'
import { networkOf, WrongKeys } from '../../src/http/wrong-keys.ts'

const START = Date.UTC(2035, 0, 1)

/** Notes so many different keys from `first` on; the answers to them. */
const guess = (keys: WrongKeys, address: string, { first = 0, count = 20, now = START } = {}) =>
  Array.from({ length: count }, (_, index) => keys.note(address, first + index, now))

describe('wrong keys', () => {
  test('of one address are 20 different ones in a minute, and then it waits for the rest of that minute', () => {
    const keys = new WrongKeys()
    expect(guess(keys, '192.0.2.1')).toEqual(Array(20).fill(0))
    expect(keys.note('192.0.2.1', 20, START + 1_000)).toBe(59)
    expect(keys.note('192.0.2.1', 20, START + 59_999)).toBe(1)
    expect(keys.note('192.0.2.1', 20, START + 60_000)).toBe(0)
  })

  test('that are the same one again are one', () => {
    const keys = new WrongKeys()
    for (let count = 0; count < 100; count++) expect(keys.note('192.0.2.1', 1, START)).toBe(0)
    expect(guess(keys, '192.0.2.1', { first: 2, count: 19 })).toEqual(Array(19).fill(0))
    expect(keys.note('192.0.2.1', 100, START)).toBeGreaterThan(0)
    expect(keys.note('192.0.2.1', 1, START)).toBe(0)
  })

  test('of other addresses do not count', () => {
    const keys = new WrongKeys()
    guess(keys, '2001:db8:0:1::1')
    expect(keys.note('2001:db8:0:2::1', 1, START)).toBe(0)
    expect(keys.note('2001:db8:0:1:ffff::2', 50, START)).toBeGreaterThan(0)
  })

  test('are forgotten of the oldest address, when there are too many addresses', () => {
    const keys = new WrongKeys()
    guess(keys, 'oldest')
    guess(keys, 'second')
    for (let count = 0; count < 9_999; count++) keys.note(`address-${count}`, 1, START)
    expect(keys.note('second', 20, START)).toBeGreaterThan(0)
    expect(keys.note('oldest', 20, START)).toBe(0)
  })

  test('hold nobody for longer than a minute when the clock is set back', () => {
    const keys = new WrongKeys()
    guess(keys, '192.0.2.1')
    expect(keys.note('192.0.2.1', 20, START - 3_600_000)).toBe(0)
  })
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:DB8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['::1', '0:0:0:0'],
  ['fe80::', 'fe80:0:0:0'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
