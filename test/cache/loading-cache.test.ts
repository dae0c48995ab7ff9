import { describe, expect, test } from 'vitest'
import { LoadingCache } from '../../src/cache/loading-cache.ts'

interface Value {
  version: number
}

/** A cache whose loads the test answers, one after the other. */
function scripted(max = 100) {
  const loads: { key: string; answer: (value: Value | null) => void; fail: (error: Error) => void }[] = []
  const cache = new LoadingCache<Value>(
    { max, bytes: 1_000_000 },
    (key) => new Promise((answer, fail) => loads.push({ key, answer, fail })),
  )
  return { cache, loads }
}

const version = (n: number): Value => ({ version: n })

describe('a value', () => {
  test('is loaded once for all who ask meanwhile, and is then at hand', async () => {
    const { cache, loads } = scripted()
    const asked = [cache.get('a'), cache.get('a'), cache.get('a')]
    expect(loads).toHaveLength(1)
    expect(cache.peek('a')).toBeUndefined()
    loads[0]!.answer(version(1))
    for (const one of asked) expect(await one).toEqual(version(1))
    expect(cache.get('a')).toEqual(version(1))
    expect(cache.peek('a')).toEqual(version(1))
    expect(loads).toHaveLength(1)
  })

  test('is loaded for its own key', async () => {
    const { cache, loads } = scripted()
    const [a, b] = [cache.get('a'), cache.get('b')]
    loads.find(({ key }) => key === 'b')!.answer(version(2))
    loads.find(({ key }) => key === 'a')!.answer(version(1))
    expect([await a, await b]).toEqual([version(1), version(2)])
  })

  test('that does not exist is asked for again the next time', async () => {
    const { cache, loads } = scripted()
    const first = cache.get('a')
    loads[0]!.answer(null)
    expect(await first).toBeNull()
    void cache.get('a')
    expect(loads).toHaveLength(2)
  })

  test('that was forgotten is loaded again', async () => {
    const { cache, loads } = scripted()
    const first = cache.get('a')
    loads[0]!.answer(version(1))
    await first
    cache.forget('a')
    expect(cache.peek('a')).toBeUndefined()
    const second = cache.get('a')
    loads[1]!.answer(version(2))
    expect(await second).toEqual(version(2))
  })

  test('is not loaded by looking whether it is there', () => {
    const { cache, loads } = scripted()
    expect(cache.peek('a')).toBeUndefined()
    expect(loads).toHaveLength(0)
  })
})

describe('what is forgotten while it is being loaded', () => {
  test('is handed to those who asked before, but not kept', async () => {
    const { cache, loads } = scripted()
    const before = cache.get('a')
    cache.forget('a')
    loads[0]!.answer(version(1))
    expect(await before).toEqual(version(1))
    expect(cache.peek('a')).toBeUndefined()
  })

  test('is loaded anew for those who ask after, whichever load is answered first', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { cache, loads } = scripted()
      const before = cache.get('a')
      cache.forget('a')
      const after = cache.get('a')
      for (const i of order) loads[i]!.answer(version(i))
      expect([await before, await after]).toEqual([version(0), version(1)])
      expect(cache.peek('a')).toEqual(version(1))
    }
  })
})

describe('a load that fails', () => {
  test('fails for all who asked, and the next one loads again', async () => {
    const { cache, loads } = scripted()
    const asked = [cache.get('a'), cache.get('a')]
    loads[0]!.fail(new Error('the store is away'))
    for (const one of asked) await expect(one).rejects.toThrow('the store is away')
    const again = cache.get('a')
    loads[1]!.answer(version(1))
    expect(await again).toEqual(version(1))
  })

  test('does not disturb the one that was started after it was forgotten', async () => {
    const { cache, loads } = scripted()
    const before = cache.get('a')
    cache.forget('a')
    const after = cache.get('a')
    loads[0]!.fail(new Error('the store is away'))
    await expect(before).rejects.toThrow('the store is away')
    const together = cache.get('a')
    expect(loads).toHaveLength(2)
    loads[1]!.answer(version(1))
    expect([await after, await together]).toEqual([version(1), version(1)])
  })
})

test('no more is kept than the bound; what was used least recently goes first', async () => {
  const { cache, loads } = scripted(2)
  const load = async (key: string) => {
    const loading = cache.get(key)
    loads.at(-1)!.answer(version(loads.length))
    await loading
  }
  await load('a')
  await load('b')
  void cache.get('a')
  await load('c')
  expect(['a', 'b', 'c'].map((key) => cache.peek(key) !== undefined)).toEqual([true, false, true])
})

test('what is kept has a bound in bytes, and what is beyond it by itself is loaded each time', async () => {
  let loads = 0
  const size = (key: string) => (key === 'huge' ? 2_000 : 400)
  const cache = new LoadingCache<{ text: string }>({ max: 100, bytes: 1_000 }, async (key) => {
    loads++
    return { text: 'x'.repeat(size(key)) }
  })
  for (const key of ['a', 'b', 'c', 'huge']) await cache.get(key)
  expect(['a', 'b', 'c', 'huge'].map((key) => cache.peek(key) !== undefined)).toEqual([false, true, true, false])
  await cache.get('huge')
  expect(loads).toBe(5)
})
