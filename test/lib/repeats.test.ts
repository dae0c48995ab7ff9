import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Repeats } from '../../src/lib/repeats.ts'

const SECOND = 1_000
const EVERY = 10 * SECOND

function repeats() {
  let now = 0
  const own = new Repeats({ everyMs: EVERY, now: () => now })
  return { own, after: (ms: number) => void (now += ms) }
}

test('the first time is said at once, what follows once in ten seconds with how often it happened since', () => {
  const { own, after } = repeats()
  expect(own.happened('write')).toBe(0)
  for (let i = 0; i < 9; i++) {
    after(SECOND)
    expect(own.happened('write')).toBeNull()
  }
  after(SECOND)
  expect(own.happened('write')).toBe(9)
  after(SECOND)
  expect(own.happened('write')).toBeNull()
})

test('each thing is said by itself', () => {
  const { own } = repeats()
  expect([own.happened('write'), own.happened('read'), own.happened('write')]).toEqual([0, 0, null])
})

test('what has not happened for ten seconds is over, once', () => {
  const { own, after } = repeats()
  for (let i = 0; i < 5; i++) {
    own.happened('write')
    after(SECOND)
  }
  own.happened('read')
  expect(own.over()).toEqual([])
  after(EVERY - SECOND)
  expect(own.over()).toEqual([{ name: 'write', count: 5, forMs: 4 * SECOND }])
  expect(own.isEmpty).toBe(false)
  after(SECOND)
  expect(own.over()).toEqual([{ name: 'read', count: 1, forMs: 0 }])
  expect([own.isEmpty, own.over()]).toEqual([true, []])
  expect(own.happened('write')).toBe(0)
})

test('whatever happens, little is said, and everything is counted', () => {
  const step = fc.record({ waitMs: fc.nat(4 * SECOND), name: fc.constantFrom('a', 'b', null) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { own, after } = repeats()
      let [elapsed, happened, told, lines] = [0, 0, 0, 0]
      for (const { waitMs, name } of steps) {
        after(waitMs)
        elapsed += waitMs
        if (name === null) for (const { count } of own.over()) [told, lines] = [told + count, lines + 1]
        else {
          happened++
          if (own.happened(name) !== null) lines++
        }
      }
      after(EVERY)
      for (const { count } of own.over()) told += count
      expect(told).toBe(happened)
      // Of each of the two: one line at once, one in ten seconds, and one that it is over.
      expect(lines).toBeLessThanOrEqual(2 * (1 + 2 * Math.ceil(elapsed / EVERY)))
    }),
  )
})
