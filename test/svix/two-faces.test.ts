/** The plain routes and the Svix API are two faces of one application: `default`, of the default organization. */
import { Webhook } from 'svix'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { DEFAULT_APP, DEFAULT_APP_UID, DEFAULT_ORG } from '../../src/domain/application.ts'
import { soon, type Subscription } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { Caller, newTenant, orgToken, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway()
const owner = new Caller(gateway, orgToken(DEFAULT_ORG))
const { svix } = owner
const APP = DEFAULT_APP_UID
afterEach(() => gateway.unsubscribeAll())
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const subscriptionOf = (id: string) => gateway.ask<Subscription>(`/subscriptions/${id}`)
const patch = (id: string, json: object) => gateway.ask<Subscription>(`/subscriptions/${id}`, { method: 'PATCH', json })
describe('the default application', () => {
  test('is there from the start, by id and uid, and is the only one', async () => {
    const app = await svix.application.get(APP)
    expect(app).toMatchObject({ id: DEFAULT_APP, uid: 'default', metadata: {}, throttleRate: null })
    expect(await svix.application.get(DEFAULT_APP)).toStrictEqual(app)
    expect((await svix.application.list()).data).toStrictEqual([app])
    expect((await owner.svix.application.getOrCreate({ name: 'Another', uid: APP })).id).toBe(DEFAULT_APP)
  })

  test('cannot be deleted, and goes on', async () => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
    for (const name of [APP, DEFAULT_APP])
      await expect(svix.application.delete(name)).rejects.toMatchObject({ code: 409, body: { code: 'conflict' } })
    expect((await svix.endpoint.get(APP, id)).id).toBe(id)
    expect(await gateway.messageWhen((await gateway.ingest({ id })).id, 'delivered')).toBeDefined()
  })

  test('is nobody else’s, whatever others name theirs', async () => {
    const other = newTenant(gateway)
    await expect(other.svix.application.get(DEFAULT_APP)).rejects.toMatchObject({ code: 404 })
    await expect(other.svix.application.get(APP)).rejects.toMatchObject({ code: 404 })
    const theirs = await other.svix.application.create({ name: 'Theirs', uid: APP })
    expect(theirs.id).not.toBe(DEFAULT_APP)
    await other.svix.endpoint.create(APP, { url: receiver.hook().url })
    expect((await gateway.ask<{ total: number }>('/subscriptions')).total).toBe(0)
    const { id } = await other.svix.message.create(APP, { eventType: 'a', payload: {} })
    expect((await gateway.send(`/deliveries/${id}`)).status).toBe(404)
  })

  test('may be renamed: the plain routes know it by its id', async () => {
    await svix.application.patch(APP, { uid: 'renamed', throttleRate: 1_000 })
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url })
    expect((await svix.endpoint.get('renamed', id)).id).toBe(id)
    await svix.application.patch('renamed', { uid: APP, throttleRate: null })
    expect((await svix.endpoint.get(APP, id)).id).toBe(id)
  })
})

