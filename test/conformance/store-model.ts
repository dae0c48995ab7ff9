import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { A, HOUR, type OpenedStore, type OpenStore, T0 } from './builders.ts'
import { step } from './store-steps.ts'
import { World } from './store-world.ts'

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
        { numRuns: 50 },
      )
    },
  )
}
