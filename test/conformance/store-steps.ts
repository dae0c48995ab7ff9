/** What two nodes and their users may do to a store, in any order. */
import * as fc from 'fast-check'
import { A, B } from './builders.ts'

export type Result = 'success' | 'retry' | 'giveUp' | 'cancel' | 'defer' | 'pause'
export type Step =
  | { do: 'accept'; endpoints: number[]; leaseTo: string | null; waitS: number }
  | { do: 'claim'; owner: string; max: number; perEndpointMax: number }
  | { do: 'settle'; owner: string; pick: number; result: Result; waitS: number; isRepeated: boolean }
  | { do: 'release'; owner: string; count: number; waitS: number }
  | { do: 'renew'; owner: string }
  | { do: 'wait'; seconds: number }
  | { do: 'sweep' }
  | { do: 'manual'; pick: number }
  | { do: 'cancelWaiting'; endpoint: number }
  | { do: 'expunge'; pick: number }

const owner = fc.constantFrom(A, B)
const pick = fc.nat({ max: 50 })
const waitS = fc.constantFrom(0, 0, 1, 5, 40, 90)
const limit = fc.constantFrom(1, 2, 5, 1_000, 1_000)
const RESULTS: Result[] = ['success', 'retry', 'retry', 'retry', 'giveUp', 'cancel', 'defer', 'pause']

export const step: fc.Arbitrary<Step> = fc.oneof(
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
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expunge' as const), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('cancelWaiting' as const), endpoint: fc.nat({ max: 2 }) }),
  },
)
