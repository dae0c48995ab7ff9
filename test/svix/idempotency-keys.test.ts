/** What makes two requests the same, for how long, and that no crash makes the gateway forget it. */
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { type Answer, Program, soon, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import {
  Caller,
  jwt,
  JWT_SECRET,
  newTenant,
  orgToken,
  type Page,
  portalToken,
  startSvixGateway,
} from './sdk-gateway.ts'

/** The gateway's time is that of the machine, and as much later as a test wants. */
let ahead = 0
const clock = { ...systemClock, now: () => systemClock.now() + ahead }
const receiver = await startReceiver()
const gateway = await startSvixGateway({}, undefined, { clock })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const url = 'http://127.0.0.1:9/'
const post = (caller: Caller, path: string, key: string | undefined, json?: unknown) =>
  caller.send(path, {
    method: 'POST',
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
    ...(json !== undefined && { json }),
  })
const idOf = (answer: Answer) => answer.json<{ id: string }>().id

test('another key, path, query or token makes another request', async () => {
  const tenant = newTenant(gateway)
  const first = await post(tenant, '/app', 'key', { name: 'One' })
  const second = await post(tenant, '/app', 'key-2', { name: 'One' })
  const elsewhere = await post(tenant, '/app?get_if_exists=false', 'key', { name: 'One' })
  const otherToken = await post(new Caller(gateway, jwt({ sub: tenant.org, iat: 1 })), '/app', 'key', { name: 'One' })
  const otherOrg = await post(newTenant(gateway), '/app', 'key', { name: 'One' })
  const ids = [first, second, elsewhere, otherToken, otherOrg].map(idOf)
  expect(new Set(ids).size).toBe(5)
  expect(idOf(await post(tenant, '/app', 'key', { name: 'One' }))).toBe(ids[0])

  const paths = ids.slice(0, 2).map((id) => `/app/${id}/endpoint`)
  const endpoints = [await post(tenant, paths[0]!, 'key', { url }), await post(tenant, paths[1]!, 'key', { url })]
  expect(endpoints.map((one) => one.status)).toEqual([201, 201])
  expect(idOf(endpoints[0]!)).not.toBe(idOf(endpoints[1]!))
  const portal = new Caller(gateway, portalToken(tenant.org, ids[0]!))
  expect(idOf(await post(portal, paths[0]!, 'key', { url }))).not.toBe(idOf(endpoints[0]!))
})

test('an answer belongs to the token that got it: a worse one does not get it by knowing the key', async () => {
  const tenant = newTenant(gateway)
  const { id } = await tenant.svix.application.create({ name: 'App' })
  await post(tenant, `/auth/app-portal-access/${id}`, 'key')
  const portal = new Caller(gateway, portalToken(tenant.org, id))
  expect((await post(portal, `/auth/app-portal-access/${id}`, 'key')).status).toBe(403)
  const nobody = new Caller(gateway, 'nobody')
  expect((await post(nobody, `/auth/app-portal-access/${id}`, 'key')).status).toBe(401)
})

test('without a key, or with an empty one, every request is a new one', async () => {
  const tenant = newTenant(gateway)
  for (const key of [undefined, '']) for (let n = 0; n < 2; n++) await post(tenant, '/app', key, { name: 'Same' })
  expect((await tenant.ask<Page<unknown>>('/app')).data).toHaveLength(4)
})

test('a key means nothing where nothing is posted', async () => {
  const tenant = newTenant(gateway)
  const { id } = await tenant.svix.application.create({ name: 'App' })
  const names = []
  for (const name of ['a', 'b']) {
    const sending = { method: 'PATCH', json: { name }, headers: { 'idempotency-key': 'key' } }
    names.push((await tenant.ask<{ name: string }>(`/app/${id}`, sending)).name)
  }
  expect(names).toEqual(['a', 'b'])
})

test('a refusal is not kept: the same request is looked at again', async () => {
  const tenant = newTenant(gateway)
  await tenant.svix.application.create({ name: 'App', uid: 'app' })
  const statuses = async (path: string, json: unknown) => (await post(tenant, path, 'key', json)).status
  const endpoint = { url, eventTypes: ['later'] }
  expect(await statuses('/app/app/endpoint', endpoint)).toBe(422)
  await tenant.svix.eventType.create({ name: 'later', description: '' })
  expect(await statuses('/app/app/endpoint', endpoint)).toBe(201)

  const message = { eventType: 'later', payload: {} }
  expect(await statuses('/app/new/msg', message)).toBe(404)
  await tenant.svix.application.create({ name: 'New', uid: 'new' })
  expect(await statuses('/app/new/msg', message)).toBe(202)

  expect(await statuses('/app', { name: 'Again', uid: 'app' })).toBe(409)
  await tenant.svix.application.delete('app')
  expect(await statuses('/app', { name: 'Again', uid: 'app' })).toBe(201)
})

test('what was repeated is answered as it was, whatever has changed since', async () => {
  const tenant = newTenant(gateway)
  const created = await post(tenant, '/app', 'key', { name: 'Then', uid: 'u' })
  await tenant.svix.application.patch('u', { name: 'Now' })
  const message = await post(tenant, '/app/u/msg', 'key', { eventType: 'a', eventId: 'e', payload: { n: 1 } })
  const repeat = async () => {
    const { status, text } = await post(tenant, '/app/u/msg', 'key', { eventType: 'b', payload: { n: 2 } })
    return [status, text]
  }
  expect(await repeat()).toEqual([202, message.text])
  // What was taken away does not come back.
  await tenant.svix.message.expungeContent('u', 'e')
  expect(await repeat()).toEqual([202, message.text.replace('{"n":1}', '{"expired":true}')])
  await tenant.svix.application.delete('u')
  expect((await repeat())[0]).toBe(202)
  expect((await post(tenant, '/app', 'key', { name: 'Then', uid: 'u' })).text).toBe(created.text)
  expect((await tenant.ask<Page<unknown>>('/app')).data).toEqual([])
})

test('a repeated request for a portal token gets the first one, however much later', async () => {
  const tenant = newTenant(gateway)
  const { id } = await tenant.svix.application.create({ name: 'App' })
  const token = async (key: string) => (await post(tenant, `/auth/app-portal-access/${id}`, key)).text
  const first = await token('key')
  ahead += 5_000
  expect(await token('key')).toBe(first)
  // Tokens tell when they were made.
  expect(await token('key-2')).not.toBe(first)
  ahead = 0
})

test('twelve hours later a key is forgotten', async () => {
  const tenant = newTenant(gateway)
  const create = () => post(tenant, '/app', 'key', { name: 'Twice' })
  const first = idOf(await create())
  ahead += 12 * 3_600_000 - 60_000
  expect(idOf(await create())).toBe(first)
  ahead += 120_000
  const second = idOf(await create())
  expect(second).not.toBe(first)
  expect(idOf(await create())).toBe(second)
  ahead = 0
})

test('kill -9 loses no answer, and what was answered is not done again', async () => {
  using directory = temporaryDirectory()
  const token = orgToken('org_killed')
  const hook = receiver.hook()
  const calls: [path: string, json?: unknown][] = [
    ['/app', { name: 'App', uid: 'app' }],
    ['/event-type', { name: 'type', description: '' }],
    ['/app/app/endpoint', { url: hook.url, uid: 'ep' }],
    ['/app/app/endpoint/ep/secret/rotate'],
    ['/app/app/msg', { eventType: 'type', eventId: 'e', payload: {} }],
    ['/app/app/msg', { eventType: 'type', payload: {} }],
    ['/app/app/endpoint/ep/recover', { since: new Date() }],
    ['/auth/app-portal-access/app'],
    ['/operational-webhook/endpoint', { url }],
  ]
  const live = async (program: Program) => {
    const caller = new Caller(await program.client(), token)
    const answers = []
    for (const [i, [path, json]] of calls.entries()) {
      const { status, text } = await post(caller, path, `key-${i}`, json)
      answers.push([status, text])
    }
    return { caller, answers }
  }
  const lives = []
  for (let kills = 0; kills < 2; kills++) {
    await using program = new Program(directory.path, { JWT_SECRET })
    lives.push((await live(program)).answers)
    program.signal('SIGKILL')
    expect(await program.exited()).toBeNull()
  }
  await using program = new Program(directory.path, { JWT_SECRET })
  const { caller, answers } = await live(program)
  expect(answers.map(([status]) => status)).toEqual([201, 201, 201, 204, 202, 202, 202, 200, 201])
  expect(lives).toEqual([answers, answers])
  for (const [path, n] of [
    ['/app', 1],
    ['/app/app/endpoint', 1],
    ['/app/app/msg', 2],
    ['/background-task', 1],
    ['/operational-webhook/endpoint', 1],
  ] as const)
    expect([path, (await caller.ask<Page<unknown>>(path)).data.length]).toEqual([path, n])
  await soon(() => new Set(hook.received.map(({ headers }) => headers['svix-id'])).size).toBe(2)
  expect(String(hook.received.at(-1)!.headers['svix-signature']).split(' ')).toHaveLength(2)
})
