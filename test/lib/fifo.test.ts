import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fifo } from '../../src/lib/fifo.ts'

test('an empty queue has nothing to give', () => {
  const fifo = new Fifo<number>()
  expect(fifo.shift()).toBeUndefined()
  expect([fifo.length, fifo.drain(), [...fifo]]).toEqual([0, [], []])
})

test('it does what an array does, whatever is pushed, shifted and drained', () => {
  // Long runs, so that what is used up is given back in between.
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 1_500 }) }) },
    { weight: 6, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 1_500 }) }) },
    { weight: 1, arbitrary: fc.constant('drain' as const) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const fifo = new Fifo<number>()
      let array: number[] = []
      let next = 0
      for (const one of steps) {
        let taken: (number | undefined)[] = []
        let expected: (number | undefined)[] = []
        if (one === 'drain') {
          taken = fifo.drain()
          expected = array
          array = []
        } else if ('push' in one) {
          for (let i = 0; i < one.push; i++, next++) {
            fifo.push(next)
            array.push(next)
          }
        } else {
          taken = Array.from({ length: one.shift }, () => fifo.shift())
          expected = Array.from({ length: one.shift }, (_, i) => array[i])
          array = array.slice(one.shift)
        }
        expect(taken).toEqual(expected)
        expect(fifo.length).toBe(array.length)
        expect([...fifo]).toEqual(array)
      }
    }),
    { numRuns: 50 },
  )
})

test('items that are equal, undefined among them, are kept apart', () => {
  const fifo = new Fifo<number | undefined>()
  for (const item of [undefined, 1, 1, undefined]) fifo.push(item)
  expect(fifo.length).toBe(4)
  expect([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift()]).toEqual([undefined, 1, 1, undefined])
  expect(fifo.length).toBe(0)
})

test('taking from a long queue costs no more than taking from a short one', () => {
  const fifo = new Fifo<number>()
  const count = 300_000
  for (let i = 0; i < count; i++) fifo.push(i)
  const started = performance.now()
  let sum = 0
  for (let i = 0; i < count; i++) sum += fifo.shift()!
  expect(sum).toBe((count * (count - 1)) / 2)
  // An array that is shifted needs many seconds for this.
  expect(performance.now() - started).toBeLessThan(2_000)
})
