import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { arrayElements } from '../../src/lib/json-slices.ts'

const slices = (text: string) => arrayElements(Buffer.from(text)).map((bytes) => Buffer.from(bytes).toString())

test.each<[string, string[]]>([
  ['[]', []],
  [' [ ] ', []],
  ['\t[\r\n\t]\n', []],
  ['[1]', ['1']],
  ['[ 1 ]', ['1']],
  ['[1,2]', ['1', '2']],
  ['[ 1.0 , 1e5\n,-0 ]', ['1.0', '1e5', '-0']],
  ['[12345678901234567890,1E+2]', ['12345678901234567890', '1E+2']],
  ['[true , false,null]', ['true', 'false', 'null']],
  ['["", "a,b" ,"]", "[{"]', ['""', '"a,b"', '"]"', '"[{"']],
  ['["\\"", "\\\\", "\\\\\\"]"]', ['"\\""', '"\\\\"', '"\\\\\\"]"']],
  ['["\\u005d\\u0022"]', ['"\\u005d\\u0022"']],
  ['["é😀\u2028", "ü"]', ['"é😀\u2028"', '"ü"']],
  ['[[], [ ] ,[[1],[2 , 3]]]', ['[]', '[ ]', '[[1],[2 , 3]]']],
  ['[{}, { "a" : [1,{"b":"}"}] } ]', ['{}', '{ "a" : [1,{"b":"}"}] }']],
  ['[{"a":1,"a":2}]', ['{"a":1,"a":2}']],
])('%s has its elements as they are written', (text, elements) => {
  expect(slices(text)).toEqual(elements)
})

test('an element is a view of the bytes, not a copy', () => {
  const json = Buffer.from('[ {"a":1} ]')
  const [element] = arrayElements(json)
  expect(element?.buffer).toBe(json.buffer)
})

const join = (parts: readonly string[]) => parts.join('')
const space = fc.array(fc.constantFrom(' ', '\t', '\n', '\r'), { maxLength: 3 }).map(join)
const scalar = fc.oneof(
  fc.constantFrom(
    'true',
    'false',
    'null',
    '-0',
    '0',
    '1.0',
    '1e5',
    '-1.5E+10',
    '0.10',
    '123456789012345678901234567890',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc
    .array(fc.constantFrom('\\"', '\\\\', '\\/', '\\n', '\\u005D', '\\ud83d', '[', ']', '{', '}', ',', 'é', '😀'))
    .map((parts) => `"${join(parts)}"`),
)

/** A list as JSON writes it, with spaces wherever they may be. */
const listOf = (open: string, items: fc.Arbitrary<string>, close: string) =>
  fc
    .array(fc.tuple(space, items, space), { maxLength: 5 })
    .chain((parts) => space.map((empty) => `${open}${parts.length === 0 ? empty : parts.map(join).join(',')}${close}`))

const { value } = fc.letrec<{ value: string; member: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    listOf('[', tie('value'), ']'),
    listOf('{', tie('member'), '}'),
  ),
  member: fc
    .tuple(
      scalar.filter((text) => text.startsWith('"')),
      space,
      fc.constant(':'),
      space,
      tie('value'),
    )
    .map(join),
}))

test('of any JSON, however it is spaced, the elements come out byte for byte', () => {
  const written = fc.tuple(fc.array(fc.tuple(space, value, space), { maxLength: 8 }), space, space)
  fc.assert(
    fc.property(written, ([parts, before, after]) => {
      const text = `${before}[${parts.map(join).join(',')}]${after}`
      const elements = slices(text)
      expect(elements).toEqual(parts.map(([, element]) => element))
      expect(elements.map((element) => JSON.parse(element) as unknown)).toEqual(JSON.parse(text))
    }),
    { numRuns: 3_000 },
  )
})

test('what JSON.stringify writes comes apart again, indented or not', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (list, indent) => {
      const parsed = slices(JSON.stringify(list, null, indent)).map((text) => JSON.parse(text) as unknown)
      expect(parsed).toEqual(JSON.parse(JSON.stringify(list)))
    }),
    { numRuns: 1_000 },
  )
})

test('a great many elements, and deep ones, take time in proportion', () => {
  const started = performance.now()
  expect(slices(`[${'{"a":[1]},'.repeat(99_999)}0]`)).toHaveLength(100_000)
  expect(slices(`[${'['.repeat(200_000)}${']'.repeat(200_000)}]`)).toHaveLength(1)
  expect(performance.now() - started).toBeLessThan(5_000)
})
