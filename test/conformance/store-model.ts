import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { A, B, HOUR, type OpenedStore, type OpenStore, T0 } from './builders.ts'
import { type Result, type Step, World } from './store-world.ts'

const owner = fc.constantFrom(A, B)
const pick = fc.nat({ max: 50 })
const waitS = fc.constantFrom(0, 0, 1, 5, 40, 90)
const limit = fc.constantFrom(1, 2, 5, 1_000, 1_000)
const RESULTS: Result[] = ['success', 'retry', 'retry', 'retry', 'giveUp', 'cancel', 'defer', 'pause']

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('accept' as const),
      endpoints: fc.subarray([0, 1, 2], { minLength: 1 }),
      leaseTo: fc.option(owner),
      waitS,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('claim' as const), owner, max: limit, perEndpointMax: limit }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      owner,
      pick,
      result: fc.constantFrom(...RESULTS),
      waitS,
      isRepeated: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), owner, count: fc.nat({ max: 5 }), waitS }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('renew' as const), owner }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), seconds: fc.constantFrom(1, 5, 20, 60) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('manual' as const), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('cancelWaiting' as const), endpoint: fc.nat({ max: 2 }) }),
  },
)

export function modelConformance(open: OpenStore): void {
  // Everything is final at the end of a run, so that the next one can begin in the same store, at a later time.
  let shared: OpenedStore | null = null
  let now = T0
  afterAll(async () => {
    await shared?.[Symbol.asyncDispose]()
  })

  test(
    'nothing is held by two nodes, nothing is stuck, every attempt is counted, and all of it comes to an end',
    { timeout: 60_000 },
    async () => {
      expect.hasAssertions()
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), async (steps) => {
          const opened = shared ?? (await open())
          shared = null
          try {
            const world = await World.create(opened.store, now)
            for (const one of steps) {
              await world.take(one)
              await world.check()
            }
            await world.drain(A)
            now = world.now + HOUR
          } catch (error) {
            await opened[Symbol.asyncDispose]()
            throw error
          }
          shared = opened
        }),
        { numRuns: 60 },
      )
    },
  )
}
