import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { Inflater } from '../../src/lib/inflate.ts'

const problem = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (error as { problem: string }).problem,
  )

test('only so many bodies are inflated at once, and only so many wait', async () => {
  const inflater = new Inflater({ bytesMax: 100_000, atOnceMax: 2, waitingMax: 3 })
  const body = gzipSync(Buffer.alloc(50_000))
  const all = Array.from({ length: 10 }, () => problem(inflater.inflate(body, ['gzip'])))
  expect(await Promise.all(all)).toEqual([...Array<string>(5).fill('none'), ...Array<string>(5).fill('busy')])
  expect(await problem(inflater.inflate(body, ['gzip']))).toBe('none')
})

test('what cannot be inflated makes room for the next one', async () => {
  const inflater = new Inflater({ bytesMax: 1_000, atOnceMax: 1, waitingMax: 10 })
  const bodies = [Buffer.from('no gzip'), gzipSync(Buffer.alloc(2_000)), gzipSync(Buffer.alloc(1_000))]
  const all = bodies.map((body) => problem(inflater.inflate(body, ['gzip'])))
  expect(await Promise.all(all)).toEqual(['broken', 'too_large', 'none'])
})
