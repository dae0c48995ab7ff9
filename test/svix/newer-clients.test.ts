/** What clients send that are newer than the contract, or typed: nulls for what is not set, wider names, more parameters. */
import { messageInRaw } from 'svix'
import { afterAll, describe, expect, test } from 'vitest'
import { soon } from '../acceptance/gateway.ts'
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
const app = 'newer'
await svix.application.create({ name: 'Newer', uid: app })
await svix.eventType.create({ name: 'order.paid', description: '' })

interface Schema {
  $ref?: string
  properties?: Record<string, Schema>
  required?: string[]
}
interface Described {
  requestBody?: { content: Record<string, { schema: Schema }> }
}
const { paths, components } = (await gateway.send('/api/v1/openapi.json')).json<{
  paths: Record<string, Record<string, Described>>
  components?: { schemas: Record<string, Schema> }
}>()

const url = 'http://127.0.0.1:9/'
/** What has to be given. */
const LEAST: Record<string, unknown> = {
  name: 'of.clients',
  description: '',
  url,
  eventType: 'order.paid',
  payload: {},
  headers: {},
  since: new Date().toISOString(),
}
const NAMES: Record<string, string> = { app_id: 'nulls', endpoint_id: 'main', event_type_name: 'order.paid' }

const bodies = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, { requestBody }]) => {
    const given = requestBody?.content['application/json']?.schema
    const schema = given?.$ref === undefined ? given : components!.schemas[given.$ref.split('/').at(-1)!]!
    return schema?.properties === undefined || method === 'patch'
      ? []
      : [{ method: method.toUpperCase(), path, names: Object.keys(schema.properties), required: schema.required ?? [] }]
  }),
)

test('the operations with a body are found', () => expect(bodies.length).toBeGreaterThan(12))

test.each(bodies.map((one) => [`${one.method} ${one.path}`, one] as const))(
  '%s takes null for everything that may be left out',
  async (_, { method, path, names, required }) => {
    // One of the two names of a payload has to be there.
    const optional = names.filter((name) => !required.includes(name) && name !== 'payload' && name !== 'data')
    const json = {
      ...Object.fromEntries(optional.map((name) => [name, null])),
      ...Object.fromEntries(
        names.filter((name) => required.includes(name) || name === 'payload').map((name) => [name, LEAST[name]]),
      ),
    }
    await tenant.send('/app?get_if_exists=true', { json: { name: 'Nulls', uid: 'nulls' } })
    await tenant.send('/app/nulls/endpoint', { json: { url, uid: 'main', disabled: true } })
    await tenant.send('/operational-webhook/endpoint', { json: { url, uid: 'main', disabled: true } })
    const target = path.replace('/api/v1', '').replaceAll(/\{(\w+)\}/g, (__, name: string) => NAMES[name] ?? '')
    const answer = await tenant.send(target, { method, json })
    // An event type without an example is a 400. What is replaced has no uid afterwards, and another one is made.
    expect([200, 201, 202, 204, 400, 409]).toContain(answer.status)
  },
)

describe('null in a PATCH', () => {
  test.each(['/app/patched', '/app/newer/endpoint/patched'])('of %s takes metadata away', async (path) => {
    await svix.application.upsert('patched', { name: 'Patched', uid: 'patched', metadata: { a: 'b' } })
    await svix.endpoint.upsert(app, 'patched', { url, uid: 'patched', metadata: { a: 'b' } })
    const before = await tenant.ask<{ metadata: object }>(path)
    const patched = await tenant.ask<{ metadata: object }>(path, { method: 'PATCH', json: { metadata: null } })
    expect([before.metadata, patched.metadata]).toEqual([{ a: 'b' }, {}])
  })
})

test('an endpoint can be put back as it was read', async () => {
  await svix.eventType.create({ name: 'order.sent', description: '' })
  const eventTypes = ['order.sent', 'order.paid']
  const made = await svix.endpoint.create(app, { url, uid: 'back', eventTypes, channels: ['a'], throttleRate: 5 })
  const read = await tenant.ask<Record<string, unknown>>(`/app/${app}/endpoint/back`)
  expect(read).toMatchObject({ filterTypes: eventTypes, eventTypes })
  const put = await tenant.ask<Record<string, unknown>>(`/app/${app}/endpoint/${made.id}`, {
    method: 'PUT',
    json: read,
  })
  expect({ ...put, updatedAt: null }).toEqual({ ...read, updatedAt: null })
  const reversed = { ...read, filterTypes: eventTypes.toReversed() }
  expect((await tenant.send(`/app/${app}/endpoint/back`, { method: 'PUT', json: reversed })).status).toBe(200)
  for (const filterTypes of [['order.paid'], null, ['order.paid', 'order.lost']]) {
    const differs = await tenant.send(`/app/${app}/endpoint/back`, { method: 'PUT', json: { ...read, filterTypes } })
    expect([differs.status, differs.text]).toEqual([422, expect.stringContaining('filterTypes')])
  }
})

