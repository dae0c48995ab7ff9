import { afterAll, describe, expect, test } from 'vitest'
import { createFakeClock } from '../fake-clock.ts'
import { atMost, once } from '../../src/http/constants.ts'
import { startGateway } from './gateway.ts'

const gateway = await startGateway()
afterAll(() => gateway[Symbol.asyncDispose]())

const BUNDLE = '/docs/static/swagger-ui-bundle.js'

describe.each(['/openapi.json', '/api/v1/openapi.json', '/docs/json', '/docs/', '/docs', BUNDLE])('%s', (path) => {
  test('is the same for everybody, and is not sent again to whoever has it', async () => {
    const first = await gateway.send(path)
    const again = await gateway.send(path, { headers: { 'if-none-match': String(first.headers.etag) } })
    const other = await gateway.send(path, { headers: { 'if-none-match': '"another"' } })
    expect([first.status, again.status, other.status]).toEqual([200, 304, 200])
    expect(again.bytes).toHaveLength(0)
    expect(other.bytes.equals(first.bytes)).toBe(true)
    expect(first.headers['content-length']).toBe(String(first.bytes.length))
  })

  test('has a HEAD without a body', async () => {
    const [whole, head] = await Promise.all([gateway.send(path), gateway.send(path, { method: 'HEAD' })])
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, String(whole.bytes.length), ''])
  })
})

test('what is no file of the page is not found', async () => {
  for (const name of ['nothing.js', 'index.js', '..%2Findex.js', '%2e%2e%2fpackage.json'])
    expect([name, (await gateway.send(`/docs/static/${name}`)).status]).toEqual([name, 404])
})

describe('what is made once', () => {
  test('is made anew after a failure, and never again after a success', async () => {
    let made = 0
    const ask = once(async () => {
      if (++made === 1) throw new Error('not yet')
      return made
    })
    await expect(ask()).rejects.toThrow('not yet')
    expect(await Promise.all([ask(), ask()])).toEqual([2, 2])
    expect(await ask()).toBe(2)
  })
})

describe('what is made at most so often', () => {
  test('is shared by all who ask at once, and remembered for the rest of the second', async () => {
    const clock = createFakeClock()
    let made = 0
    const ask = atMost(2, clock, async () => {
      await clock.settle()
      return ++made
    })
    expect(await Promise.all(Array.from({ length: 1_000 }, ask))).toEqual(Array(1_000).fill(1))
    expect([await ask(), await ask(), await ask()]).toEqual([2, 2, 2])
    await clock.advance(1_000)
    expect([await ask(), await ask(), await ask()]).toEqual([3, 4, 4])
  })

  test('is made anew after a failure', async () => {
    let made = 0
    const ask = atMost(5, createFakeClock(), async () => {
      if (++made === 1) throw new Error('not yet')
      return made
    })
    await expect(ask()).rejects.toThrow('not yet')
    expect(await ask()).toBe(2)
  })
})
