/** Who a token speaks for, and that it says nothing when it is not a good one. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { systemClock } from '../../src/lib/clock.ts'
import { BackgroundTaskStatus } from 'svix'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import {
  Caller,
  hmac,
  JWT_SECRET,
  jwt,
  newOrg,
  newTenant,
  orgToken,
  type Page,
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

const INVALID = { code: 'authentication_failed', detail: 'Invalid token' }
const answerTo = async (token: string, path = '/app') => {
  const answer = await new Caller(gateway, token).send(path)
  return [answer.status, answer.json()]
}
const seconds = () => Math.floor(clock.now() / 1_000)

describe('a token', () => {
  const sub = newOrg()
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ed25519 = generateKeyPairSync('ed25519').privateKey
  const good = orgToken(sub)
  const [head, claims, signature] = good.split('.') as [string, string, string]
  const other = orgToken(newOrg()).split('.')

  test.each<[string, string]>([
    ['of words', 'not.a.token'],
    ['of one part', 'nobody'],
    ['of two parts', `${head}.${claims}`],
    ['of four parts', `${good}.`],
    ['without a signature', `${head}.${claims}.`],
    ['with another claim than was signed', `${head}.${other[1]}.${signature}`],
    ['with a signature that is cut short', good.slice(0, -2)],
    ['of no algorithm', jwt({ sub }, { alg: 'none' }, () => '')],
    ['of no algorithm, signed all the same', jwt({ sub }, { alg: 'none' })],
    ['of HS256 by another secret', jwt({ sub }, undefined, hmac(`${JWT_SECRET}.`))],
    ['by an empty secret', jwt({ sub }, undefined, hmac(''))],
    ['of HS384', jwt({ sub }, { alg: 'HS384' }, hmac(JWT_SECRET, 'sha384'))],
    ['of HS512', jwt({ sub }, { alg: 'HS512' }, hmac(JWT_SECRET, 'sha512'))],
    [
      'of RS256',
      jwt({ sub }, { alg: 'RS256' }, (text) => sign('sha256', Buffer.from(text), privateKey).toString('base64url')),
    ],
    [
      'of EdDSA',
      jwt({ sub }, { alg: 'EdDSA' }, (text) => sign(null, Buffer.from(text), ed25519).toString('base64url')),
    ],
    ['that demands an extension', jwt({ sub }, { alg: 'HS256', crit: ['exp'], exp: 1 })],
    ['that expired', jwt({ sub, exp: seconds() - 120 })],
    ['that is not valid yet', jwt({ sub, nbf: seconds() + 120 })],
    ['whose expiry is no number', jwt({ sub, exp: 'never' })],
    ['whose claims are a list', jwt([sub] as unknown as Record<string, unknown>)],
    ['of 16 KB', jwt({ sub, padding: 'x'.repeat(12_000) })],
  ])('%s is refused', async (_, token) => {
    expect(await answerTo(token)).toEqual([401, INVALID])
    // What was refused once is not remembered as good.
    expect(await answerTo(token)).toEqual([401, INVALID])
  })

  test('is refused when it is missing or sent in another way', async () => {
    for (const authorization of [undefined, '', 'Bearer', 'Bearer ', good, `Basic ${good}`, `Bearer ${good} ${good}`]) {
      const headers = authorization === undefined ? {} : { authorization }
      for (const path of ['/app', `/app/x/msg/y`]) {
        const answer = await gateway.send(`/api/v1${path}`, { headers })
        expect([authorization, answer.status, answer.json()]).toEqual([authorization, 401, INVALID])
      }
    }
    expect((await gateway.send(`/api/v1/app?token=${good}`)).status).toBe(401)
  })

  test('is not the secret itself, of which the answer does not say whether it is the right one', async () => {
    const client = new Caller(gateway, JWT_SECRET)
    const answer = await client.send('/app')
    // A secret with spaces is none that a header can carry as a token.
    expect([answer.status, answer.json()]).toEqual([401, INVALID])
    await using another = await startSvixGateway({ JWT_SECRET: 'a-secret-without-spaces' })
    const send = async (token: string) => new Caller(another, token).send('/app')
    const [right, wrong] = await Promise.all(['a-secret-without-spaces', 'b-secret-without-spaces'].map(send))
    expect(right!.status).toBe(401)
    expect(right!.json()).toEqual({ code: 'authentication_failed', detail: expect.stringContaining('JWT_SECRET') })
    expect(right!.text).toBe(wrong!.text)
  })

  test.each<[string, Record<string, unknown>]>([
    ['has no subject', {}],
    ['is of a user', { sub: 'user_1' }],
    ['is of an application without its organization', { sub: 'app_1' }],
    ['has a number as its subject', { sub: 7 }],
    ['is of an application in no organization', { sub: 'app_1', org: 'app_2' }],
    ['is of an endpoint in an organization', { sub: 'ep_1', org: sub }],
    ['is of an organization in an organization', { sub, org: sub }],
    ['has an organization that is no text', { sub: 'app_1', org: null }],
  ])('is not understood when it %s', async (_, given) => {
    expect(await answerTo(jwt(given))).toEqual([400, { code: 'bad_token', detail: expect.any(String) }])
  })

  test('is good until it expires, with a minute for clocks that differ', async () => {
    const token = jwt({ sub, exp: seconds() + 10, nbf: seconds() + 30 })
    expect((await answerTo(token))[0]).toBe(200)
    ahead += 60_000
    expect((await answerTo(token))[0]).toBe(200)
    ahead += 20_000
    expect(await answerTo(token)).toEqual([401, INVALID])
    ahead = 0
  })

  test('may have any issuer, audience and further claims', async () => {
    expect((await answerTo(jwt({ sub, iss: 'svix-server', aud: 'me', iat: 1, jti: 'x', more: {} })))[0]).toBe(200)
  })

  test('cannot be logged out', async () => {
    const answer = await new Caller(gateway, good).send('/auth/logout', { method: 'POST' })
    expect([answer.status, answer.json<{ code: string }>().code]).toEqual([501, 'not_implemented'])
  })
})

test('a bad query is told before a bad token, and a bad token before a bad body', async () => {
  const send = (path: string, body?: string) =>
    new Caller(gateway, 'nobody').send(path, body === undefined ? {} : { body })
  expect((await send('/app?limit=many')).status).toBe(400)
  expect((await send('/app?limit=1000')).status).toBe(422)
  expect((await send('/app', '{ "name":')).status).toBe(401)
  expect((await new Caller(gateway, orgToken(newOrg())).send('/app', { body: '{ "name":' })).status).toBe(422)
})

describe('an organization', () => {
  interface Everything {
    caller: Caller
    app: string
    ep: string
    msg: string
    attempt: string
    task: string
    ops: string
  }
  /** One object of each kind, all named alike in every organization. */
  async function populate(): Promise<Everything> {
    const caller = newTenant(gateway)
    const { svix } = caller
    const { id: app } = await svix.application.create({ name: 'Mine', uid: 'mine' })
    await svix.eventType.create({ name: 'of.mine', description: 'mine' })
    const settings = { url: receiver.hook().url, uid: 'ep', eventTypes: ['of.mine'] }
    const { id: ep } = await svix.endpoint.create(app, settings)
    const { id: msg } = await svix.message.create(app, { eventType: 'of.mine', eventId: 'e', payload: {} })
    const attempted = await eventually(async () => (await svix.messageAttempt.listByMsg(app, msg)).data[0])
    const { id: task } = await svix.endpoint.recover(app, ep, { since: new Date() })
    await eventually(async () => (await svix.backgroundTask.get(task)).status !== BackgroundTaskStatus.Running)
    const { id: ops } = await svix.operationalWebhook.endpoint.create({ url: receiver.hook().url, uid: 'ops' })
    return { caller, app, ep, msg, attempt: attempted.id, task, ops }
  }
  let a: Everything
  let b: Everything
  beforeAll(async () => {
    a = await populate()
    b = await populate()
  })

  /** Everything that an organization sees under paths that begin with what belongs to `x`. */
  const pathsOf = ({ app, ep, msg, attempt, task, ops }: Everything) => [
    `/app/${app}`,
    `/app/${app}/endpoint`,
    `/app/${app}/endpoint/${ep}`,
    `/app/${app}/endpoint/${ep}/headers`,
    `/app/${app}/endpoint/${ep}/secret`,
    `/app/${app}/endpoint/${ep}/stats`,
    `/app/${app}/endpoint/${ep}/msg`,
    `/app/${app}/attempt/endpoint/${ep}`,
    `/app/${app}/attempt/msg/${msg}`,
    `/app/${app}/msg`,
    `/app/${app}/msg/${msg}`,
    `/app/${app}/msg/${msg}/endpoint`,
    `/app/${app}/msg/${msg}/attempt`,
    `/app/${app}/msg/${msg}/attempt/${attempt}`,
    `/app/${app}/msg/${msg}/endpoint/${ep}/attempt`,
    `/background-task/${task}`,
    `/operational-webhook/endpoint/${ops}`,
    `/operational-webhook/endpoint/${ops}/secret`,
    `/operational-webhook/endpoint/${ops}/headers`,
  ]

  test('sees its own objects and nothing of another one, of any kind', async () => {
    for (const path of pathsOf(a)) {
      expect([path, (await a.caller.send(path)).status]).toEqual([path, 200])
      expect([path, (await b.caller.send(path)).status]).toEqual([path, 404])
    }
    // Ids of others are unknown below its own application, too.
    for (const path of pathsOf({ ...a, app: b.app }).filter((path) => /^\/app(\/[^/]+){3}/.test(path)))
      expect([path, (await b.caller.send(path)).status]).toEqual([path, 404])
    for (const path of ['/app', '/event-type?with_content=true', '/background-task', '/operational-webhook/endpoint']) {
      const [mine, theirs] = [await a.caller.send(path), await b.caller.send(path)]
      expect([mine, theirs].map((answer) => answer.json<Page<unknown>>().data.length)).toEqual([1, 1])
      expect(mine.text).not.toBe(theirs.text)
    }
    for (const uid of ['/app/mine', '/app/mine/endpoint/ep', '/app/mine/msg/e', '/operational-webhook/endpoint/ops'])
      expect((await a.caller.ask<{ id: string }>(uid)).id).not.toBe((await b.caller.ask<{ id: string }>(uid)).id)
  })

  test('changes nothing of another one', async () => {
    const before = await Promise.all(pathsOf(a).map(async (path) => (await a.caller.send(path)).text))
    const eventType = await a.caller.ask('/event-type/of.mine')
    const writes: [string, string, unknown?][] = [
      ['PATCH', `/app/${a.app}`, { name: 'Stolen' }],
      ['DELETE', `/app/${a.app}`],
      ['PUT', `/app/${a.app}/endpoint/${a.ep}`, { url: 'http://127.0.0.1:9/' }],
      ['PATCH', `/app/${b.app}/endpoint/${a.ep}`, { disabled: true }],
      ['DELETE', `/app/${b.app}/endpoint/${a.ep}`],
      ['POST', `/app/${b.app}/endpoint/${a.ep}/secret/rotate`],
      ['PUT', `/app/${b.app}/endpoint/${a.ep}/headers`, { headers: { a: 'b' } }],
      ['POST', `/app/${a.app}/msg`, { eventType: 'x', payload: {} }],
      ['POST', `/app/${b.app}/msg/${b.msg}/endpoint/${a.ep}/resend`],
      ['POST', `/app/${b.app}/msg/${a.msg}/endpoint/${b.ep}/resend`],
      ['POST', `/app/${b.app}/endpoint/${a.ep}/recover`, { since: new Date() }],
      ['DELETE', `/app/${b.app}/msg/${a.msg}/content`],
      ['DELETE', `/app/${b.app}/msg/${b.msg}/attempt/${a.attempt}/content`],
      ['PATCH', `/operational-webhook/endpoint/${a.ops}`, { disabled: true }],
      ['DELETE', `/operational-webhook/endpoint/${a.ops}`],
      ['POST', `/auth/app-portal-access/${a.app}`],
    ]
    for (const [method, path, json] of writes) {
      const answer = await b.caller.send(path, { method, ...(json !== undefined && { json }) })
      expect([method, path, answer.status]).toEqual([method, path, 404])
    }
    await b.caller.svix.eventType.delete('of.mine', { expunge: true })
    expect(await Promise.all(pathsOf(a).map(async (path) => (await a.caller.send(path)).text))).toEqual(before)
    expect(await a.caller.ask('/event-type/of.mine')).toEqual(eventType)
  })
})
