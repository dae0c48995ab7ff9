import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { arrayElements, memberOf } from '../../src/lib/json-slices.ts'

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

const member = (text: string, ...names: string[]) => {
  const found = memberOf(Buffer.from(text), names)
  return found === null ? null : Buffer.from(found).toString()
}

test.each<[string, string | null]>([
  ['{}', null],
  [' { } ', null],
  ['{"a":1}', '1'],
  ['{"b":1}', null],
  ['\t{ "a" :\n1.0\r}', '1.0'],
  ['{"b":{"a":1}}', null],
  ['{"b":["a",{"a":1}],"a":2}', '2'],
  ['{"a":{"a":1}}', '{"a":1}'],
  ['{"b":"\\"a\\":1","a": [ ] }', '[ ]'],
  ['{"b":"a","a":"b"}', '"b"'],
  ['{"a":1,"a":2}', '2'],
  ['{"a":1,"b":0,"a":{ } , "c":0}', '{ }'],
  ['{"\\u0061":1e5}', '1e5'],
  ['{"a":1,"\\u0061":12345678901234567890}', '12345678901234567890'],
  ['{"\\\\u0061":1}', null],
  ['{"A":1}', null],
  ['{"":1}', null],
  ['{"a ":1}', null],
  ['{"a\\"":1,"\\"a":2}', null],
  ['{"__proto__":1,"a":null}', 'null'],
])('of %s the member a is %s', (text, expected) => {
  expect(member(text, 'a')).toBe(expected)
})

test('of two names the last one that is there counts', () => {
  expect(member('{"payload":1,"data":2}', 'payload', 'data')).toBe('2')
  expect(member('{"data":1,"payload":2}', 'payload', 'data')).toBe('2')
  expect(member('{"data":1,"other":2}', 'payload', 'data')).toBe('1')
})

test('a member is a view of the bytes, not a copy', () => {
  const json = Buffer.from('{ "a" : {"b":1} }')
  expect(memberOf(json, ['a'])?.buffer).toBe(json.buffer)
  expect(memberOf(json.subarray(0), ['a'])?.byteOffset).toBe(json.byteOffset + 8)
})

/** A name as somebody may write it: each character as it is or escaped. */
const nameWritten = (names: readonly string[]) =>
  fc
    .constantFrom(...names)
    .chain((name) =>
      fc
        .tuple(...Array.from(name, () => fc.constantFrom('plain', 'lower', 'UPPER')))
        .map((ways) => `"${join(Array.from(name, (character, i) => writtenAs(ways[i], character)))}"`),
    )

/** A character outside of the basic plane is two escapes. */
function writtenAs(way: string | undefined, character: string): string {
  if (way === 'plain') return JSON.stringify(character).slice(1, -1)
  const hex = (unit: string) => unit.charCodeAt(0).toString(16).padStart(4, '0')
  const escapes = character.split('').map(hex)
  return join(escapes.map((digits) => `\\u${way === 'UPPER' ? digits.toUpperCase() : digits}`))
}

test('of any JSON object, however it is spaced and written, the member comes out byte for byte, as JSON.parse chooses it', () => {
  const names = ['a', 'b', 'payload', 'data', 'é"\\', '😀', '']
  const members = fc.array(fc.tuple(space, nameWritten(names), space, space, value, space), { maxLength: 8 })
  fc.assert(
    fc.property(members, space, space, fc.constantFrom(...names), (parts, before, after, name) => {
      const text = `${before}{${parts.map(([s1, key, s2, s3, item, s4]) => join([s1, key, s2, ':', s3, item, s4])).join(',')}${parts.length === 0 ? before : ''}}${after}`
      const parsed = JSON.parse(text) as Record<string, unknown>
      const last = parts.findLast(([, key]) => JSON.parse(key) === name)
      expect(member(text, name)).toBe(last?.[4] ?? null)
      expect(Object.hasOwn(parsed, name)).toBe(last !== undefined)
      const found = last === undefined ? undefined : (JSON.parse(last[4]) as unknown)
      expect(found).toEqual(Object.hasOwn(parsed, name) ? parsed[name] : undefined)
    }),
    { numRuns: 3_000 },
  )
})

test('what JSON.stringify writes has the members that it was given', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
      fc.constantFrom(undefined, 1, '\t'),
      (given, indent) => {
        const text = JSON.stringify(given, null, indent)
        // Unpaired surrogates are written as escapes, so that the bytes are UTF-8 whatever the names are.
        for (const [name, item] of Object.entries(given)) {
          const found = member(text, name)
          expect(found === null ? undefined : (JSON.parse(found) as unknown)).toEqual(JSON.parse(JSON.stringify(item)))
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('a great many members, and deep ones, take time in proportion', () => {
  const started = performance.now()
  expect(member(`{${'"b":{"a":[1]},'.repeat(99_999)}"a":0}`, 'a')).toBe('0')
  expect(member(`{"b":${'['.repeat(200_000)}${']'.repeat(200_000)},"a":1}`, 'a')).toBe('1')
  expect(performance.now() - started).toBeLessThan(5_000)
})
