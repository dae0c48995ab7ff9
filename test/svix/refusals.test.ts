/** What is refused, and in which order. SDKs parse the body of every 4xx, so that not one of them may be empty or a text. */
import { connect } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { nameOf, type Operation, operations, schemaProblem, violation } from './contract.ts'
import { type Asking, refusal, startSvixGateway, type SvixClient } from './svix-gateway.ts'

const { gateway, exchanges, org, nobody, as, ofOrg, ofApp, ...gate } = await startSvixGateway({ MAX_BODY: '16kb' })
afterAll(() => gate[Symbol.asyncDispose]())

const { id: appId } = await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
await org.ask('POST /app/acme/endpoint', { url: 'http://127.0.0.1:9/', uid: 'main', disabled: true })
await org.ask('PUT /event-type/order.paid', { description: '' })
await org.ask('POST /app/acme/msg', { eventType: 'order.paid', eventId: 'paid', payload: {} })
const portal = await ofApp({ id: appId })

const THERE: Record<string, string> = {
  app_id: 'acme',
  endpoint_id: 'main',
  msg_id: 'paid',
  event_type_name: 'order.paid',
}
/** The operation's path with these names in it; what is missing is unknown to the gateway. */
const pathOf = ({ path }: Operation, names: Record<string, string> = {}) =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? 'unknown')

/** The least that each request has to say. */
const LEAST: Record<string, object> = {
  AppPortalAccessIn: {},
  ApplicationIn: { name: 'Acme' },
  ApplicationPatch: {},
  EndpointHeadersIn: { headers: {} },
  EndpointHeadersPatchIn: { headers: {} },
  EndpointIn: { url: 'https://example.com/' },
  EndpointPatch: {},
  EndpointSecretRotateIn: {},
  EndpointUpdate: { url: 'https://example.com/' },
  EventExampleIn: { eventType: 'order.paid' },
  EventTypeIn: { name: 'order.made', description: '' },
  EventTypePatch: {},
  EventTypeUpdate: { description: '' },
  MessageIn: { eventType: 'order.paid', payload: {} },
  RecoverIn: { since: new Date().toISOString() },
}
const leastOf = ({ request }: Operation): Asking => (request === null ? {} : { json: LEAST[request] })

const guarded = operations.filter(({ path }) => !path.startsWith('/health') && path !== '/auth/logout')
const withBody = guarded.filter(({ request }) => request !== null)
const cases = (some: readonly Operation[]) => some.map((operation) => [nameOf(operation), operation] as const)
const ask = (client: SvixClient, operation: Operation, { query = '', names = THERE, ...asking }: Asking & Named = {}) =>
  client.call(`${operation.method} ${pathOf(operation, names)}${query}`, asking)
interface Named {
  query?: string
  names?: Record<string, string>
}

test.each(cases(guarded))('%s is for nobody without a valid token', async (_name, operation) => {
  const clients = [nobody, as('no.jwt.at-all'), as('')]
  for (const client of clients)
    expect(refusal(await ask(client, operation, leastOf(operation)))).toEqual([401, 'authentication_failed'])
})

const FOR_PORTALS = [
  'GET /app/{app_id}',
  'GET /app/{app_id}/attempt/endpoint/{endpoint_id}',
  'GET /app/{app_id}/attempt/msg/{msg_id}',
  'GET /app/{app_id}/endpoint',
  'POST /app/{app_id}/endpoint',
  'DELETE /app/{app_id}/endpoint/{endpoint_id}',
  'GET /app/{app_id}/endpoint/{endpoint_id}',
  'PATCH /app/{app_id}/endpoint/{endpoint_id}',
  'PUT /app/{app_id}/endpoint/{endpoint_id}',
  'GET /app/{app_id}/endpoint/{endpoint_id}/headers',
  'PATCH /app/{app_id}/endpoint/{endpoint_id}/headers',
  'PUT /app/{app_id}/endpoint/{endpoint_id}/headers',
  'GET /app/{app_id}/endpoint/{endpoint_id}/msg',
  'POST /app/{app_id}/endpoint/{endpoint_id}/recover',
  'GET /app/{app_id}/endpoint/{endpoint_id}/secret',
  'POST /app/{app_id}/endpoint/{endpoint_id}/secret/rotate',
  'GET /app/{app_id}/endpoint/{endpoint_id}/stats',
  'GET /app/{app_id}/msg',
  'GET /app/{app_id}/msg/{msg_id}',
  'GET /app/{app_id}/msg/{msg_id}/attempt/{attempt_id}',
  'GET /app/{app_id}/msg/{msg_id}/endpoint',
  'POST /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend',
  'GET /event-type',
  'GET /event-type/{event_type_name}',
]
const ofOrganizations = guarded.filter((operation) => !FOR_PORTALS.includes(nameOf(operation)))

