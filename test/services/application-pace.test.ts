import { expect, test } from 'vitest'
import type { Application } from '../../src/domain/application.ts'
import type { AppId } from '../../src/domain/ids.ts'
import { ApplicationPaces } from '../../src/services/application-pace.ts'

const APP: AppId = 'app_00000000000000000000another'
const T0 = Date.UTC(2035, 0, 1)

const application = (throttleRate: number | null): Application => ({
  orgId: 'org_acme',
  id: APP,
  uid: null,
  name: 'Acme',
  throttleRate,
  metadata: {},
  createdAt: 0,
  updatedAt: 0,
})

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const settled = async () => {
  for (let i = 0; i < 3; i++) await turn()
}

/** A cache whose contents the test decides, and how often it was asked to load. */
function cacheOf(first: Application | null | Error) {
  const cache = {
    kept: undefined as Application | undefined,
    stored: first,
    loads: 0,
    peek: () => cache.kept,
    async get() {
      cache.loads++
      await turn()
      if (cache.stored instanceof Error) throw cache.stored
      cache.kept = cache.stored ?? undefined
      return cache.stored
    },
  }
  return cache
}

/** Starts of attempts in the second after `from`, at whatever millisecond they may begin. */
function startsInASecond(paces: ApplicationPaces, from: number): number {
  let starts = 0
  for (let now = from; now < from + 1_000; now++)
    while (paces.waitMs(APP, now) === 0) {
      paces.take(APP, now)
      starts++
      if (starts > 10_000) return Infinity
    }
  return starts
}

test.each([1, 7, 50, 500])('no second has more than the throttle rate of %i starts', async (rate) => {
  const paces = new ApplicationPaces(cacheOf(application(rate)))
  paces.waitMs(APP, T0)
  await settled()
  for (let second = 0; second < 3; second++) {
    const starts = startsInASecond(paces, T0 + second * 1_000)
    expect(starts).toBeLessThanOrEqual(rate)
    expect(starts).toBeGreaterThanOrEqual(Math.floor(rate * 0.98) - 1)
  }
})

test('an application without a throttle rate holds nobody up', async () => {
  const paces = new ApplicationPaces(cacheOf(application(null)))
  paces.waitMs(APP, T0)
  await settled()
  expect(startsInASecond(paces, T0)).toBe(Infinity)
})

test('until the application is here its endpoints wait, and it is read once', async () => {
  const cache = cacheOf(application(10))
  const paces = new ApplicationPaces(cache)
  expect([paces.waitMs(APP, T0), paces.waitMs(APP, T0)].every((ms) => ms > 0)).toBe(true)
  await settled()
  expect([cache.loads, paces.waitMs(APP, T0)]).toEqual([1, 0])
})

test('one that has to be read again goes on with the rate it had, and takes on the new one', async () => {
  const cache = cacheOf(application(1))
  const paces = new ApplicationPaces(cache)
  paces.waitMs(APP, T0)
  await settled()
  paces.take(APP, T0)
  cache.kept = undefined
  cache.stored = application(null)
  expect(paces.waitMs(APP, T0 + 1)).toBeGreaterThan(900)
  await settled()
  expect(paces.waitMs(APP, T0 + 1)).toBe(0)
})

test.each([
  ['gone', null],
  ['cannot be read', new Error('the store is away')],
])('an application that %s holds nothing back', async (_, stored) => {
  const paces = new ApplicationPaces(cacheOf(stored))
  paces.waitMs(APP, T0)
  await settled()
  expect(paces.waitMs(APP, T0)).toBe(0)
})
