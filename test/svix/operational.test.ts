/** What the gateway tells about itself, and to whom. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { DEFAULT_APP, DEFAULT_APP_UID, DEFAULT_ORG } from '../../src/domain/application.ts'
import { MANAGEMENT_ORG, OPERATIONAL_EVENTS } from '../../src/domain/operational.ts'
import { Program, soon, startGateway, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { everythingTold, listen, listenerAt } from './listening.ts'
import { Caller, newTenant, orgToken, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway({ RETRY_SCHEDULE: '20ms,20ms,20ms,20ms,20ms' })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const NOWHERE = 'http://127.0.0.1:9/'
const typesTold = async (org: string) => (await everythingTold(gateway, org)).map(({ type }) => type)

/** An application of a tenant that listens, with one endpoint which answers as told. */
async function scene(...replies: Parameters<typeof receiver.hook>) {
  const tenant = newTenant(gateway)
  const listener = await listen(tenant, receiver)
  const app = await tenant.svix.application.create({ name: 'Customer', uid: 'customer' })
  const hook = receiver.hook(...replies)
  const endpoint = await tenant.svix.endpoint.create(app.id, { url: hook.url, uid: 'first' })
  const send = (eventId: string) =>
    tenant.svix.message.create(app.id, { eventType: 'order.paid', eventId, payload: { n: 1 } })
  const attempts = async (msgId: string) =>
    (await tenant.svix.messageAttempt.listByMsg(app.id, msgId)).data.toReversed()
  const named = { appId: app.id, appUid: 'customer', endpointId: endpoint.id }
  return { ...tenant, listener, app, endpoint, hook, send, attempts, named }
}

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
    const { org, listener, send, attempts, named } = await scene({ status: 503, body: 'no' })
    const { id } = await send('order-1')
    await soon(() => listener.told().length).toBe(3)
    const made = await attempts(id)
    expect(made).toHaveLength(6)
    const dataOf = (n: number) => ({
      ...named,
      msgId: id,
      msgEventId: 'order-1',
      lastAttempt: { id: made[n]?.id, responseStatusCode: 503, timestamp: made[n]?.timestamp.toISOString() },
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
    await using impatient = await startSvixGateway({
      RETRY_SCHEDULE: Array.from({ length: 50 }, () => '20ms').join(','),
      ENDPOINT_DISABLE_AFTER: '100ms',
    })
    const tenant = newTenant(impatient)
    const listener = await listen(tenant, receiver, { eventTypes: ['endpoint.disabled'] })
    const app = await tenant.svix.application.create({ name: 'Customer' })
    const hook = receiver.hook(500)
    const endpoint = await tenant.svix.endpoint.create(app.id, { url: hook.url })
    const { id } = await tenant.svix.message.create(app.id, { eventType: 'a', payload: {} })
    await soon(() => listener.told().length).toBe(1)
    const made = (await tenant.svix.messageAttempt.listByMsg(app.id, id)).data
    const failSince = made.at(-1)?.timestamp.toISOString()
    expect(listener.told()).toEqual([
      {
        type: 'endpoint.disabled',
        data: { appId: app.id, appUid: null, endpointId: endpoint.id, endpointUid: null, failSince },
      },
    ])
    const all = (await everythingTold(impatient, tenant.org)).map(({ type }) => type)
    expect(all).toEqual(['endpoint.created', 'message.attempt.failing', 'endpoint.disabled'])
  })

  test('not when its owner disables it: that is a change like any other', async () => {
    const { org, svix, app, endpoint } = await scene()
    await svix.endpoint.patch(app.id, endpoint.id, { disabled: true })
    expect(await typesTold(org)).toEqual(['endpoint.created', 'endpoint.updated'])
  })
})

