import { expect, test } from 'vitest'
import { gatherLines } from '../../src/lib/log.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

function gathering() {
  const writes: string[] = []
  return { writes, lines: gatherLines({ write: (text) => void writes.push(text) }) }
}

test('the lines of one turn are one write, in their order', async () => {
  const { writes, lines } = gathering()
  lines.write('one\n')
  lines.write('two\n')
  expect(writes).toEqual([])
  await turn()
  expect(writes).toEqual(['one\ntwo\n'])
  lines.write('three\n')
  await turn()
  expect(writes).toEqual(['one\ntwo\n', 'three\n'])
})

test('what is gathered has a bound, beyond which it is written in the same turn', async () => {
  const { writes, lines } = gathering()
  const line = `${'x'.repeat(1_023)}\n`
  for (let i = 0; i < 100; i++) lines.write(line)
  expect(writes.map((text) => text.length)).toEqual([65 * 1_024])
  await turn()
  expect(writes.join('')).toBe(line.repeat(100))
})

test('a flush writes what is gathered, and a second one nothing', async () => {
  const { writes, lines } = gathering()
  lines.write('last\n')
  lines.flush()
  lines.flush()
  await turn()
  expect(writes).toEqual(['last\n'])
})