describe('an endpoint', () => {
  test('made as a subscription is an endpoint with the same settings', async () => {
    const made = await gateway.subscribe({
      target_url: 'http://127.0.0.1:9/a',
      event_types: ['user.created', 'order.*'],
      description: 'plain',
      rate_limit: 7,
      headers: { 'X-Own': 'v', Authorization: 'Bearer hidden' },
      timeout: '3s',
    })
    const endpoint = await svix.endpoint.get(APP, made.id)
    expect(endpoint).toMatchObject({
      id: made.id,
      uid: null,
      url: 'http://127.0.0.1:9/a',
      eventTypes: ['user.created', 'order.*'],
      description: 'plain',
      throttleRate: 7,
      channels: null,
      disabled: false,
      metadata: {},
      createdAt: new Date(made.created_at),
      updatedAt: new Date(made.updated_at),
    })
    expect((await svix.endpoint.list(APP)).data).toStrictEqual([endpoint])
    expect(await svix.endpoint.getHeaders(APP, made.id)).toEqual({
      headers: { 'X-Own': 'v' },
      sensitive: ['Authorization'],
    })
  })

  test('that wants everything says null there and an empty list here, however it was made', async () => {
    const plain = await gateway.subscribe({ target_url: 'http://127.0.0.1:9/', event_types: [] })
    const { id } = await svix.endpoint.create(APP, { url: 'http://127.0.0.1:9/' })
    for (const each of [plain.id, id]) {
      expect((await svix.endpoint.get(APP, each)).eventTypes).toBeNull()
      expect((await subscriptionOf(each)).event_types).toEqual([])
    }
  })

  test('made through the SDK is a subscription, and keeps what that face cannot say', async () => {
    await svix.eventType.create({ name: 'two.faces', description: '' })
    const made = await svix.endpoint.create(APP, {
      url: 'http://127.0.0.1:9/b',
      uid: 'second',
      eventTypes: ['two.faces'],
      channels: ['eu'],
      metadata: { plan: 'big' },
      throttleRate: 9,
      headers: { 'x-own': 'w' },
      description: 'through the SDK',
    })
    expect(await subscriptionOf(made.id)).toMatchObject({
      target_url: made.url,
      event_types: ['two.faces'],
      description: 'through the SDK',
      rate_limit: 9,
      headers: { 'x-own': 'w' },
      has_secret: true,
      enabled: true,
      created_at: made.createdAt.toISOString(),
    })
    await patch(made.id, { description: 'patched here', rate_limit: null })
    const after = await svix.endpoint.get(APP, 'second')
    expect(after).toMatchObject({ description: 'patched here', throttleRate: null, channels: ['eu'] })
    expect(after).toMatchObject({ uid: 'second', metadata: { plan: 'big' }, eventTypes: ['two.faces'] })
    await gateway.ask(`/subscriptions/${made.id}`, { method: 'PUT', json: { target_url: made.url } })
    expect(await svix.endpoint.get(APP, 'second')).toMatchObject({ channels: ['eu'], metadata: { plan: 'big' } })
  })

  test('changed through the SDK keeps its time-out and its schedule', async () => {
    const { id } = await gateway.subscribe({
      target_url: 'http://127.0.0.1:9/',
      timeout: '3s',
      retry_schedule: ['1s', '2s'],
    })
    await svix.endpoint.upsert(APP, id, { url: 'http://127.0.0.1:9/c', throttleRate: 5 })
    await svix.endpoint.patch(APP, id, { description: 'new' })
    expect(await subscriptionOf(id)).toMatchObject({
      target_url: 'http://127.0.0.1:9/c',
      timeout: '3s',
      retry_schedule: ['1s', '2s'],
      rate_limit: 5,
      description: 'new',
    })
  })

  test('disabled at one face is disabled at the other, with its reason, and enabled likewise', async () => {
    const hook = receiver.hook(410)
    const { id } = await gateway.subscribe({ target_url: hook.url })
    await svix.endpoint.patch(APP, id, { disabled: true })
    expect(await subscriptionOf(id)).toMatchObject({ enabled: false, disabled_reason: 'owner' })
    await patch(id, { enabled: true })
    expect((await svix.endpoint.get(APP, id)).disabled).toBe(false)
    await svix.message.create(APP, { eventType: 'a', payload: {} })
    await soon(async () => (await svix.endpoint.get(APP, id)).disabled).toBe(true)
    expect(await subscriptionOf(id)).toMatchObject({ enabled: false, disabled_reason: 'gone' })
    await svix.endpoint.patch(APP, id, { description: 'still gone' })
    expect(await subscriptionOf(id)).toMatchObject({ enabled: false, disabled_reason: 'gone' })
    await svix.endpoint.patch(APP, id, { disabled: false })
    expect(await subscriptionOf(id)).toMatchObject({ enabled: true, disabled_reason: null })
  })

  test('deleted at one face is gone at the other', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map(() => gateway.subscribe({ target_url: 'http://127.0.0.1:9/' })),
    )
    await svix.endpoint.delete(APP, first!.id)
    expect((await gateway.send(`/subscriptions/${first!.id}`)).status).toBe(404)
    await gateway.send(`/subscriptions/${second!.id}`, { method: 'DELETE' })
    await expect(svix.endpoint.get(APP, second!.id)).rejects.toMatchObject({ code: 404 })
    expect((await svix.endpoint.list(APP)).data).toEqual([])
  })
})