test('what is left to organizations is 14 operations of the contract', () => {
  expect(guarded.length - ofOrganizations.length).toBe(FOR_PORTALS.length)
  expect(ofOrganizations).toHaveLength(14)
})

test.each(cases(ofOrganizations))(
  '%s is forbidden to portal tokens, before the body is looked at',
  async (_, operation) => {
    expect(refusal(await ask(portal, operation))).toEqual([403, 'insufficient access'])
  },
)

// These make what they do not find.
const MAKERS = ['PUT /app/{app_id}', 'PUT /app/{app_id}/endpoint/{endpoint_id}']
const ofApplications = guarded.filter(({ path }) => path.includes('{app_id}'))

test.each(cases(ofApplications.filter((operation) => nameOf(operation) !== MAKERS[0])))(
  '%s says 404 to other applications and other organizations',
  async (name, operation) => {
    const least = leastOf(operation)
    const otherOrg = await ofOrg('org_other')
    const otherApp = await ofApp(await org.ask('POST /app', { name: 'Other' }))
    for (const other of FOR_PORTALS.includes(name) ? [otherOrg, otherApp] : [otherOrg])
      expect(refusal(await ask(other, operation, least))).toEqual([404, 'not_found'])
    expect(refusal(await ask(org, operation, { ...least, names: {} }))).toEqual([404, 'not_found'])
  },
)

