import { expect, test } from 'vitest'
import { endsInTurns } from '../../src/destinations/ends-in-turns.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('of many ends four run in a turn of the event loop, all of them once and in order', async () => {
  const inTurns = endsInTurns()
  const ended: number[] = []
  for (let n = 0; n < 10; n++) inTurns(() => void ended.push(n))
  expect(ended).toEqual([0, 1, 2, 3])
  await turn()
  expect(ended).toHaveLength(8)
  await turn()
  expect(ended).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  await turn()
  inTurns(() => void ended.push(10))
  expect(ended.at(-1)).toBe(10)
})
