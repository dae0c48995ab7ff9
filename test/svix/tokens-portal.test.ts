/** What tokens of one application may do: every operation, held against a table. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, send } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { Caller, newTenant, portalToken, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})
const tenant = newTenant(gateway)
const { svix } = tenant

const EP = '/app/{app_id}/endpoint/{endpoint_id}'
const MSG = '/app/{app_id}/msg/{msg_id}'
const url = 'http://127.0.0.1:9/'
const since = new Date().toISOString()

/** By operation: the capability that it needs, and what it answers to those who have it. In the order of the calls. */
const PORTAL: [operation: string, capability: string, status: number, json?: unknown][] = [
  ['GET /app/{app_id}', 'ViewBase', 200],
  ['GET /app/{app_id}/endpoint', 'ViewBase', 200],
  ['POST /app/{app_id}/endpoint', 'ManageEndpoint', 201, { url }],
  [`GET ${EP}`, 'ViewBase', 200],
  [`PUT ${EP}`, 'ManageEndpoint', 200, { url }],
  [`PATCH ${EP}`, 'ManageEndpoint', 200, { description: 'x' }],
  [`GET ${EP}/headers`, 'ViewBase', 200],
  [`PUT ${EP}/headers`, 'ManageEndpoint', 204, { headers: {} }],
  [`PATCH ${EP}/headers`, 'ManageEndpoint', 204, { headers: {} }],
  [`GET ${EP}/secret`, 'ViewEndpointSecret', 200],
  [`POST ${EP}/secret/rotate`, 'ManageEndpointSecret', 204],
  [`POST ${EP}/recover`, 'CreateAttempts', 202, { since }],
  [`POST ${EP}/replay-missing`, 'CreateAttempts', 202, { since }],
  [`GET ${EP}/stats`, 'ViewBase', 200],
  [`GET ${EP}/msg`, 'ViewBase', 200],
  ['GET /app/{app_id}/attempt/endpoint/{endpoint_id}', 'ViewBase', 200],
  ['GET /app/{app_id}/attempt/msg/{msg_id}', 'ViewBase', 200],
  [`GET ${MSG}/attempt`, 'ViewBase', 200],
  [`GET ${MSG}/endpoint/{endpoint_id}/attempt`, 'ViewBase', 200],
  [`GET ${MSG}/attempt/{attempt_id}`, 'ViewBase', 200],
  [`GET ${MSG}/endpoint`, 'ViewBase', 200],
  ['GET /app/{app_id}/msg', 'ViewBase', 200],
  [`GET ${MSG}`, 'ViewBase', 200],
  [`POST ${MSG}/endpoint/{endpoint_id}/resend`, 'CreateAttempts', 202],
  ['GET /event-type', 'ViewBase', 200],
  ['GET /event-type/{event_type_name}', 'ViewBase', 200],
  [`DELETE ${EP}`, 'ManageEndpoint', 204],
]
const OPS = '/operational-webhook/endpoint'
const ORGANIZATION = [
  'GET /app',
  'POST /app',
  'PUT /app/{app_id}',
  'PATCH /app/{app_id}',
  'DELETE /app/{app_id}',
  `POST ${EP}/send-example`,
  'POST /app/{app_id}/msg',
  `DELETE ${MSG}/content`,
  `DELETE ${MSG}/attempt/{attempt_id}/content`,
  'POST /event-type',
  'PUT /event-type/{event_type_name}',
  'PATCH /event-type/{event_type_name}',
  'DELETE /event-type/{event_type_name}',
  'GET /background-task',
  'GET /background-task/{task_id}',
  'POST /auth/app-portal-access/{app_id}',
  'POST /auth/dashboard-access/{app_id}',
  `GET ${OPS}`,
  `POST ${OPS}`,
  ...['GET', 'PUT', 'PATCH', 'DELETE'].map((method) => `${method} ${OPS}/{endpoint_id}`),
  ...['GET', 'PUT', 'PATCH'].map((method) => `${method} ${OPS}/{endpoint_id}/headers`),
  `GET ${OPS}/{endpoint_id}/secret`,
  `POST ${OPS}/{endpoint_id}/secret/rotate`,
]
const PUBLIC = ['GET /health', 'GET /health/ping', 'POST /auth/logout']

const FORBIDDEN = [403, { code: 'insufficient access', detail: 'Insufficient access for the given operation.' }]
const UNKNOWN = [404, { code: 'not_found', detail: 'Entity not found' }]

/** What the paths name: objects that are there. */
const names: Record<string, string> = {}
let other = ''
beforeAll(async () => {
  const { id: app } = await svix.application.create({ name: 'Portal', uid: 'portal' })
  other = (await svix.application.create({ name: 'Another', uid: 'another' })).id
  await svix.eventType.create({ name: 'seen', description: '' })
  const { id: endpoint } = await svix.endpoint.create(app, { url: receiver.hook().url })
  const { id: msg } = await svix.message.create(app, { eventType: 'seen', payload: {} })
  const attempt = await eventually(async () => (await svix.messageAttempt.listByMsg(app, msg)).data[0])
  Object.assign(names, {
    app_id: app,
    endpoint_id: endpoint,
    msg_id: msg,
    attempt_id: attempt.id,
    event_type_name: 'seen',
    task_id: 'qtask_unknown',
  })
})

