import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonSchemaProblem } from '../../src/domain/json-schema.ts'

test.each([
  true,
  {},
  { type: ['string', 'null'], enum: ['a', null], minLength: 0 },
  { items: [{ type: 'string' }, false], additionalItems: false, examples: [1] },
  { allOf: [{ if: {}, else: { not: {} } }], $defs: { a: { $ref: '#/$defs/a' } }, 'x-own': 7 },
  { properties: { type: { type: 'string' }, required: true }, required: ['type'] },
  { const: { type: 7 }, default: { type: 7 }, enum: [{ type: 7 }] },
])('%j has the form of a schema', (schema) => {
  expect(jsonSchemaProblem(schema)).toBeNull()
})

test.each([
  [7, '/ is neither an object'],
  [null, '/ is neither an object'],
  [[], '/ is neither an object'],
  [{ type: 'text' }, '/type is not one of'],
  [{ type: [] }, '/type is not one of'],
  [{ properties: { a: { minLength: -1 } } }, '/properties/a/minLength is not a whole number'],
  [{ anyOf: [] }, '/anyOf is not a list of schemas'],
  [{ items: [{ required: [1] }] }, '/items/0/required is not a list of texts'],
  [{ properties: ['a'] }, '/properties is not a map of schemas'],
  [{ additionalProperties: 'no' }, '/additionalProperties is neither'],
])('%j has not', (schema, why) => {
  expect(`${jsonSchemaProblem(schema)}`.replace('JSON Schema:  is', 'JSON Schema: / is')).toContain(why)
})

test('every member is looked at once: of equal members, of which a comparison would take hours, too', () => {
  const deep = () => ({ a: [{ b: [1, 2, 3] }] })
  expect(jsonSchemaProblem({ enum: Array.from({ length: 300_000 }, deep) })).toBeNull()
})

test('whatever JSON there is, it is a schema or a problem', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      expect(['string', 'object']).toContain(typeof jsonSchemaProblem(value))
    }),
  )
})
