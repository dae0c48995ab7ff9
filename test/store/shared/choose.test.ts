import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { RETRY_SHARE } from '../../../src/domain/retry-share.ts'
import { type Pass, passesOf, Takings } from '../../../src/store/shared/choose.ts'

const limits = { max: 100, perEndpointMax: 20, perApplicationMax: 50, payloadBytesMax: 1_000_000 }

/** Takes as much as the passes allow of endpoints that have more of everything than anybody may take. */
function takeAll(request: typeof limits, turn: number, endpoints: readonly { appId: string; id: string }[]) {
  const takings = new Takings(request)
  const taken: { appId: string; id: string; retry: 0 | 1 }[] = []
  for (const pass of passesOf(request, turn))
    for (const { appId, id } of endpoints)
      while (takings.roomOf(appId, id, pass) > 0) {
        takings.take(appId, id, 1)
        taken.push({ appId, id, retry: pass.retry })
      }
  return taken
}

const request = fc.record({
  max: fc.integer({ min: 1, max: 60 }),
  perEndpointMax: fc.integer({ min: 1, max: 30 }),
  perApplicationMax: fc.integer({ min: 1, max: 60 }),
  payloadBytesMax: fc.integer({ min: 1, max: 200 }),
})

test('no claim takes more than it may in all, of an endpoint, of an application and in bytes', () => {
  fc.assert(
    fc.property(request, fc.nat(RETRY_SHARE - 1), fc.integer({ min: 1, max: 6 }), (given, turn, count) => {
      const endpoints = Array.from({ length: count }, (_, i) => ({ appId: `app_${i % 2}`, id: `ep_${i}` }))
      const taken = takeAll(given, turn, endpoints)
      const countBy = (of: (one: (typeof taken)[number]) => string) =>
        Math.max(0, ...Array.from(Map.groupBy(taken, of).values(), (group) => group.length))
      expect(taken.length).toBeLessThanOrEqual(Math.min(given.max, given.payloadBytesMax))
      expect(countBy((one) => one.id)).toBeLessThanOrEqual(given.perEndpointMax)
      expect(countBy((one) => one.appId)).toBeLessThanOrEqual(given.perApplicationMax)
    }),
  )
})

test('of eight claims retries get an eighth of what may be taken, however little one claim may take', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), (max) => {
      const given = { max, perEndpointMax: max, perApplicationMax: max, payloadBytesMax: 1_000 }
      const taken = Array.from({ length: RETRY_SHARE }, (_, turn) => takeAll(given, turn, [{ appId: 'a', id: 'e' }]))
      expect(taken.flat().filter(({ retry }) => retry === 1)).toHaveLength(max)
    }),
  )
})

test('first attempts may have what retries leave, and retries what first attempts leave', () => {
  const [first, retries, rest] = passesOf(limits, 0)
  const takenBy = (pass: Pass) => {
    const takings = new Takings(limits)
    let count = 0
    for (let i = 0; i < 10; i++)
      while (takings.roomOf(`app_${i}`, `ep_${i}`, pass) > 0) {
        takings.take(`app_${i}`, `ep_${i}`, 1)
        count++
      }
    return count
  }
  expect(takenBy(first)).toBe(88)
  expect(takenBy(retries)).toBe(100)
  expect(takenBy(rest)).toBe(100)
})

test('a delivery larger than all bytes that may be taken is taken, and nothing after it', () => {
  const takings = new Takings(limits)
  const [first] = passesOf(limits, 0)
  expect(takings.room(first)).toBeGreaterThan(0)
  takings.take('app', 'ep', 2_000_000)
  expect(takings.room(first)).toBe(0)
  expect(takings.roomOf('app', 'another', first)).toBe(0)
})