describe('a secret', () => {
  test.each(['plain text', 'ünïcode ✓', 'x'.repeat(200), `whsec_${Buffer.alloc(30, 1).toString('base64')}`])(
    'of a subscription, %j, is shown so that every SDK verifies with it',
    async (secret) => {
      const hook = receiver.hook()
      const { id } = await svix.endpoint.create(APP, { url: hook.url })
      await patch(id, { secret })
      const { key } = await svix.endpoint.getSecret(APP, id)
      expect(key).toMatch(/^whsec_[A-Za-z0-9+/]+=*$/)
      expect((await gateway.ask<{ secret: string }>(`/subscriptions/${id}/secret`)).secret).toBe(secret)
      const before = hook.received.length
      await svix.message.create(APP, { eventType: 'a', payload: { n: 1 } })
      await soon(() => hook.received.length).toBe(before + 1)
      const { body, headers } = hook.received.at(-1)!
      expect(() => new Webhook(key).verify(body, headers as Record<string, string>)).not.toThrow()
    },
  )

  test('made by the SDK, or rotated, is the one of the subscription', async () => {
    const hook = receiver.hook()
    const { id } = await svix.endpoint.create(APP, { url: hook.url })
    const shown = async () => (await gateway.ask<{ secret: string }>(`/subscriptions/${id}/secret`)).secret
    const { key } = await svix.endpoint.getSecret(APP, id)
    expect(await shown()).toBe(key)
    await svix.endpoint.rotateSecret(APP, id, {})
    const { key: rotated } = await svix.endpoint.getSecret(APP, id)
    expect(rotated).not.toBe(key)
    expect(await shown()).toBe(rotated)
    // What guards the subscription's own door is its secret; without one here, it would be open.
    expect((await gateway.send(`/ingest/${id}`, { json: {} })).status).toBe(401)
  })

  test('that there is none is said, and rotating makes one', async () => {
    const hook = receiver.hook()
    const { id } = await gateway.subscribe({ target_url: hook.url })
    await expect(svix.endpoint.getSecret(APP, id)).rejects.toMatchObject({ code: 404 })
    await gateway.ingest({ id })
    await soon(() => hook.received.length).toBe(1)
    expect(hook.received[0]?.headers).not.toHaveProperty('webhook-signature')
    await svix.endpoint.rotateSecret(APP, id, {})
    const { key } = await svix.endpoint.getSecret(APP, id)
    await patch(id, { secret: null })
    await expect(svix.endpoint.getSecret(APP, id)).rejects.toMatchObject({ code: 404 })
    await patch(id, { secret: key })
    await patch(id, { secret: null })
    await expectUnsigned(id, hook)
  })

  async function expectUnsigned(id: string, hook: ReturnType<typeof receiver.hook>) {
    const before = hook.received.length
    await gateway.ingest({ id })
    await soon(() => hook.received.length).toBe(before + 1)
    expect(hook.received.at(-1)?.headers).not.toHaveProperty('webhook-signature')
  }

  test('of a subscription without one that the SDK rotates verifies at once', async () => {
    const hook = receiver.hook()
    const { id } = await gateway.subscribe({ target_url: hook.url })
    await svix.endpoint.rotateSecret(APP, id, {})
    const { key } = await svix.endpoint.getSecret(APP, id)
    const before = hook.received.length
    await svix.message.create(APP, { eventType: 'a', payload: {} })
    await soon(() => hook.received.length).toBe(before + 1)
    const { body, headers } = hook.received[0]!
    expect(() => new Webhook(key).verify(body, headers as Record<string, string>)).not.toThrow()
  })
})

