/**
 * What generators of clients ask of a document, beside what OpenAPI asks. openapi-generator and openapi-python-client need
 * Java and Python, so that they are not run here: their rules are.
 */
import { describe, expect, test } from 'vitest'
import { documentsOf, operationsOf, schemasOf } from './documents.ts'

const documents = await documentsOf()

describe.each(Object.entries(documents))('the %s document', (kind, document) => {
  const operations = operationsOf(document)
  const schemas = schemasOf(document)

  test('names its licence by the SPDX identifier, without which openapi-generator refuses it', () => {
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(document.info.license).toEqual({ name: 'MIT', identifier: 'MIT' })
  })

  test('gives every operation an id of its own that makes a method name', () => {
    const ids = operations.map(({ operation }) => operation.operationId)
    const form = kind === 'plain' ? /^(?:[a-z][a-zA-Z]+|v1\.[a-z.-]+)$/ : /^v1\.[a-z.-]+$/
    expect(ids.filter((id) => !form.test(id))).toEqual([])
    expect(ids).toHaveLength(new Set(ids.map((id) => id.replaceAll(/\W/g, '').toLowerCase())).size)
  })

  test('gives each parameter of an operation another name, for they all become parameters of one method', () => {
    const names = operations.flatMap(({ operation: { operationId, parameters = [] } }) =>
      parameters.map(({ name }) => `${operationId} ${name}`),
    )
    expect(names.filter((name, n) => names.indexOf(name) !== n)).toEqual([])
  })

  test('has a component for every object, each of which is used', () => {
    const inline = schemas.filter(({ at, schema }) => schema.properties !== undefined && /\W/.test(at))
    expect(inline.map(({ at }) => at)).toEqual([])
    const used = new Set(schemas.flatMap(({ schema }) => schema.$ref ?? []))
    const names = Object.keys(document.components.schemas)
    expect([...used].toSorted()).toEqual(names.map((name) => `#/components/schemas/${name}`).toSorted())
    // Each becomes a class, in languages that know one case only for those.
    expect(names.filter((name) => !/^[A-Z][A-Za-z]+$/.test(name))).toEqual([])
    expect(names).toHaveLength(new Set(names.map((name) => name.toLowerCase())).size)
  })

  test('has no two components that are the same but for their name', () => {
    const texts = Object.values(document.components.schemas).map((schema) => JSON.stringify(schema))
    expect(texts).toHaveLength(new Set(texts).size)
  })

  test('calls what is counted an integer, and says when 32 bits are too few', () => {
    const typesOf = (type: string | string[] | undefined) => [type].flat()
    expect(schemas.filter(({ schema }) => typesOf(schema.type).includes('number')).map(({ at }) => at)).toEqual([])
    const small = schemas.filter(
      ({ schema }) =>
        typesOf(schema.type).includes('integer') && schema.enum === undefined && schema.format !== 'int64',
    )
    expect(small.filter(({ schema }) => !(schema.maximum! < 2 ** 31)).map(({ at }) => at)).toEqual([])
  })

  test('leaves no parameter and no member between a text and a number, but for the steps of a place', () => {
    const types = schemas
      .filter(({ schema }) => schema.anyOf !== undefined)
      .map(({ at, schema }) => ({ at, types: schema.anyOf!.map((one) => one.type ?? one.$ref) }))
    const mixed = types.filter(({ types: of }) => of.filter((type) => type !== 'null' && type !== 'array').length > 1)
    const places = mixed.filter(
      ({ at }) => !['ValidationIssue.loc[]', 'createSubscription 422', 'createSource 422'].includes(at),
    )
    expect(places).toEqual([])
    expect(schemas.filter(({ schema }) => schema.anyOf !== undefined && schema.type !== undefined)).toEqual([])
  })

  test('keeps to itself how it is made', () => {
    expect(JSON.stringify(document)).not.toMatch(/x-component|x-on-wire|Default Response/)
  })

  test('says that a request which cannot be read is a 400, and that headers can be too large', () => {
    const without = operations.filter(({ operation }) =>
      ['400', '408', '431', '500'].some((status) => !(status in operation.responses)),
    )
    expect(without.map(({ operation }) => operation.operationId)).toEqual([])
  })
})

test('each document has the tags and components that its own paths need, and the plain one has all paths', () => {
  const svix = Object.keys(documents.svix.paths)
  expect(svix.every((path) => path.startsWith('/api/v1/'))).toBe(true)
  expect(Object.keys(documents.plain.paths)).toEqual(expect.arrayContaining(svix))
  expect(Object.keys(documents.svix.components.schemas)).not.toContain('Subscription')
})

test('a subscription is one class, its two kinds of input are two, and a list is of them', () => {
  const { schemas } = documents.plain.components
  expect(Object.keys(schemas).filter((name) => name.startsWith('Subscription'))).toEqual([
    'Subscription',
    'SubscriptionInput',
    'SubscriptionList',
    'SubscriptionPatch',
    'SubscriptionSecret',
  ])
  expect(schemas['SubscriptionList']?.properties?.['data']?.items).toEqual({
    $ref: '#/components/schemas/Subscription',
  })
})
