import { expect, test } from 'vitest'
import { Remembered } from '../../src/lib/remembered.ts'

test('what was found out is believed for its time, and not before it was found out', () => {
  const remembered = new Remembered<number>(10)
  remembered.set('a', 1, 1_000, 500)
  expect([1_000, 1_499, 1_500, 999].map((now) => remembered.get('a', now))).toEqual([1, 1, undefined, undefined])
  expect(remembered.has('a')).toBe(true)
})

test('only the latest are remembered', () => {
  const remembered = new Remembered<number>(3)
  for (const [i, name] of ['a', 'b', 'c', 'a', 'd'].entries()) remembered.set(name, i, 0, 1_000)
  expect(['a', 'b', 'c', 'd'].map((name) => remembered.get(name, 0))).toEqual([3, undefined, 2, 4])
  expect(remembered.has('b')).toBe(false)
})
