import { describe, expect, test } from 'vitest'
import type { Application } from '../../src/domain/application.ts'
import type { AppId } from '../../src/domain/ids.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { ApplicationPaces } from '../../src/services/dispatch/application-pace.ts'
import type { RateOwner, SharedRate, Slots } from '../../src/services/dispatch/shared-rate.ts'

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
  const paces = new ApplicationPaces(cacheOf(application(rate)), systemClock)
  paces.waitMs(APP, T0)
  await settled()
  for (let second = 0; second < 3; second++) {
    const starts = startsInASecond(paces, T0 + second * 1_000)
    expect(starts).toBeLessThanOrEqual(rate)
    expect(starts).toBeGreaterThanOrEqual(Math.floor(rate * 0.98) - 1)
  }
})

test('an application without a throttle rate holds nobody up', async () => {
  const paces = new ApplicationPaces(cacheOf(application(null)), systemClock)
  paces.waitMs(APP, T0)
  await settled()
  expect(startsInASecond(paces, T0)).toBe(Infinity)
})

test('until the application is here its endpoints wait, and it is read once', async () => {
  const cache = cacheOf(application(10))
  const paces = new ApplicationPaces(cache, systemClock)
  expect([paces.waitMs(APP, T0), paces.waitMs(APP, T0)].every((ms) => ms! > 0)).toBe(true)
  await settled()
  expect([cache.loads, paces.waitMs(APP, T0)]).toEqual([1, 0])
})

test('one that has to be read again goes on with the rate it had, and takes on the new one', async () => {
  const cache = cacheOf(application(1))
  const paces = new ApplicationPaces(cache, systemClock)
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
  const paces = new ApplicationPaces(cacheOf(stored), systemClock)
  paces.waitMs(APP, T0)
  await settled()
  expect(paces.waitMs(APP, T0)).toBe(0)
})

describe('with others', () => {
  /** Gives out what the test says, and tells what it was asked. */
  class Scripted implements SharedRate {
    readonly asked: { owner: RateOwner; perSecond: number; wanted: number }[] = []
    answer: Slots | null = null
    async slots(owner: RateOwner, perSecond: number, wanted: number): Promise<Slots | null> {
      this.asked.push({ owner, perSecond, wanted })
      return this.answer
    }
  }
  const clock = { ...systemClock, now: () => T0 }

  async function pacesWith(shared: Scripted): Promise<ApplicationPaces> {
    const paces = new ApplicationPaces(cacheOf(application(10)), clock, shared)
    paces.waitMs(APP, T0)
    await settled()
    return paces
  }

  test('all lanes of an application ask once, for all that they hold, and share what they get', async () => {
    const shared = new Scripted()
    const paces = await pacesWith(shared)
    expect(paces.waitMs(APP, T0)).toBeNull()
    shared.answer = { count: 2, gapMs: 100, from: T0, until: T0 + 20 }
    await Promise.all([paces.ask(APP, 3), paces.ask(APP, 4), paces.ask(APP, 1)])
    expect(shared.asked).toEqual([{ owner: APP, perSecond: 10, wanted: 8 }])
    const starts: number[] = []
    for (let now = T0; paces.waitMs(APP, now) !== null; now++)
      if (paces.waitMs(APP, now) === 0) {
        paces.take(APP, now)
        starts.push(now - T0)
      }
    expect(starts).toEqual([0, 100])
  })

  test('with nobody to ask, this node keeps to the rate alone', async () => {
    const shared = new Scripted()
    const paces = await pacesWith(shared)
    await paces.ask(APP, 100)
    let starts = 0
    for (let now = T0; now < T0 + 250; now++)
      if (paces.waitMs(APP, now) === 0) {
        paces.take(APP, now)
        starts++
      }
    expect(starts).toBe(3)
    expect(paces.waitMs(APP, T0 + 250)).toBeNull()
  })

  test('an application that waits for its next slot is not forgotten, and one that has none left is', async () => {
    const shared = new Scripted()
    const paces = await pacesWith(shared)
    shared.answer = { count: 0, askAgainInMs: 50 }
    await paces.ask(APP, 1)
    paces.forgetOver(T0 + 40)
    expect(paces.waitMs(APP, T0 + 40)).toBe(10)
    paces.forgetOver(T0 + 50)
    expect(paces.waitMs(APP, T0 + 40)).toBeNull()
  })
})
