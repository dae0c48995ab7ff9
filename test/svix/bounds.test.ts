/** Every member of every request body, held against the bounds that the contract gives it. */
import { afterAll, describe, expect, test } from 'vitest'
import { nameOf, type Operation, operations, type Schema, schemas } from './contract.ts'
import { refusal, startSvixGateway } from './svix-gateway.ts'

const { org, ...gate } = await startSvixGateway()
afterAll(() => gate[Symbol.asyncDispose]())

await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
await org.ask('POST /app/acme/endpoint', { url: 'http://127.0.0.1:9/', uid: 'main', disabled: true })
await org.ask('PUT /event-type/order.paid', { description: '' })

const NAMES: Record<string, string> = { app_id: 'acme', endpoint_id: 'main', event_type_name: 'order.paid' }
const pathOf = ({ method, path }: Operation) =>
  `${method} ${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => NAMES[name] ?? '')}`

/** Something valid for each member that a request has to have. */
const LEAST: Record<string, unknown> = {
  name: 'acme',
  description: '',
  url: 'http://127.0.0.1:9/',
  eventType: 'order.paid',
  payload: {},
  headers: {},
  since: new Date().toISOString(),
}

const resolve = (schema: Schema): Schema =>
  schema.$ref === undefined
    ? schema
    : { ...schemas[schema.$ref.split('/').at(-1)!]!, nullable: schema.nullable ?? false }

/** Where the gateway takes what the contract does not have: `null` for what is then as if it was not there. */
const TAKEN = new Set([
  'ApplicationIn.metadata null',
  'AppPortalAccessIn.featureFlags null',
  'EndpointIn.metadata null',
  'EndpointUpdate.metadata null',
  'MessageIn.payloadRetentionPeriod null',
  'EndpointIn.description null',
  'EndpointIn.disabled null',
  'EndpointUpdate.description null',
  'EndpointUpdate.disabled null',
  'EndpointHeadersPatchIn.headers null',
  'EventTypeIn.archived null',
  'EventTypeIn.deprecated null',
  'EventTypeUpdate.archived null',
  'EventTypeUpdate.deprecated null',
  'ApplicationPatch.metadata null',
  'EndpointPatch.metadata null',
  // Newer SDKs have ten.
  'MessageIn.channels a list that is too long',
])

const WRONG_KINDS: Record<string, unknown[]> = {
  string: [1, {}, ['a'], true],
  integer: ['1', 1.5, {}, true],
  boolean: ['true', 0],
  array: ['a', {}],
  object: ['a', [], 1],
}

const distinct = (count: number) => Array.from({ length: count }, (_, n) => `n${n}`)

/** Values that are not as the schema says. */
function wrongFor(given: Schema): [string, unknown][] {
  const schema = resolve(given)
  const wrong: [string, unknown][] = (WRONG_KINDS[schema.type ?? ''] ?? []).map((value) => [
    JSON.stringify(value),
    value,
  ])
  if (schema.nullable !== true) wrong.push(['null', null])
  if ((schema.minLength ?? 0) > 0) wrong.push(['an empty text', ''])
  if (schema.maxLength !== undefined) wrong.push(['a text that is too long', 'a'.repeat(schema.maxLength + 1)])
  if (schema.pattern !== undefined) wrong.push(['a text of other characters', 'über all'])
  if (schema.format === 'uri') wrong.push(['a text that is no URL', 'nowhere'])
  if (schema.format === 'date-time') wrong.push(['a text that is no time', 'yesterday'])
  if (schema.minimum !== undefined) wrong.push(['a number that is too small', schema.minimum - 1])
  if (schema.maximum !== undefined) wrong.push(['a number that is too large', schema.maximum + 1])
  if (schema.format === 'uint16') wrong.push(['a number of 17 bits', 65_536])
  if (schema.minItems !== undefined) wrong.push(['an empty list', []])
  if (schema.maxItems !== undefined) wrong.push(['a list that is too long', distinct(schema.maxItems + 1)])
  if (schema.items !== undefined)
    wrong.push(...wrongFor(schema.items).map(([what, item]): [string, unknown] => [`a list with ${what}`, [item]]))
  if (typeof schema.additionalProperties === 'object')
    wrong.push(
      ...wrongFor(schema.additionalProperties).map(([what, value]): [string, unknown] => [
        `a map to ${what}`,
        { 1: value },
      ]),
    )
  return wrong
}

/** Values at the edge of what the schema allows. */
function rightFor(given: Schema): [string, unknown][] {
  const { maxLength, minimum, maximum, maxItems, nullable, pattern } = resolve(given)
  return [
    ...(maxLength !== undefined && pattern !== undefined
      ? [['a text as long as can be', 'Az09-_.'.padEnd(maxLength, 'x')] as [string, unknown]]
      : []),
    ...[minimum, maximum]
      .filter((edge) => edge !== undefined)
      .map((edge): [string, unknown] => [`the number ${edge}`, edge]),
    ...(maxItems !== undefined ? [[`a list of ${maxItems}`, distinct(maxItems)] as [string, unknown]] : []),
    ...(nullable === true ? [['null', null] as [string, unknown]] : []),
  ]
}

const requests = operations.filter(({ request }) => request !== null)
const leastOf = (schema: Schema) => Object.fromEntries((schema.required ?? []).map((name) => [name, LEAST[name]]))

describe.each(requests.map((operation) => [nameOf(operation), operation] as const))('%s', (_, operation) => {
  const schema = schemas[operation.request!]!
  const wrong = Object.entries(schema.properties ?? {}).flatMap(([member, of]) =>
    wrongFor(of)
      .map(([what, value]) => [member, what, value] as const)
      .filter(([, what]) => !TAKEN.has(`${operation.request!}.${member} ${what}`)),
  )

  test.runIf(wrong.length > 0).each(wrong)('takes for %s not %s', async (member, _what, value) => {
    const answer = await org.call(pathOf(operation), { json: { ...leastOf(schema), [member]: value } })
    const [status, places] = refusal(answer)
    expect([status, answer.text]).toEqual([422, expect.any(String)])
    for (const place of places as string[]) expect(place).toMatch(new RegExp(`^body\\.${member}(\\.|$)`))
  })

  const right = Object.entries(schema.properties ?? {}).flatMap(([member, of]) =>
    rightFor(of)
      .map(([what, value]) => [member, what, value] as const)
      // Only the contract of PATCH allows a rate of nothing per second, which nobody could mean.
      .filter(([, , value]) => member !== 'throttleRate' || value !== 0),
  )

  test.runIf(right.length > 0).each(right)('takes for %s %s', async (member, _what, value) => {
    const answer = await org.call(pathOf(operation), { json: { ...leastOf(schema), [member]: value } })
    // There may be one of that name by now, or an event type without an example.
    expect([200, 201, 202, 204, 400, 404, 409]).toContain(answer.status)
  })

  // `deleteHeaders`, which is newer than the contract, can stand alone.
  const required = (schema.required ?? []).filter(() => operation.request !== 'EndpointHeadersPatchIn')
  test.runIf(required.length > 0).each(required)('needs %s', async (member) => {
    const { [member]: _left, ...json } = leastOf(schema)
    const answer = await org.call(pathOf(operation), { json })
    expect(refusal(answer)).toEqual([422, [`body.${member}`]])
  })
})