/** Calls an operation by its name in the tables. */
async function call(caller: Caller, operation: string, more: { json?: unknown; with?: Record<string, string> } = {}) {
  const [method, path] = operation.split(' ') as [string, string]
  const given = { ...names, ...more.with }
  const real = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => given[name]!)
  const answer = await caller.send(real, { method, ...(more.json !== undefined && { json: more.json }) })
  return [answer.status, answer.text === '' ? null : answer.json()] as [number, unknown]
}

const portal = (claims: Record<string, unknown> = {}, app = names['app_id']!) =>
  new Caller(gateway, portalToken(tenant.org, app, claims))

test('the tables name every operation that there is', async () => {
  const { paths } = (await send(`${gateway.url}/api/v1/openapi.json`)).json<{ paths: Record<string, object> }>()
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`),
  )
  const named = [...PORTAL.map(([operation]) => operation), ...ORGANIZATION, ...PUBLIC]
  const known = new Set(named)
  expect(documented.filter((one) => !one.startsWith('HEAD') && !known.has(one)).sort()).toEqual([])
  expect(named.filter((one) => !documented.includes(one))).toEqual([])
})

const OF_APPLICATIONS = PORTAL.filter(([operation]) => operation.includes('{app_id}'))
test.each(OF_APPLICATIONS)('%s is unknown below another application', async (operation, _capability, _status, json) => {
  for (const app of [other, 'another', 'unknown'])
    expect(await call(portal(), operation, { json, with: { app_id: app } })).toEqual(UNKNOWN)
})

/** Objects of applications. PUT makes an endpoint where it finds none. */
const OF_OBJECTS = OF_APPLICATIONS.filter(([name]) => /\{(endpoint|msg)_id\}/.test(name) && name !== `PUT ${EP}`)
test.each(OF_OBJECTS)('%s knows nothing of another application', async (operation, _capability, _status, json) => {
  expect(await call(portal({}, other), operation, { json, with: { app_id: other } })).toEqual(UNKNOWN)
})

test.each(ORGANIZATION)('%s is not for portal tokens, whatever they can', async (operation) => {
  expect(await call(portal(), operation)).toEqual(FORBIDDEN)
  expect(await call(portal(), operation, { with: { app_id: other }, json: [] })).toEqual(FORBIDDEN)
})

describe.each([
  ['no capability', [], []],
  ['ViewBase', ['ViewBase'], ['ViewBase']],
  ['ViewEndpointSecret', ['ViewEndpointSecret'], ['ViewEndpointSecret']],
  ['ManageEndpointSecret', ['ManageEndpointSecret'], ['ManageEndpointSecret']],
  ['CreateAttempts', ['CreateAttempts'], ['CreateAttempts']],
  ['ManageEndpoint', ['ManageEndpoint'], ['ManageEndpoint']],
  ['ManageTransformations', ['ManageTransformations'], []],
  ['what nobody knows', ['Everything', '*', 'organization'], []],
])('a token with %s', (_, capabilities, allowed) => {
  test('is refused all operations that need something else', async () => {
    // Nothing that is named here exists, so that nothing changes.
    const nothing = { app_id: 'none', endpoint_id: 'none', msg_id: 'none', attempt_id: 'none', event_type_name: 'none' }
    for (const [operation, capability] of PORTAL) {
      const [status] = await call(portal({ capabilities }), operation, { with: nothing, json: undefined })
      const isAllowed = allowed.includes(capability)
      expect([operation, status === 403]).toEqual([operation, !isAllowed])
    }
  })
})

test('readOnly means reading, and secrets', async () => {
  const { token } = await svix.authentication.appPortalAccess('portal', { readOnly: true })
  for (const [operation, capability, status, json] of PORTAL) {
    const isAllowed = capability.startsWith('View')
    const answer = await call(new Caller(gateway, token), operation, { json })
    expect([operation, answer[0]]).toEqual([operation, isAllowed ? status : 403])
  }
})

test('feature flags of a token show event types and open nothing else', async () => {
  await svix.eventType.create({ name: 'flagged', description: '', featureFlags: ['beta'] })
  const get = (claims: Record<string, unknown>) =>
    call(portal(claims), 'GET /event-type/{event_type_name}', { with: { event_type_name: 'flagged' } })
  expect((await get({ feature_flags: ['beta', 7] }))[0]).toBe(200)
  for (const flags of [undefined, [], ['alpha'], 'beta']) expect(await get({ feature_flags: flags })).toEqual(UNKNOWN)
  expect(await call(portal({ feature_flags: ['beta'] }), 'GET /app')).toEqual(FORBIDDEN)
})

test('a token of an application that is another organization’s, deleted or unknown sees nothing', async () => {
  const gone = await svix.application.create({ name: 'Gone' })
  await svix.application.delete(gone.id)
  const foreign = await newTenant(gateway).svix.application.create({ name: 'Foreign' })
  for (const app of [gone.id, foreign.id, 'app_unknown', 'app_'])
    for (const operation of ['GET /app/{app_id}', `GET ${MSG}`, `POST ${EP}/secret/rotate`])
      for (const named of [app, names['app_id']!])
        expect(await call(portal({}, app), operation, { with: { app_id: named } })).toEqual(UNKNOWN)
})

test('a token without capabilities named has them all', async () => {
  for (const [operation, , status, json] of PORTAL)
    expect([operation, (await call(portal(), operation, { json }))[0]]).toEqual([operation, status])
})
