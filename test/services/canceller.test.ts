import { expect, test } from 'vitest'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import type { AppId, EndpointId } from '../../src/domain/ids.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { createCanceller } from '../../src/services/canceller.ts'
import { runServices } from '../../src/services/service.ts'
import { APP, endpoint } from '../conformance/builders.ts'
import { createFakeClock } from '../fake-clock.ts'

/** A store that holds so many waiting deliveries of each endpoint, and a canceller that runs. */
function rig(waiting: Record<string, number>) {
  const clock = createFakeClock()
  const steps: { endpointId: string; max: number; what: string }[] = []
  const endpoints = new Map<string, Endpoint | null>()
  let underWay = 0
  const world = {
    clock,
    steps,
    endpoints,
    waiting,
    underWayMax: 0,
    /** What a step does before it counts. */
    before: (_endpointId: string): Promise<void> => Promise.resolve(),
    failures: [] as string[],
  }
  const canceller = createCanceller({
    clock,
    cache: { get: (_appId: AppId, id: EndpointId) => Promise.resolve(endpoints.get(id) ?? null) },
    queue: {
      async cancelWaiting(_appId, endpointId, { max, what }) {
        world.underWayMax = Math.max(world.underWayMax, ++underWay)
        try {
          await world.before(endpointId)
          steps.push({ endpointId, max, what })
          const cancelled = Math.min(max, waiting[endpointId] ?? 0)
          waiting[endpointId] = (waiting[endpointId] ?? 0) - cancelled
          return cancelled
        } finally {
          underWay--
        }
      },
    },
  })
  const running = runServices([canceller], clock, (service) => world.failures.push(service))
  return { ...world, world, canceller, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

test('what waits is cancelled in steps of a few, one at a time, and endpoints take turns', async () => {
  await using cancelling = rig({ ep_one: 2.5 * LIMITS.cancelStepRows, ep_two: 10 })
  cancelling.canceller.cancelWaiting(APP, 'ep_one', 'all')
  cancelling.canceller.cancelWaiting(APP, 'ep_two', 'scheduled')
  await cancelling.clock.advance(1_000)
  const max = LIMITS.cancelStepRows
  expect(cancelling.steps).toEqual([
    { endpointId: 'ep_one', max, what: 'all' },
    { endpointId: 'ep_two', max, what: 'scheduled' },
    { endpointId: 'ep_one', max, what: 'all' },
    { endpointId: 'ep_one', max, what: 'all' },
  ])
  expect(cancelling.world.underWayMax).toBe(1)
  expect(cancelling.waiting).toEqual({ ep_one: 0, ep_two: 0 })
})

test('an endpoint that is asked for again and again is looked at once at a time', async () => {
  await using cancelling = rig({})
  for (let i = 0; i < 1_000; i++) cancelling.canceller.cancelWaiting(APP, 'ep_one', 'scheduled')
  await cancelling.clock.advance(1_000)
  expect(cancelling.steps).toHaveLength(1)
  cancelling.canceller.cancelWaiting(APP, 'ep_one', 'scheduled')
  await cancelling.clock.advance(10)
  expect(cancelling.steps).toHaveLength(2)
})

test('of an endpoint that is enabled again nothing more is cancelled', async () => {
  await using cancelling = rig({ ep_one: 10 * LIMITS.cancelStepRows })
  const disabled = endpoint({ id: 'ep_one', disabled: true })
  cancelling.endpoints.set('ep_one', disabled)
  cancelling.world.before = async () => {
    if (cancelling.steps.length === 2) cancelling.endpoints.set('ep_one', { ...disabled, disabled: false })
  }
  cancelling.canceller.cancelWaiting(APP, 'ep_one', 'all')
  await cancelling.clock.advance(1_000)
  expect(cancelling.steps).toHaveLength(3)
  expect(cancelling.waiting['ep_one']).toBe(7 * LIMITS.cancelStepRows)
})

test('a step that fails is tried again, and keeps no other endpoint waiting', async () => {
  await using cancelling = rig({ ep_bad: 5, ep_good: 5 })
  let isAway = true
  cancelling.world.before = (id) =>
    isAway && id === 'ep_bad' ? Promise.reject(new Error('the store is away')) : Promise.resolve()
  cancelling.canceller.cancelWaiting(APP, 'ep_bad', 'all')
  cancelling.canceller.cancelWaiting(APP, 'ep_good', 'all')
  await cancelling.clock.advance(300)
  expect(cancelling.waiting).toEqual({ ep_bad: 5, ep_good: 0 })
  expect(cancelling.failures.length).toBeGreaterThan(0)
  isAway = false
  await cancelling.clock.advance(10_000)
  expect(cancelling.waiting['ep_bad']).toBe(0)
})

test('so many endpoints are remembered and no more', async () => {
  await using cancelling = rig({})
  for (let i = 0; i < LIMITS.endpointsToCancelMax + 5; i++) cancelling.canceller.cancelWaiting(APP, `ep_${i}`, 'all')
  await cancelling.clock.advance(6 * LIMITS.endpointsToCancelMax)
  expect(cancelling.steps).toHaveLength(LIMITS.endpointsToCancelMax)
})
