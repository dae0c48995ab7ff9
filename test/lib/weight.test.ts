import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { weightOf } from '../../src/lib/weight.ts'

test('a value weighs at least what its JSON takes, escapes aside', () => {
  const unit = fc.constantFrom('a', 'B', '1', ' ')
  const json = fc.object({
    key: fc.string({ unit }),
    values: [fc.string({ unit }), fc.boolean(), fc.nat()],
    maxDepth: 4,
  })
  fc.assert(
    fc.property(json, (value) => {
      expect(weightOf(value)).toBeGreaterThanOrEqual(JSON.stringify(value).length / 2)
    }),
  )
})

test('bytes weigh what they are, not what they would be member by member', () => {
  expect(weightOf({ payload: new Uint8Array(100_000) })).toBeLessThan(101_000)
  expect(weightOf(Buffer.alloc(100_000))).toBeGreaterThanOrEqual(100_000)
})
