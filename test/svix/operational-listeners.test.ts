/** Who is told what the gateway tells about itself. */
import { afterAll, describe, expect, test } from 'vitest'
import { MANAGEMENT_ORG, OPERATIONAL_EVENTS } from '../../src/domain/operational.ts'
import { Program, soon, startGateway, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { everythingTold, listen, listenerAt, sceneOf } from './listening.ts'
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
  })

  test('of the management organization itself is told nothing, or there would be no end', async () => {
    await scene()
    const management = new Caller(gateway, orgToken(MANAGEMENT_ORG))
    const listener = await listen(management, receiver)
    await management.svix.application.getOrCreate({ name: 'Another', uid: 'another' })
    const { id } = await management.svix.endpoint.create('another', { url: receiver.hook(410).url })
    await management.svix.message.create('another', { eventType: 'a', payload: {} })
    await soon(async () => (await management.svix.endpoint.get('another', id)).disabled).toBe(true)
    await management.svix.operationalWebhook.endpoint.delete(listener.endpointId)
    expect(await everythingTold(gateway, MANAGEMENT_ORG)).toEqual([])
    expect(listener.told()).toEqual([])
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