const deeper = ofApplications.filter(({ path }) => (path.match(/\{/g) ?? []).length > 1)
test.each(cases(deeper.filter((operation) => !MAKERS.includes(nameOf(operation)))))(
  '%s says 404 to what its application does not have',
  async (_, operation) => {
    const answer = await ask(org, operation, { ...leastOf(operation), names: { app_id: 'acme' } })
    expect(refusal(answer)).toEqual([404, 'not_found'])
  },
)

describe.each(cases(withBody))('the body of %s', (_, operation) => {
  test.each(['{', '{"a":1}x', '\u00a0', '"\\u00"', '{"a":01}'])('is refused as %j, which is no JSON', async (body) => {
    expect(refusal(await ask(org, operation, { body }))).toEqual([422, ['body']])
  })

  test('is refused when it is not UTF-8', async () => {
    expect(refusal(await ask(org, operation, { body: Uint8Array.of(0x22, 0xff, 0x22) }))).toEqual([422, ['body']])
  })

  test.each(['[]', 'null', '1', '"text"'])('is refused as %j, which is no object', async (body) => {
    expect(refusal(await ask(org, operation, { body }))).toEqual([422, ['body']])
  })

  test('is refused when it is too large', async () => {
    const json = { ...leastOf(operation).json!, more: 'x'.repeat(16_384) }
    expect(refusal(await ask(org, operation, { json }))).toEqual([413, 'payload_too_large'])
  })

  test('may say more than anybody understands, and need not say that it is JSON', async () => {
    const json = { ...leastOf(operation).json!, more: { than: ['anybody', 1, null] } }
    const plain = { json, headers: { 'content-type': 'text/plain' } }
    // Nothing is there by this name: the body is looked at before.
    const { status } = await ask(org, operation, { ...plain, names: {} })
    expect([200, 201, 404]).toContain(status)
  })
})

const QUERIES: Record<string, [unreadable: string[], notAllowed: string[]]> = {
  limit: [['many', '-1', '1.5', ''], ['251']],
  iterator: [[], ['nothing', 'user_1srOrx2ZWZBpBUvZwXKQmoEYga2', '-x']],
  order: [['sideways'], []],
  before: [['yesterday', '2026-13-01T00:00:00Z'], []],
  after: [['1'], []],
  since: [['then'], []],
  until: [['now'], []],
  status: [['5', 'fail'], []],
  status_code_class: [['201'], []],
  channel: [[], ['no spaces']],
  event_types: [[], ['no spaces']],
  with_content: [['maybe'], []],
  include_archived: [['1'], []],
  get_if_exists: [['yes'], []],
  expunge: [['TRUE'], []],
}
const queries = guarded.flatMap((operation) =>
  operation.parameters
    .filter((one) => one.in === 'query' && one.name !== 'endpoint_id')
    .map(({ name }) => [name, nameOf(operation), operation] as const),
)

test.each(queries)('the query parameter %s of %s is looked at before the token', async (name, _, operation) => {
  const [unreadable, notAllowed] = QUERIES[name]!
  // Event types are listed by name, and any name will do.
  const byName = operation.path === '/event-type' && name === 'iterator'
  const asked = [
    ...unreadable.map((value) => [value, [400, 'generic_error']] as const),
    ...(byName ? [] : notAllowed).map((value) => [value, [422, [`query.${name}`]]] as const),
  ]
  for (const client of [org, nobody])
    for (const [value, expected] of asked) {
      const query = `?${name}=${encodeURIComponent(value)}`
      expect(refusal(await ask(client, operation, { query }))).toEqual(expected)
    }
})

test.each(queries.filter(([name]) => name !== 'event_types'))(
  'the query parameter %s of %s has one value, not two',
  async (name, _, operation) => {
    const answer = await ask(org, operation, { query: `?${name}=1&${name}=1` })
    expect(refusal(answer)).toEqual([400, 'generic_error'])
  },
)

test('no refusal so far is other than the contract says', () => {
  const violations = exchanges.map((exchange) => [nameOf(exchange), violation(exchange)])
  expect(violations.filter(([, problem]) => problem !== null)).toEqual([])
})

test.each([
  'GET /',
  'GET /nothing',
  'POST /app/acme/nothing',
  'DELETE /app/acme/endpoint/main/nothing',
  'PATCH /app/acme//nothing',
  'GET /app/%2e%2e/x',
  'POST /APP',
])('%s is no route, which a JSON body says', async (what) => {
  for (const client of [org, nobody]) expect(refusal(await client.call(what))).toEqual([404, 'not_found'])
})

const paths = [...new Set(operations.map(({ path }) => path))]
test.each(paths)('%s refuses all methods that it does not know', async (path) => {
  const known = operations.filter((one) => one.path === path).map(({ method }) => method)
  const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) => !known.includes(method))
  for (const method of others) {
    const answer = await org.call(`${method} ${path.replaceAll(/\{\w+\}/g, 'x')}`)
    expect(refusal(answer)).toEqual([405, 'method_not_allowed'])
    for (const one of known) expect(answer.exchange.headers.get('allow')?.split(', ')).toContain(one)
  }
})

test.each(['GET /app/%zz', 'GET /app/%', 'GET /app/%ff/endpoint', 'PUT /%c0%af'])(
  '%s cannot be decoded',
  async (what) => {
    expect(refusal(await org.call(what))).toEqual([400, 'bad_request'])
  },
)

test.each(['json', '/', 'application/', 'a b/c', '', 'application/json,application/json'])(
  'a body may be called %j: it is read as JSON',
  async (type) => {
    const answer = await org.call('POST /app', { json: { name: 'A' }, headers: { 'content-type': type } })
    expect(answer.exchange.status).toBe(201)
  },
)

test('what is no HTTP at all is refused in JSON', async () => {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
  socket.end('GET /api/v1/app HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n')
  const chunks = await socket.toArray()
  const [head = '', body = ''] = Buffer.concat(chunks as Buffer[])
    .toString()
    .split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 400 /)
  expect(schemaProblem('HttpErrorOut', JSON.parse(body))).toBeNull()
})

test('every 4xx that was answered here is a code and a detail, or a list of what is wrong', () => {
  const refusals = exchanges.filter(({ status }) => status >= 400)
  expect(refusals.length).toBeGreaterThan(500)
  for (const { status, headers, text } of refusals) {
    expect(headers.get('content-type')).toMatch(/^application\/json/)
    expect(schemaProblem(status === 422 ? 'HTTPValidationError' : 'HttpErrorOut', JSON.parse(text))).toBeNull()
  }
})
