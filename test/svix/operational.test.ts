/** What the gateway tells about itself. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { DEFAULT_APP, DEFAULT_APP_UID, DEFAULT_ORG } from '../../src/domain/application.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { soon } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { everythingTold, listen, sceneOf } from './listening.ts'
import { Caller, newTenant, orgToken, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway({ RETRY_SCHEDULE: '20ms,20ms,20ms,20ms,20ms' })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const NOWHERE = 'http://127.0.0.1:9/'
const typesTold = async (org: string) => (await everythingTold(gateway, org)).map(({ type }) => type)

const scene = sceneOf(gateway, receiver)

describe('the owner of an endpoint is told', () => {
  test('when it is created, changed and deleted, through whichever call', async () => {
    const { svix, org, listener, app, endpoint, named } = await scene()
    const data = { ...named, endpointUid: 'first' }
    await svix.endpoint.patch(app.id, 'first', { description: 'patched' })
    await svix.endpoint.upsert(app.id, endpoint.id, { url: NOWHERE, uid: 'renamed' })
    const upserted = await svix.endpoint.upsert(app.id, 'unknown', { url: NOWHERE })
    await svix.endpoint.rotateSecret(app.id, endpoint.id, {})
    await svix.endpoint.delete(app.id, endpoint.id)
    const expected = [
      { type: 'endpoint.created', data },
      { type: 'endpoint.updated', data },
      { type: 'endpoint.updated', data: { ...data, endpointUid: 'renamed' } },
      { type: 'endpoint.created', data: { ...data, endpointId: upserted.id, endpointUid: null } },
      { type: 'endpoint.updated', data: { ...data, endpointUid: 'renamed' } },
      { type: 'endpoint.deleted', data: { ...data, endpointUid: 'renamed' } },
    ]
    expect(await everythingTold(gateway, org)).toEqual(expected)
    await soon(() => listener.told().length).toBe(expected.length)
    expect(listener.told()).toEqual(expect.arrayContaining(expected))
  })

  test('not of headers, as in the original, nor of what was refused or found nothing', async () => {
    const { svix, org, app, endpoint } = await scene()
    await svix.endpoint.setHeaders(app.id, endpoint.id, { headers: { 'x-a': 'b' } })
    await svix.endpoint.patchHeaders(app.id, endpoint.id, { headers: { 'x-c': 'd' } })
    const refused = await Promise.allSettled([
      svix.endpoint.create(app.id, { url: NOWHERE, uid: 'first' }),
      svix.endpoint.create(app.id, { url: 'ftp://x/' }),
      svix.endpoint.patch(app.id, 'unknown', { description: 'x' }),
      svix.endpoint.delete(app.id, 'unknown'),
    ])
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected'])
    expect(await typesTold(org)).toEqual(['endpoint.created'])
  })

  test('once of a request that is repeated', async () => {
    const { org, app, endpoint } = await scene()
    const caller = new Caller(gateway, orgToken(org))
    const headers = { 'idempotency-key': 'the same' }
    for (let again = 0; again < 3; again++) {
      await caller.send(`/app/${app.id}/endpoint`, { json: { url: NOWHERE }, headers })
      await caller.send(`/app/${app.id}/endpoint/${endpoint.id}/secret/rotate`, { json: {}, headers })
    }
    expect(await typesTold(org)).toEqual(['endpoint.created', 'endpoint.created', 'endpoint.updated'])
  })

  test('of what comes through the plain routes, as the default organization', async () => {
    const owner = new Caller(gateway, orgToken(DEFAULT_ORG))
    const listener = await listen(owner, receiver)
    const hook = receiver.hook({ status: 410 })
    const { id } = await gateway.subscribe({ target_url: hook.url })
    await gateway.ask(`/subscriptions/${id}`, { method: 'PATCH', json: { description: 'new' } })
    await gateway.ask(`/subscriptions/${id}`, { method: 'PUT', json: { target_url: hook.url } })
    await gateway.ingest({ id })
    await soon(() => listener.only('endpoint.disabled').length).toBe(1)
    await gateway.send(`/subscriptions/${id}`, { method: 'DELETE' })
    await soon(() => listener.told().length).toBe(5)
    const data = { appId: DEFAULT_APP, appUid: DEFAULT_APP_UID, endpointId: id, endpointUid: null }
    expect(await everythingTold(gateway, DEFAULT_ORG)).toEqual([
      { type: 'endpoint.created', data },
      { type: 'endpoint.updated', data },
      { type: 'endpoint.updated', data },
      { type: 'endpoint.disabled', data: { ...data, failSince: expect.any(String) } },
      { type: 'endpoint.deleted', data },
    ])
  })
})

describe('of a message is told', () => {
  test('the fourth failure and the last one, each once and with its attempt', async () => {
    const { org, listener, send, attempts, named } = await scene({ status: 502, body: 'no' })
    const { id } = await send('order-1')
    await soon(() => listener.told().length).toBe(3)
    const made = await attempts(id)
    expect(made).toHaveLength(6)
    const dataOf = (n: number) => ({
      ...named,
      msgId: id,
      msgEventId: 'order-1',
      lastAttempt: { id: made[n]?.id, responseStatusCode: 502, timestamp: made[n]?.timestamp.toISOString() },
    })
    expect(await everythingTold(gateway, org)).toEqual([
      expect.objectContaining({ type: 'endpoint.created' }),
      { type: 'message.attempt.failing', data: dataOf(3) },
      { type: 'message.attempt.exhausted', data: dataOf(5) },
    ])
    expect(listener.only('message.attempt.failing')).toEqual([dataOf(3)])
    expect(listener.only('message.attempt.exhausted')).toEqual([dataOf(5)])
  })

  test('that it recovered, when it got through at the fifth attempt', async () => {
    const { org, svix, app, listener, send, attempts, named } = await scene(500, 500, 500, 500, 204)
    const { id } = await svix.message.create(app.id, { eventType: 'order.paid', payload: {} })
    await soon(() => listener.only('message.attempt.recovered').length).toBe(1)
    const last = (await attempts(id)).at(-1)
    expect(listener.only('message.attempt.recovered')).toEqual([
      {
        ...named,
        msgId: id,
        msgEventId: null,
        lastAttempt: { id: last?.id, responseStatusCode: 204, timestamp: last?.timestamp.toISOString() },
      },
    ])
    // The receiver is well again: nothing more to tell.
    await send('order-2')
    expect(await typesTold(org)).toEqual(['endpoint.created', 'message.attempt.failing', 'message.attempt.recovered'])
  })

  test('nothing when it got through at the fourth attempt', async () => {
    const { org, svix, app, hook, send } = await scene(500, 500, 500, 200)
    const { id } = await send('order-1')
    await soon(async () => (await svix.messageAttempt.listAttemptedDestinations(app.id, id)).data[0]?.statusText).toBe(
      'success',
    )
    expect(hook.received).toHaveLength(4)
    expect(await typesTold(org)).toEqual(['endpoint.created'])
  })

  test('nothing of an attempt by hand', async () => {
    const { org, svix, app, endpoint, hook, send, attempts } = await scene(200, 500)
    const { id } = await send('order-1')
    await soon(async () => (await attempts(id)).length).toBe(1)
    for (let n = 2; n <= 6; n++) {
      await svix.messageAttempt.resend(app.id, id, endpoint.id)
      await soon(async () => (await attempts(id)).length).toBe(n)
    }
    expect(hook.received).toHaveLength(6)
    expect(await typesTold(org)).toEqual(['endpoint.created'])
  })

  test('nothing of an attempt whose lease was lost, for it is not the last word on the delivery', async () => {
    const { org, send, attempts } = await scene(500, 500, 500, (response) => {
      // Another node takes the delivery while this one waits for the answer.
      using database = new DatabaseSync(gateway.databasePath)
      database.exec(
        "PRAGMA busy_timeout = 5000; UPDATE delivery SET lease_owner = 'node_other' WHERE state = 'leased' AND tries = 3",
      )
      response.writeHead(500).end()
    })
    const { id } = await send('order-1')
    await soon(async () => (await attempts(id)).length).toBe(4)
    expect(await typesTold(org)).toEqual(['endpoint.created'])
  })
})

describe('that an endpoint was disabled is told', () => {
  test('when it answered 410 Gone', async () => {
    const { org, listener, svix, app, endpoint, send, attempts, named } = await scene(410)
    const { id } = await send('order-1')
    await soon(() => listener.only('endpoint.disabled').length).toBe(1)
    const [only] = await attempts(id)
    expect(listener.only('endpoint.disabled')).toEqual([
      { ...named, endpointUid: 'first', failSince: only?.timestamp.toISOString() },
    ])
    expect((await svix.endpoint.get(app.id, endpoint.id)).disabled).toBe(true)
    expect(await typesTold(org)).toEqual(['endpoint.created', 'endpoint.disabled'])
  })

  test('when it failed for too long, with the time at which that began', async () => {
    // The past, since the listener believes no message from the future.
    let ahead = -6 * 86_400_000
    const clock = { ...systemClock, now: () => systemClock.now() + ahead }
    await using impatient = await startSvixGateway({ RETRY_SCHEDULE: '' }, undefined, { clock })
    const tenant = newTenant(impatient)
    const listener = await listen(tenant, receiver, { eventTypes: ['endpoint.disabled'] })
    const app = await tenant.svix.application.create({ name: 'Customer' })
    const hook = receiver.hook(500)
    const endpoint = await tenant.svix.endpoint.create(app.id, { url: hook.url })
    const send = () => tenant.svix.message.create(app.id, { eventType: 'a', payload: {} })
    const attemptsAt = (id: string) => tenant.svix.messageAttempt.listByMsg(app.id, id)
    const { id } = await send()
    await soon(async () => (await attemptsAt(id)).data.length).toBe(1)
    ahead = 0
    await send()
    await soon(() => listener.told().length).toBe(1)
    const failSince = (await attemptsAt(id)).data[0]?.timestamp.toISOString()
    expect(listener.told()).toEqual([
      {
        type: 'endpoint.disabled',
        data: { appId: app.id, appUid: null, endpointId: endpoint.id, endpointUid: null, failSince },
      },
    ])
    const all = (await everythingTold(impatient, tenant.org)).map(({ type }) => type)
    expect(all.filter((type) => type !== 'message.attempt.exhausted')).toEqual([
      'endpoint.created',
      'endpoint.disabled',
    ])
  })

  test('not when its owner disables it: that is a change like any other', async () => {
    const { org, svix, app, endpoint } = await scene()
    await svix.endpoint.patch(app.id, endpoint.id, { disabled: true })
    expect(await typesTold(org)).toEqual(['endpoint.created', 'endpoint.updated'])
  })
})
