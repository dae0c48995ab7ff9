/** The JSON Schemas of event types come from the same generators as everybody's, in all drafts that these write. */
import { afterAll, expect, test } from 'vitest'
import { refusal, startSvixGateway } from './svix-gateway.ts'

const { org, ...gate } = await startSvixGateway()
afterAll(() => gate[Symbol.asyncDispose]())

let names = 0
const put = (schema: unknown) =>
  org.call(`PUT /event-type/type-${++names}`, { json: { description: '', schemas: { 1: schema } } })

const object = { type: 'object', properties: { total: { type: 'number', minimum: 0 } }, required: ['total'] }

test.each([
  ['no draft', {}],
  ['draft 7', { $schema: 'http://json-schema.org/draft-07/schema#' }],
  ['draft 7 without a hash', { $schema: 'https://json-schema.org/draft-07/schema' }],
  ['draft 2019-09', { $schema: 'https://json-schema.org/draft/2019-09/schema', unevaluatedProperties: false }],
  ['draft 2020-12', { $schema: 'https://json-schema.org/draft/2020-12/schema', prefixItems: [{ type: 'string' }] }],
  ['draft 4', { $schema: 'http://json-schema.org/draft-04/schema#', maximum: 1, exclusiveMaximum: true }],
  ['a dialect of its own', { $schema: 'https://example.com/dialect', 'x-more': 1 }],
])('a schema of %s is kept as it was given', async (_, more) => {
  const schema = { ...more, ...object }
  const answer = await put(schema)
  expect([answer.status, answer.json()['schemas']]).toEqual([201, { 1: schema }])
  expect((await org.ask(`GET /event-type/type-${names}`))['schemas']).toEqual({ 1: schema })
})

test.each([
  ['no draft', {}],
  ['draft 7', { $schema: 'http://json-schema.org/draft-07/schema#' }],
  ['draft 2019-09', { $schema: 'https://json-schema.org/draft/2019-09/schema' }],
  ['draft 2020-12', { $schema: 'https://json-schema.org/draft/2020-12/schema' }],
])('what is no schema of %s is refused', async (_, more) => {
  for (const wrong of [{ type: 'text' }, { required: 'total' }, { properties: { total: { minimum: '0' } } }])
    expect(refusal(await put({ ...more, ...wrong }))).toEqual([422, ['body.schemas.1']])
  expect(refusal(await put({ $schema: 7 }))).toEqual([422, ['body.schemas.1']])
})

/** The text of an object that has so many levels below it. */
const nested = (open: string, close: string, levels: number) =>
  `{"description":"","schemas":{"1":${open.repeat(levels)}{}${close.repeat(levels)}}}`

test.each([
  ['{"items":', '}', 200_000 / 10],
  ['{"a":[', ']}', 200_000 / 4],
])('a schema that is too deep to be read is refused, and the gateway goes on: %s', async (open, close, levels) => {
  const answer = await org.call('PUT /event-type/deep', { body: nested(open, close, levels) })
  expect(refusal(answer)).toEqual([422, ['body.schemas.1']])
  expect(await org.ask('POST /app', { name: 'Still here' })).toMatchObject({ name: 'Still here' })
})

test('a schema as deep as people write them is kept', async () => {
  expect((await org.call('PUT /event-type/deep', { body: nested('{"items":', '}', 150) })).status).toBe(201)
})
