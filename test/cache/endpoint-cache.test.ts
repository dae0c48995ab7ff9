import { expect, test } from 'vitest'
import { createEndpointCache } from '../../src/cache/endpoint-cache.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { APP, endpoint, OTHER_APP } from '../conformance/builders.ts'

function cacheOf(...endpoints: Endpoint[]) {
  const reads: string[] = []
  const cache = createEndpointCache({
    getEndpoint(appId, id) {
      reads.push(id)
      return Promise.resolve(endpoints.find((one) => one.appId === appId && one.id === id) ?? null)
    },
    endpointsOf(appId) {
      reads.push(appId)
      return Promise.resolve(endpoints.filter((one) => one.appId === appId))
    },
  })
  return { cache, reads }
}

test('an endpoint is read once, and at hand from then on', async () => {
  const one = endpoint()
  const { cache, reads } = cacheOf(one)
  expect(cache.peek(APP, one.id)).toBeUndefined()
  expect(await cache.get(APP, one.id)).toBe(one)
  expect(cache.peek(APP, one.id)).toBe(one)
  expect(cache.get(APP, one.id)).toBe(one)
  expect(reads).toEqual([one.id])
})

test('an endpoint of another application is not found', async () => {
  const one = endpoint()
  const { cache } = cacheOf(one)
  expect(await cache.get(OTHER_APP, one.id)).toBeNull()
})

test('an application without endpoints has none, and that is remembered', async () => {
  const { cache, reads } = cacheOf()
  expect(await cache.ofApplication(APP)).toEqual([])
  expect(cache.ofApplication(APP)).toEqual([])
  expect(reads).toEqual([APP])
})

test('forgetting an endpoint forgets the list of its application, too, and nothing else', async () => {
  const [one, two, other] = [endpoint(), endpoint(), endpoint({ appId: OTHER_APP })]
  const { cache, reads } = cacheOf(one, two, other)
  for (const { appId, id } of [one, two, other]) await cache.get(appId, id)
  await Promise.all([cache.ofApplication(APP), cache.ofApplication(OTHER_APP)])
  reads.length = 0
  cache.forget(APP, one.id)
  expect(cache.peek(APP, one.id)).toBeUndefined()
  expect(cache.peek(APP, two.id)).toBe(two)
  await Promise.all([cache.get(APP, two.id), cache.get(OTHER_APP, other.id), cache.ofApplication(OTHER_APP)])
  expect(reads).toEqual([])
  expect(await cache.ofApplication(APP)).toEqual([one, two])
  expect(reads).toEqual([APP])
})
