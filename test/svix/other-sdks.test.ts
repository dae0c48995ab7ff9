/** What clients in other languages, and browsers, write differently from the JavaScript client. */
import { Agent, type OutgoingHttpHeaders } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, send, soon } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { newTenant, type Page, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})
const tenant = newTenant(gateway)
const { svix } = tenant

interface Message {
  id: string
  eventType: string
  timestamp: string
}

const app = 'clients'
let endpoint = ''
let msg = ''
let messages: Message[] = []
beforeAll(async () => {
  await svix.application.create({ name: 'Clients', uid: app })
  endpoint = (await svix.endpoint.create(app, { url: receiver.hook().url })).id
  for (const eventType of ['a', 'b', 'c', 'd']) await svix.message.create(app, { eventType, payload: {} })
  messages = (await tenant.ask<Page<Message>>(`/app/${app}/msg`)).data
  msg = messages[0]!.id
})

const typesOf = async (query: string) =>
  (await tenant.ask<Page<Message>>(`/app/${app}/msg?${query}`)).data.map((one) => one.eventType).sort()

test.each([
  'event_types=a,c',
  'event_types=a%2Cc',
  'event_types=a&event_types=c',
  'event_types[]=a&event_types[]=c',
  'event_types%5B%5D=a&event_types%5B%5D=c',
  'event_types[0]=a&event_types[1]=c',
  'event_types[]=a,c',
])('a list can be written %s', async (query) => {
  expect(await typesOf(query)).toEqual(['a', 'c'])
  const attempts = `/app/${app}/attempt/endpoint/${endpoint}?${query}`
  await soon(async () => (await tenant.ask<Page<unknown>>(attempts)).data.length).toBe(2)
})

test('parameters that mean nothing to the gateway are ignored, and a known one twice is not understood', async () => {
  expect(await typesOf('expanded_statuses=true&with_msg=false&whatever[x]=1&more=1&more=2')).toEqual([
    'a',
    'b',
    'c',
    'd',
  ])
  const answer = await tenant.send(`/app/${app}/msg?limit=1&limit=2`)
  expect([answer.status, answer.json()]).toEqual([400, { code: 'generic_error', detail: expect.any(String) }])
})

describe('a time in a query', () => {
  const date = (ms: number) => new Date(ms).toISOString()
  test.each<[string, (ms: number) => string]>([
    ['2026-01-15T10:00:00.123Z', date],
    ['2026-01-15T10:00:00.123456Z', (ms) => date(ms).replace('Z', '456Z')],
    ['2026-01-15T10:00:00.123456789Z', (ms) => date(ms).replace('Z', '456789Z')],
    ['2026-01-15 10:00:00.123456 UTC', (ms) => date(ms).replace('T', ' ').replace('Z', '456 UTC')],
    ['2026-01-15T10:00:00.123456+00:00', (ms) => date(ms).replace('Z', '456+00:00')],
    ['2026-01-15T12:00:00.123+02:00', (ms) => date(ms + 7_200_000).replace('Z', '+02:00')],
    ['2026-01-15t10:00:00.123z', (ms) => date(ms).toLowerCase()],
  ])('can be written like %s', async (_, write) => {
    const times = messages.map((one) => Date.parse(one.timestamp))
    // Ids tell the time to 4 ms, and all of the messages may be of one moment.
    const [before, after] = [Math.max(...times) + 10, Math.min(...times) - 10]
    for (const encode of [encodeURIComponent, (text: string) => text.replaceAll(' ', '+')]) {
      const [from, until] = [encode(write(after)), encode(write(before))]
      expect(await typesOf(`after=${from}&before=${until}`)).toEqual(['a', 'b', 'c', 'd'])
      expect(await typesOf(`before=${from}`)).toEqual([])
      expect(await typesOf(`after=${until}`)).toEqual([])
    }
  })

  test.each(['yesterday', '1736935200', '2026-01-15', '2026-01-15T10:00:00', '2026-13-15T10:00:00Z'])(
    'is not understood as %s',
    async (text) => {
      const answer = await tenant.send(`/app/${app}/msg?before=${text}`)
      expect([answer.status, answer.json()]).toEqual([400, { code: 'generic_error', detail: expect.any(String) }])
    },
  )
})

test('every path may end with a slash, whatever the method', async () => {
  const paths = [
    '/app',
    `/app/${app}`,
    `/app/${app}/endpoint`,
    `/app/${app}/endpoint/${endpoint}/headers`,
    `/app/${app}/msg/${msg}`,
    `/app/${app}/attempt/msg/${msg}`,
    '/event-type',
    '/background-task',
    '/operational-webhook/endpoint',
    '/openapi.json',
  ]
  for (const path of paths) {
    const [without, withSlash] = await Promise.all([tenant.send(path), tenant.send(`${path}/`)])
    expect([path, withSlash.status, withSlash.text]).toEqual([path, 200, without.text])
  }
  expect((await tenant.send(`/app/${app}/msg/?limit=1`)).json<Page<Message>>().data).toHaveLength(1)
  const made = await tenant.send('/app/', { json: { name: 'With a slash' } })
  expect(made.status).toBe(201)
  const { id } = made.json<{ id: string }>()
  for (const [method, status, json] of [
    ['PUT', 200, { name: 'put' }],
    ['PATCH', 200, { name: 'patched' }],
    ['DELETE', 204, undefined],
  ] as const)
    expect((await tenant.send(`/app/${id}/`, { method, ...(json && { json }) })).status).toBe(status)
})