describe('a message', () => {
  test('of the plain routes is one of the API, with its bytes and its attempts', async () => {
    const hook = receiver.hook(500, { status: 200, body: 'fine' })
    const { id: endpointId } = await gateway.subscribe({ target_url: hook.url })
    const body = '{"big":12345678901234567890, "n":1.0,"a":1,"a":2}'
    const headers = { 'content-type': 'application/json', 'x-event-type': 'order.paid' }
    const { id } = (await gateway.send('/ingest', { body, headers })).json<{ id: string }>()
    const plain = await gateway.messageWhen(id, 'delivered')

    expect(await svix.message.get(APP, id)).toMatchObject({ id, eventType: 'order.paid', channels: null, payload: {} })
    const bare = await owner.send(`/app/${APP}/msg/${id}?with_content=true`)
    expect(bare.text).toContain(`"payload":${body}`)
    expect((await owner.send(`/app/${APP}/msg?with_content=true&limit=1`)).text).toContain(`"payload":${body}`)
    const { data: attempts } = await svix.messageAttempt.listByMsg(APP, id, { withContent: true })
    expect(attempts.map((one) => [one.id, one.responseStatusCode, one.statusText, one.response])).toEqual(
      plain.attempts.map((one) => [
        one.id,
        one.status_code,
        one.outcome === 'success' ? 'success' : 'fail',
        one.response_body ?? one.error,
      ]),
    )
    expect(attempts.map(({ timestamp }) => timestamp.toISOString())).toEqual(plain.attempts.map((one) => one.timestamp))
    const { data: messages } = await svix.messageAttempt.listAttemptedMessages(APP, endpointId)
    expect(messages).toMatchObject([{ id, statusText: 'success' }])
    expect(await svix.messageAttempt.get(APP, id, attempts[0]!.id)).toMatchObject({ endpointId, url: hook.url })
  })

  test.each(['[1, 2]', '"text"', 'null', '-0.10'])(
    'whose body is %s is no object, and is shown as it is',
    async (body) => {
      const { id } = (
        await gateway.send('/ingest?event_type=odd', { body, headers: { 'content-type': 'application/json' } })
      ).json<{ id: string }>()
      const { text } = await owner.send(`/app/${APP}/msg/${id}?with_content=true`)
      expect(text).toContain(`"payload":${body},`)
      expect(() => JSON.parse(text) as unknown).not.toThrow()
      await expect(svix.message.list(APP, { eventTypes: ['odd'], withContent: true })).resolves.toBeDefined()
    },
  )

  test('of the SDK is seen by the plain routes, to the byte and to the millisecond', async () => {
    const hook = receiver.hook(503, 200)
    const { id: endpointId } = await gateway.subscribe({ target_url: hook.url })
    const message = await svix.message.create(APP, { eventType: 'order.paid', eventId: 'order-1', payload: { a: [1] } })
    const plain = await gateway.messageWhen(message.id, 'delivered')
    expect(plain).toMatchObject({
      id: message.id,
      event_type: 'order.paid',
      received_at: message.timestamp.toISOString(),
      deliveries: [{ subscription_id: endpointId, status: 'delivered', attempts: 2 }],
      attempts: [{ outcome: 'success' }, { outcome: 'failed_attempt', status_code: 503 }],
    })
    expect(hook.received.map(({ body }) => body.toString())).toEqual(['{"a":[1]}', '{"a":[1]}'])
    expect(await gateway.attempts({ id: endpointId })).toHaveLength(2)
  })

  test('resent at one face is an attempt by hand at the other', async () => {
    const hook = receiver.hook(200)
    const { id: endpointId } = await gateway.subscribe({ target_url: hook.url })
    const { id } = await gateway.ingest({ id: endpointId })
    await gateway.messageWhen(id, 'delivered')
    await svix.messageAttempt.resend(APP, id, endpointId)
    await soon(async () => (await gateway.message(id)).attempts.map(({ trigger }) => trigger)).toEqual([
      'manual',
      'scheduled',
    ])
    await gateway.ask(`/deliveries/${id}/retry`, { method: 'POST' })
    await soon(async () => (await svix.messageAttempt.listByMsg(APP, id)).data.map((one) => one.triggerType)).toEqual([
      1, 1, 0,
    ])
    expect(hook.received).toHaveLength(3)
  })

  test('expunged through the SDK is gone for the plain routes', async () => {
    const { id } = await svix.message.create(APP, { eventType: 'a', payload: { secret: 1 } })
    await svix.message.expungeContent(APP, id)
    expect((await gateway.send(`/deliveries/${id}/retry`, { method: 'POST' })).status).toBe(410)
  })
})

test('a rate limit set at either face holds back both kinds of messages', async () => {
  const hook = receiver.hook()
  const { id } = await svix.endpoint.create(APP, { url: hook.url, throttleRate: 20 })
  await Promise.all([
    ...Array.from({ length: 10 }, () => svix.message.create(APP, { eventType: 'a', payload: {} })),
    ...Array.from({ length: 10 }, () => gateway.send('/ingest?event_type=a', { json: {} })),
  ])
  await soon(() => hook.received.length).toBe(20)
  const [first, last] = [hook.received[0]!.at, hook.received.at(-1)!.at]
  // Twenty at twenty a second are nineteen waits of fifty milliseconds.
  expect(last - first).toBeGreaterThan(900)
  expect((await subscriptionOf(id)).rate_limit).toBe(20)
})
