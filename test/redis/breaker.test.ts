import { expect, test } from 'vitest'
import { Breaker } from '../../src/redis/breaker.ts'

const T = 1_000_000

test('after three failures in a row nothing is tried for a second, and then one thing at a time', () => {
  const breaker = new Breaker()
  for (let i = 0; i < 3; i++) {
    expect(breaker.mayTry(T)).toBe(true)
    breaker.failed(T)
  }
  expect([T, T + 999].map((now) => breaker.mayTry(now))).toEqual([false, false])
  expect([T + 1_000, T + 1_000, T + 1_999].map((now) => breaker.mayTry(now))).toEqual([true, false, false])
  breaker.failed(T + 1_010)
  expect(breaker.mayTry(T + 1_999)).toBe(false)
  expect(breaker.mayTry(T + 2_000)).toBe(true)
  breaker.succeeded()
  expect([1, 2, 3].map(() => breaker.mayTry(T + 2_001))).toEqual([true, true, true])
})

test('a success in between starts the count again', () => {
  const breaker = new Breaker()
  for (const happens of ['failed', 'failed', 'succeeded', 'failed', 'failed'] as const) breaker[happens](T)
  expect(breaker.mayTry(T)).toBe(true)
})

test('a clock that is set back makes the pause no longer', () => {
  const breaker = new Breaker()
  for (let i = 0; i < 3; i++) breaker.failed(T)
  expect(breaker.mayTry(T - 3_600_000)).toBe(true)
})