describe('the older way to a portal', () => {
  const path = `/auth/dashboard-access/${app}`
  test.each(['null', '[]', '{', '"text"', '{"other":1}', ''])('does not look at its body: %s', async (body) => {
    const answer = await tenant.send(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    expect([answer.status, answer.json()]).toEqual([200, { url: expect.any(String), token: expect.any(String) }])
  })

  test('does not ignore what narrows the token down', async () => {
    const { token } = await tenant.ask<{ token: string }>(path, { json: { readOnly: true } })
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { capabilities: string[] }
    expect(claims.capabilities).toEqual(['ViewBase', 'ViewEndpointSecret'])
    expect((await tenant.send(path, { json: { readOnly: 'yes' } })).status).toBe(422)
  })
})

describe('an iterator of event types', () => {
  test.each(['BAD-$$$ITERATOR', '-a b', '::a', 'x'.repeat(257), '..'])('cannot be %s', async (text) => {
    const answer = await tenant.send(`/event-type?iterator=${encodeURIComponent(text)}`)
    expect([answer.status, answer.json()]).toEqual([
      422,
      {
        detail: [{ loc: ['query', 'iterator'], msg: expect.stringContaining('Invalid iterator'), type: 'value_error' }],
      },
    ])
  })
  test.each(['order.paid', '-order.paid', ':-order.paid', 'no.such.type', ''])('can be %j', async (text) => {
    expect((await tenant.send(`/event-type?iterator=${text}`)).status).toBe(200)
  })
})

describe('a message', () => {
  test('has ten channels and five tags, with what newer SDKs allow in them, and is found by each', async () => {
    const channels = ['a:b', 'a+b', ...Array.from({ length: 8 }, (_, n) => `c${n}`)]
    const tags = ['a/b', 'a\\b', 'a#b']
    const { id } = await svix.message.create(app, { eventType: 'order.paid', payload: {}, channels, tags })
    for (const [name, value] of [...channels.map((one) => ['channel', one]), ...tags.map((one) => ['tag', one])]) {
      const found = await tenant.ask<Page<{ id: string }>>(`/app/${app}/msg?${name}=${encodeURIComponent(value!)}`)
      expect(found.data.map((one) => one.id)).toEqual([id])
    }
    const refused = [
      { channels: [...channels, 'one.more'] },
      { channels: ['a/b'] },
      { tags: ['a:b'] },
      { tags: ['..'] },
    ]
    for (const json of refused) {
      const answer = await tenant.send(`/app/${app}/msg`, { json: { eventType: 'a', payload: {}, ...json } })
      expect(answer.status).toBe(422)
    }
  })

  test('reaches endpoints with such channels', async () => {
    const hook = receiver.hook()
    await svix.endpoint.create(app, { url: hook.url, channels: ['north:1'] })
    await svix.message.create(app, { eventType: 'order.paid', payload: {}, channels: ['north:1'] })
    await soon(() => hook.received.length).toBe(1)
    expect(hook.received[0]!.body.toString()).toBe('{}')
  })

  test('that is raw has the type that it says', async () => {
    const hook = receiver.hook()
    await svix.application.create({ name: 'Raw', uid: 'raw' })
    await svix.endpoint.create('raw', { url: hook.url })
    await svix.message.create('raw', messageInRaw('order.paid', 'a;b', 'text/csv; charset=utf-8'))
    await svix.message.create('raw', messageInRaw('order.paid', '<a/>'))
    await soon(() => hook.received.length).toBe(2)
    expect(new Map(hook.received.map(({ headers, body }) => [body.toString(), headers['content-type']]))).toEqual(
      new Map([
        ['a;b', 'text/csv; charset=utf-8'],
        ['<a/>', 'application/json'],
      ]),
    )
    for (const headers of [{ 'content-type': 'csv' }, { 'content-type': 'a/b\r\nx: y' }, { 'x-other': 'a' }]) {
      const json = { eventType: 'a', payload: {}, transformationsParams: { rawPayload: 'x', headers } }
      const answer = await tenant.send('/app/raw/msg', { json })
      expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('"headers"')])
    }
  })
})

describe('a parameter that newer SDKs have', () => {
  test('is done: attempts come with their messages', async () => {
    const hook = receiver.hook()
    await svix.application.create({ name: 'With', uid: 'with' })
    const { id } = await svix.endpoint.create('with', { url: hook.url })
    const message = await svix.message.create('with', { eventType: 'order.paid', payload: { n: 1.5 }, tags: ['t'] })
    await soon(() => hook.received.length).toBe(1)
    const list = async (withContent: boolean) =>
      (await svix.messageAttempt.listByEndpoint('with', id, { withMsg: true, withContent })).data
    await soon(async () => (await list(true)).length).toBe(1)
    expect((await list(true))[0]?.msg).toEqual({ ...message, payload: { n: 1.5 } })
    expect((await list(false))[0]?.msg).toEqual({ ...message, payload: {} })
    expect((await svix.messageAttempt.listByEndpoint('with', id)).data[0]).not.toHaveProperty('msg', expect.anything())
  })

  test.each([
    '/app?exclude_apps_with_no_endpoints=true',
    '/app?exclude_apps_with_disabled_endpoints=true',
    '/app?exclude_apps_with_svix_play_endpoints=true',
  ])('is refused where it is not done: %s', async (path) => {
    const answer = await tenant.send(path)
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('is not supported')])
    expect((await tenant.send(path.replace('true', 'false'))).status).toBe(200)
  })
})

test.each(['bulk-expunge', 'expunge-all-contents'])(
  'POST msg/%s is not here, and a message may be called so',
  async (name) => {
    const answer = await tenant.send(`/app/${app}/msg/${name}`, { json: {} })
    expect([answer.status, answer.json<{ code: string }>().code]).toEqual([404, 'not_found'])
    await svix.message.create(app, { eventType: 'order.paid', eventId: name, payload: {} })
    expect((await tenant.send(`/app/${app}/msg/${name}`)).status).toBe(200)
    expect((await tenant.send(`/app/${app}/msg/another`, { json: {} })).status).toBe(405)
  },
)
