import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIds } from '../../src/domain/ids.ts'
import { uidProblem } from '../../src/domain/uid.ts'

test.each(['a', 'customer-1', 'A_b.c-9', '-', '...', '.a', '_', 'app', 'APP_1', 'ep_1', 'my.app_1', 'x'.repeat(256)])(
  '%s can be the uid of an application',
  (text) => {
    expect(uidProblem('app', text)).toBeNull()
  },
)

test.each([
  ['', 'characters long'],
  ['x'.repeat(257), 'characters long'],
  ['a b', 'letters, digits'],
  ['a/b', 'letters, digits'],
  ['a\n', 'letters, digits'],
  ['\na', 'letters, digits'],
  ['é', 'letters, digits'],
  ['a*', 'letters, digits'],
  ['.', 'neither "." nor'],
  ['..', 'neither "." nor'],
  ['app_', 'must not begin with app_'],
  ['app_1', 'must not begin with app_'],
])('%j cannot', (text, why) => {
  expect(uidProblem('app', text)).toContain(why)
})

test('an id is never a uid of its own kind, and the reasons for the others are the same for every kind', () => {
  const ids = createIds({ now: () => 1_700_000_000_000, randomBytes: (n) => new Uint8Array(n) })
  for (const prefix of ['app', 'ep', 'msg']) expect(uidProblem(prefix, ids.next(prefix))).not.toBeNull()
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!/^(app|ep)_/.test(text))
      expect(uidProblem('app', text)).toBe(uidProblem('ep', text))
      expect(uidProblem('app', text) === null).toBe(/^[\w.-]+$/.test(text) && !/^\.\.?$/.test(text))
    }),
  )
})
