import { expect, test } from 'vitest'
import { createEndpointCache } from '../../src/cache/endpoint-cache.ts'
import { amongOthers } from '../../src/cache/freshness.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { APP, endpoint } from '../conformance/builders.ts'
import { createFakeClock } from '../fake-clock.ts'

/** A cache beside which others write, and how often it reads the store. */
function cacheAmongOthers(channel: { completeSince: number | null } | null) {
  const clock = createFakeClock()
  const one = endpoint()
  const reads: number[] = []
  const store = {
    getEndpoint: () => Promise.resolve((reads.push(clock.now()), one)),
    endpointsOf: () => Promise.resolve([one]),
  }
  const freshness = amongOthers(clock, channel && { completeSince: () => channel.completeSince })
  return { clock, one, reads, cache: createEndpointCache(store, { freshness }) }
}

test('without a channel what is kept is used for a second and no longer', async () => {
  const { clock, one, reads, cache } = cacheAmongOthers(null)
  await cache.get(APP, one.id)
  await clock.advance(LIMITS.cacheAgeAloneMs)
  expect(cache.peek(APP, one.id)).toBe(one)
  await clock.advance(1)
  expect(cache.peek(APP, one.id)).toBeUndefined()
  await cache.get(APP, one.id)
  expect(reads).toHaveLength(2)
})

test('its age counts from before the load', async () => {
  const clock = createFakeClock()
  const one = endpoint()
  let answer = (_endpoint: typeof one): void => {}
  const store = {
    getEndpoint: () => new Promise<typeof one>((resolve) => (answer = resolve)),
    endpointsOf: () => Promise.resolve([]),
  }
  const cache = createEndpointCache(store, { freshness: amongOthers(clock, null) })
  const asked = cache.get(APP, one.id)
  await clock.advance(LIMITS.cacheAgeAloneMs - 10)
  answer(one)
  expect(await asked).toBe(one)
  expect(cache.peek(APP, one.id)).toBe(one)
  await clock.advance(11)
  expect(cache.peek(APP, one.id)).toBeUndefined()
})

test('with a channel it is used for longer, but not for ever', async () => {
  const channel = { completeSince: 0 as number | null }
  const { clock, one, cache } = cacheAmongOthers(channel)
  await cache.get(APP, one.id)
  await clock.advance(LIMITS.cacheAgeWatchedMs)
  expect(cache.peek(APP, one.id)).toBe(one)
  await clock.advance(1)
  expect(cache.peek(APP, one.id)).toBeUndefined()
})

test('a channel that may have missed something since does not count', async () => {
  const channel = { completeSince: 0 as number | null }
  const { clock, one, cache } = cacheAmongOthers(channel)
  await cache.get(APP, one.id)
  await clock.advance(LIMITS.cacheAgeAloneMs + 1)
  expect(cache.peek(APP, one.id)).toBe(one)
  channel.completeSince = null
  expect(cache.peek(APP, one.id)).toBeUndefined()
  // Back again, but only since now.
  channel.completeSince = clock.now()
  expect(cache.peek(APP, one.id)).toBeUndefined()
  await cache.get(APP, one.id)
  await clock.advance(LIMITS.cacheAgeAloneMs + 1)
  expect(cache.peek(APP, one.id)).toBe(one)
})
