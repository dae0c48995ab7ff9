/** Receivers that answer 429 or 503 to what is too much for them, and do not say for how long. */
import { afterAll, expect, test } from 'vitest'
import type { Outcome } from '../../src/domain/delivery.ts'
import { storePool } from '../store/temp-store.ts'
import { createWorld, stored } from './world.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
/** The default of RETRY_SCHEDULE: 21 minutes and 40 seconds. */
const SCHEDULE = [10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE]
const EVENTS = 1_000

const stores = storePool()
afterAll(() => stores[Symbol.asyncDispose]())

const accepted: Outcome = { kind: 'accepted', statusCode: 200, response: null }
const tooMuch: Outcome = {
  kind: 'refused',
  statusCode: 429,
  response: null,
  error: 'answered 429',
  isOverload: true,
  retryAfterMs: null,
}

test.each([
  { perSecond: 100, withinMinutes: 2 },
  { perSecond: 10, withinMinutes: 5 },
  { perSecond: 1, withinMinutes: 60 },
])(
  `a receiver of $perSecond a second gets all of ${EVENTS} events that come at once`,
  async ({ perSecond, withinMinutes }) => {
    await using opened = await stores.open()
    let refusals = 0
    let freeAt = 0
    const { clock, seen, node, store } = createWorld(
      opened.store,
      () => {
        // It takes what comes evenly spread, and a tenth of a second's worth in one go.
        const now = clock.now()
        const isFree = freeAt <= now + 100
        if (isFree) freeAt = Math.max(freeAt, now) + SECOND / perSecond
        else refusals++
        return { outcome: isFree ? accepted : tooMuch, ms: 5 }
      },
      { scheduleMs: SCHEDULE },
    )
    const endpoint = await stored(store)
    const { accept } = node('node_a')
    await Promise.all(Array.from({ length: EVENTS }, () => accept([endpoint])))
    const taken = () => seen.filter(({ outcome }) => outcome?.kind === 'accepted').length
    let minutes = 0
    for (; minutes < withinMinutes && taken() < EVENTS; minutes++) await clock.advance(MINUTE)
    expect(taken()).toBe(EVENTS)
    // Most of what is sent is taken: it is not the receiver that sorts out what is too much.
    expect(refusals).toBeLessThan(EVENTS / 2)
    expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
  },
  120_000,
)

test('a receiver that takes nothing uses up the schedule of every event', async () => {
  await using opened = await stores.open()
  const { clock, node, store, deliveries } = createWorld(
    opened.store,
    () => ({ outcome: { ...tooMuch, statusCode: 503 }, ms: 5 }),
    { scheduleMs: [10 * SECOND, 30 * SECOND] },
  )
  const endpoint = await stored(store)
  const { accept } = node('node_a')
  const msgIds = await Promise.all(Array.from({ length: 5 }, () => accept([endpoint])))
  await clock.advance(10 * MINUTE)
  for (const msgId of msgIds) expect(await deliveries(msgId)).toMatchObject([{ state: 'failed', attempts: 3 }])
})