describe('a POST without a body', () => {
  const headers: [string, OutgoingHttpHeaders][] = [
    ['and without a word about it', {}],
    ['of length 0', { 'content-length': 0 }],
    ['that says that it is JSON', { 'content-type': 'application/json', 'content-length': 0 }],
    ['of an unknown length', { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }],
  ]
  test.each(headers)('%s is enough where nothing has to be said', async (_, given) => {
    const post = (path: string) => tenant.send(path, { method: 'POST', headers: given })
    const rotated = await post(`/app/${app}/endpoint/${endpoint}/secret/rotate`)
    expect([rotated.status, rotated.text]).toEqual([204, ''])
    const resent = await post(`/app/${app}/msg/${msg}/endpoint/${endpoint}/resend`)
    expect([resent.status, resent.text]).toEqual([202, '{}'])
    expect((await post(`/auth/app-portal-access/${app}`)).status).toBe(200)
    expect((await post('/auth/logout')).status).toBe(501)
    const missing = await post('/app')
    expect([missing.status, missing.json<{ detail: unknown[] }>().detail]).toEqual([
      422,
      [{ loc: ['body', 'name'], msg: expect.any(String), type: 'value_error.missing' }],
    ])
  })
})

test.each<OutgoingHttpHeaders>([
  { accept: 'application/json' },
  { accept: 'application/json, */*;q=0.8' },
  { accept: '*/*' },
  { accept: 'text/html' },
  {
    'user-agent': 'svix-libs/2.5.0/python/3.13',
    'svix-req-id': '8371294871298374',
    'svix-retry-count': '2',
    'accept-encoding': 'gzip, deflate, br',
  },
  { 'content-type': 'application/json; charset=utf-8' },
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/x-www-form-urlencoded' },
])('is answered with JSON, whatever the request says about itself: %o', async (headers) => {
  const body = JSON.stringify({ name: 'Ünïcode' })
  const answer = await tenant.send('/app', { body, headers })
  expect([answer.status, answer.json<{ name: string }>().name]).toEqual([201, 'Ünïcode'])
  expect(answer.headers['content-type']).toMatch(/^application\/json/)
  expect(answer.headers['content-encoding']).toBeUndefined()
})

test('the authorization scheme is written in any case', async () => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) {
    const headers = { authorization: `${scheme} ${tenant.token}` }
    expect((await tenant.send('/app', { headers })).status).toBe(200)
  }
})

test('connections are kept for the next request, or closed when the client says so', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ports = new Set<unknown>()
  agent.on('free', (socket: { localPort?: number }) => ports.add(socket.localPort))
  const headers = { authorization: `Bearer ${tenant.token}` }
  for (const path of ['app', 'nowhere', 'event-type', 'app?limit=many'])
    expect((await send(`${gateway.url}/api/v1/${path}`, { headers }, agent)).headers.connection).toBe('keep-alive')
  await send(`${gateway.url}/api/v1/app`, { json: {}, headers }, agent)
  expect(ports.size).toBe(1)
  agent.destroy()
  const closed = await send(`${gateway.url}/api/v1/app`, { headers: { ...headers, connection: 'close' } })
  expect([closed.status, closed.headers.connection]).toEqual([200, 'close'])
})

test('the document has exactly the type application/json, and every path of the API', async () => {
  const answer = await send(`${gateway.url}/api/v1/openapi.json`)
  expect(answer.headers['content-type']).toBe('application/json')
  const { paths, openapi } = answer.json<{ paths: Record<string, object>; openapi: string }>()
  expect(openapi).toMatch(/^3\./)
  expect(Object.keys(paths)).toContain('/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend')
  expect(Object.keys(paths).filter((path) => !path.startsWith('/api/v1/'))).toEqual([])
})

describe('a browser', () => {
  const origin = 'https://portal.example.com'
  const preflight = (path: string, headers: OutgoingHttpHeaders): Promise<Answer> =>
    send(`${gateway.url}/api/v1${path}`, { method: 'OPTIONS', headers: { origin, ...headers } })

  test.each(['/app', `/app/${app}/endpoint/x/`, '/event-type', '/nowhere', '/health', '/auth/logout'])(
    'may ask for %s from any page',
    async (path) => {
      const asked = 'authorization, content-type, idempotency-key, svix-req-id, svix-retry-count'
      const { status, headers } = await preflight(path, {
        'access-control-request-method': 'DELETE',
        'access-control-request-headers': asked,
      })
      expect(status).toBe(204)
      expect(headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-headers': asked,
        'access-control-max-age': '600',
      })
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
        expect(headers['access-control-allow-methods']).toMatch(new RegExp(`\\b${method}\\b`))
    },
  )

  test('is not refused a preflight that does not say what it is for', async () => {
    const answer = await preflight('/app', {})
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([204, '*'])
    const bare = await send(`${gateway.url}/api/v1/app`, { method: 'OPTIONS' })
    expect(bare.status).toBe(204)
  })

  test('may read every answer, refusals too', async () => {
    const calls: [string, number, Parameters<typeof tenant.send>[1]?][] = [
      ['/app', 200],
      ['/app', 201, { json: { name: 'From a page' } }],
      [`/app/${app}/endpoint/${endpoint}/headers`, 204, { method: 'PUT', json: { headers: {} } }],
      ['/app?limit=many', 400],
      ['/app', 401, { headers: { authorization: 'Bearer nobody' } }],
      ['/app/unknown', 404],
      ['/nowhere', 404],
      ['/app', 409, { json: { name: 'Again', uid: app } }],
      ['/app', 413, { body: `{"name":"${'x'.repeat(4 * 1_048_576)}"}` }],
      ['/app', 422, { json: {} }],
      ['/auth/logout', 501, { method: 'POST' }],
    ]
    for (const [path, status, sending] of calls) {
      const answer = await tenant.send(path, { ...sending, headers: { origin, ...sending?.headers } })
      expect([path, answer.status, answer.headers['access-control-allow-origin']]).toEqual([path, status, '*'])
    }
  })
})
