import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { atPointer, isJsonPointer } from '../../src/domain/json-pointer.ts'

/** The examples of RFC 6901, section 5, but for the pointer to the whole document. */
const EXAMPLES = {
  foo: ['bar', 'baz'],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'g|h': 4,
  'i\\j': 5,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
}

test.each([
  ['/foo', ['bar', 'baz']],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/g|h', 4],
  ['/i\\j', 5],
  ['/k"l', 6],
  ['/ ', 7],
  ['/m~0n', 8],
])('%s finds what the standard says', (pointer, value) => {
  expect(isJsonPointer(pointer)).toBe(true)
  expect(atPointer(EXAMPLES, pointer)).toEqual(value)
})

test.each([
  ['/missing', EXAMPLES],
  ['/foo/2', EXAMPLES],
  ['/foo/-', EXAMPLES],
  ['/foo/00', EXAMPLES],
  ['/foo/0/x', EXAMPLES],
  ['/foo/0/length', EXAMPLES],
  ['/foo/', EXAMPLES],
  ['/x', null],
  ['/x', 'text'],
  ['/length', 'text'],
  ['/0', 7],
  ['/x/y', { x: null }],
  ['/toString', {}],
  ['/constructor/name', {}],
  ['/__proto__', {}],
])('%s finds nothing in %j', (pointer, document) => {
  expect(atPointer(document, pointer)).toBeUndefined()
})

test('~01 is ~1 and not a slash', () => {
  expect(atPointer({ '~1': 'tilde', '/': 'slash' }, '/~01')).toBe('tilde')
})

test('every member can be found, whatever it is called', () => {
  const steps = fc.array(fc.string({ unit: fc.constantFrom('~', '/', '0', '1', 'a', '', 'é', '"') }), {
    minLength: 1,
    maxLength: 5,
  })
  fc.assert(
    fc.property(steps, (names) => {
      const document = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), 'found')
      const pointer = names.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
      expect(isJsonPointer(pointer)).toBe(true)
      expect(atPointer(document, pointer)).toBe('found')
    }),
  )
})

describe('a text is no pointer', () => {
  test.each(['', 'a', 'a/b', '#/a', '/~', '/~2', '/a~', '/a/~x'])('when it is "%s"', (text) => {
    expect(isJsonPointer(text)).toBe(false)
  })

  test('and that is found out soon, however long it is', () => {
    const started = performance.now()
    expect(isJsonPointer(`${'/~0a'.repeat(50_000)}~`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(1_000)
  })
})
