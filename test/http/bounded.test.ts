import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { list, map, text, wholeBody } from '../../src/http/bounded.ts'
import { assertBounded, unboundedIn } from '../../src/http/unbounded.ts'

const problems = (schema: z.ZodType, value: unknown) =>
  schema.safeParse(value).error?.issues.map(({ message, path }) => `${path.join('.')} ${message}`.trim())

test('of a list that is too long no item is looked at: there is one problem, whatever the items are', () => {
  let looked = 0
  const item = text({ max: 2 }).refine(() => ++looked > 0)
  expect(
    problems(
      list(item, { max: 3 }),
      Array.from({ length: 100_000 }, () => 7),
    ),
  ).toEqual(['has more than 3 members'])
  expect(
    problems(
      list(item, { max: 3 }),
      Array.from({ length: 100_000 }, () => 'a'),
    ),
  ).toEqual(['has more than 3 members'])
  expect(looked).toBe(0)
  expect(problems(list(item, { max: 3 }), ['a', 'abc', 'b'])).toEqual(['1 has more than 2 characters'])
})

test('of a map that is too large, or has a name that is too long, no member is looked at', () => {
  const schema = map(text({ max: 2 }), { max: 2, keyCharsMax: 9 })
  expect(problems(schema, { a: 7, b: 7, c: 7 })).toEqual(['has more than 2 members'])
  expect(problems(schema, { abcdefghij: 7 })).toEqual(['has a name of more than 9 characters'])
  expect(problems(schema, JSON.parse('{"__proto__":"x"}'))).toEqual(['has the name __proto__, which nothing can have'])
  expect(problems(schema, { abc: 'abc' })).toEqual(['abc has more than 2 characters'])
  expect(schema.parse({ abc: 'ab' })).toEqual({ abc: 'ab' })
})

test('a text that is too long is one problem, and nothing else about it is looked at', () => {
  const schema = text({ max: 2 })
    .regex(/^a$/)
    .transform(() => expect.unreachable())
  expect(problems(schema, 'bbb')).toContain('has more than 2 characters')
})

describe('what has no bound is found', () => {
  const bounded = {
    text: text({ max: 1 }),
    nullish: text({ max: 1 }).nullish(),
    transformed: text({ max: 1 }).transform(Number),
    set: list(text({ max: 1 }), { max: 1 }).transform((items) => new Set(items)),
    map: map(text({ max: 1 }), { max: 1 }).superRefine(() => undefined),
    changes: map(text({ max: 1 }).nullable(), { max: 1 }).default({}),
    body: wholeBody(z.unknown()),
    kind: z.enum(['a']).or(z.literal('b')),
    count: z.number().int(),
    flag: z.boolean().default(true),
  }

  test('not where all is made of the helpers', () => {
    expect(unboundedIn(z.object(bounded))).toEqual([])
  })

  test.each<[string, z.ZodType]>([
    ['a text', z.string().min(1)],
    ['a text behind a transformation', z.string().transform(Number)],
    ['a text of a format', z.url()],
    ['a list', z.array(text({ max: 1 }))],
    ['a list of such texts', list(z.string(), { max: 1 })],
    ['a map', z.record(text({ max: 1 }), text({ max: 1 }))],
    ['a map to such texts', map(z.string(), { max: 1 })],
    ['members that are not named', z.looseObject({})],
    ['whatever', z.unknown()],
    ['one of two', z.union([text({ max: 1 }), z.string()])],
    ['something optional', z.string().nullish()],
  ])('%s', (_, schema) => {
    expect(unboundedIn(z.object({ deep: z.object({ schema }) }))).toHaveLength(1)
  })

  test.each(['params', 'querystring', 'headers', 'body'])('in the %s of a route, which then cannot be made', (part) => {
    const route = (member: z.ZodType) => ({ url: '/there', schema: { [part]: z.object({ member }) } })
    expect(() => assertBounded(route(z.string()))).toThrow(`/there takes what has no bound: ${part}.member`)
    expect(() => assertBounded(route(text({ max: 1 })))).not.toThrow()
  })
})