describe('a listener', () => {
  test('gets the types that it named, and each listener its own signature', async () => {
    const { svix, app, listener, ...tenant } = await scene()
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
    const picky = await listen({ svix }, receiver, { eventTypes: ['endpoint.deleted'], secret })
    const { id } = await svix.endpoint.create(app.id, { url: NOWHERE })
    await svix.endpoint.delete(app.id, id)
    await soon(() => picky.told().length).toBe(1)
    await soon(() => listener.told().length).toBe(3)
    expect(picky.told().map(({ type }) => type)).toEqual(['endpoint.deleted'])
    expect(await typesTold(tenant.org)).toEqual(['endpoint.created', 'endpoint.created', 'endpoint.deleted'])
  })

  test('that fails is tried again, and nobody is told of that', async () => {
    const { svix, org, app, listener } = await scene()
    await soon(() => listener.told().length).toBe(1)
    listener.hook.replies.push(500, 500, 500, 500, 500, 500, 410)
    listener.hook.replies.shift()
    await svix.endpoint.create(app.id, { url: NOWHERE })
    await soon(() => listener.told().length).toBe(7)
    await svix.endpoint.create(app.id, { url: NOWHERE })
    const isDisabled = async () => (await svix.operationalWebhook.endpoint.get(listener.endpointId)).disabled
    await soon(isDisabled).toBe(true)
    const types = ['endpoint.created', 'endpoint.created', 'endpoint.created']
    expect(await typesTold(org)).toEqual(types)
    const { svix: management } = new Caller(gateway, orgToken(MANAGEMENT_ORG))
    await expect(management.message.list(MANAGEMENT_ORG)).rejects.toMatchObject({ code: 404 })
  })

  test('that does not exist costs nothing: no message and no application is made', async () => {
    const { svix, org } = newTenant(gateway)
    const app = await svix.application.create({ name: 'Customer' })
    const before = gateway.rows()
    const { id } = await svix.endpoint.create(app.id, { url: receiver.hook(410).url })
    await svix.message.create(app.id, { eventType: 'a', payload: {} })
    await soon(async () => (await svix.endpoint.get(app.id, id)).disabled).toBe(true)
    expect(gateway.rows().msg - before.msg).toBe(1)
    const { svix: management } = new Caller(gateway, orgToken(MANAGEMENT_ORG))
    await expect(management.application.get(org)).rejects.toMatchObject({ code: 404 })
  })

  test('that comes later hears what happens from then on', async () => {
    const { svix, org } = newTenant(gateway)
    const app = await svix.application.create({ name: 'Customer' })
    await svix.endpoint.create(app.id, { url: NOWHERE })
    const listener = await listen({ svix }, receiver)
    await svix.endpoint.create(app.id, { url: NOWHERE })
    await soon(() => listener.told().length).toBe(1)
    expect(await typesTold(org)).toEqual(['endpoint.created'])
  })

  test('hears nothing of other organizations', async () => {
    const [ours, theirs] = [await scene(), await scene()]
    await theirs.svix.endpoint.delete(theirs.app.id, theirs.endpoint.id)
    await soon(() => theirs.listener.told().length).toBe(2)
    await soon(() => ours.listener.told().length).toBe(1)
    expect(await typesTold(ours.org)).toEqual(['endpoint.created'])
  })
})

test('a token of the management organization, from the command line, listens with ordinary endpoints', async () => {
  using directory = temporaryDirectory()
  await using own = await startGateway({}, directory.path)
  const tokenOf = async (org: string) => {
    await using program = new Program(directory.path, {}, ['token', org])
    expect([await program.exited(), program.stderr]).toEqual([0, ''])
    return program.stdout.join('')
  }
  const { svix: management } = new Caller(own, await tokenOf(MANAGEMENT_ORG))
  const { svix } = new Caller(own, await tokenOf('org_acme'))
  await management.application.create({ name: 'Acme', uid: 'org_acme' })
  const hook = receiver.hook()
  const endpoint = await management.endpoint.create('org_acme', {
    url: hook.url,
    eventTypes: Object.keys(OPERATIONAL_EVENTS),
  })
  const listener = listenerAt(endpoint.id, hook, (await management.endpoint.getSecret('org_acme', endpoint.id)).key)

  const app = await svix.application.create({ name: 'Customer', uid: 'c' })
  const { id } = await svix.endpoint.create(app.id, { url: NOWHERE })
  await soon(() => listener.told()).toEqual([
    { type: 'endpoint.created', data: { appId: app.id, appUid: 'c', endpointId: id, endpointUid: null } },
  ])
  // The organization itself sees the same endpoint under its own path.
  expect((await svix.operationalWebhook.endpoint.list()).data.map((one) => one.id)).toEqual([endpoint.id])
})
