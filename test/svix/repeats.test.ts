/**
 * SDKs send an idempotency key with every POST and try again by themselves after a 5xx or a lost connection: what a request
 * did must not be done twice, and whoever asks again gets the first answer.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { soon } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { nameOf, operations } from './contract.ts'
import { type Answer, type List, refusal, repeatKey, startSvixGateway } from './svix-gateway.ts'

const receiver = await startReceiver()
let aheadMs = 0
const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
const { gateway, org, ofOrg, ofApp, ...gate } = await startSvixGateway({}, { clock })
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const acme = await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
const hook = receiver.hook()
await org.ask('POST /app/acme/endpoint', { url: hook.url, uid: 'main' })
await org.ask('POST /event-type', {
  name: 'order.paid',
  description: '',
  schemas: { 1: { type: 'object', examples: [{ total: 1 }] } },
})
await org.ask('POST /app/acme/msg', { eventType: 'a', eventId: 'first', payload: {} })

let keys = 0
const freshKey = () => repeatKey(`00000000-0000-4000-8000-${String(++keys).padStart(12, '0')}`)
const essence = ({ status, text, exchange }: Answer) => [status, text, exchange.headers.get('content-type')]
const count = async (path: string) => (await org.ask<List>(`GET ${path}?limit=250`)).data.length

const posts: [what: string, json: object | undefined, status: number][] = [
  ['POST /app', { name: 'Bolt', uid: 'bolt' }, 201],
  ['POST /app/{app_id}/endpoint', { url: 'http://127.0.0.1:9/', uid: 'other', disabled: true }, 201],
  ['POST /event-type', { name: 'order.made', description: '' }, 201],
  ['POST /app/{app_id}/msg', { eventType: 'a', eventId: 'once', payload: { n: 1 } }, 202],
  ['POST /app/{app_id}/endpoint/{endpoint_id}/send-example', { eventType: 'order.paid' }, 200],
  ['POST /app/{app_id}/endpoint/{endpoint_id}/recover', { since: new Date(Date.now() - 60_000).toISOString() }, 202],
  ['POST /app/{app_id}/endpoint/{endpoint_id}/secret/rotate', {}, 204],
  ['POST /app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend', undefined, 202],
  ['POST /auth/app-portal-access/{app_id}', {}, 200],
]
const NAMES: Record<string, string> = { app_id: 'acme', endpoint_id: 'main', msg_id: 'first' }
const pathOf = (what: string) => what.replaceAll(/\{(\w+)\}/g, (_, name: string) => NAMES[name] ?? '')

test('every POST of the contract is repeated here', () => {
  const known = posts.map(([what]) => what).concat('POST /auth/logout')
  expect(
    operations
      .filter(({ method }) => method === 'POST')
      .map(nameOf)
      .sort(),
  ).toEqual(known.sort())
})

test.each(posts)('%s under one key is answered once and for all', async (what, json, status) => {
  const asking = { ...(json === undefined ? {} : { json }), ...freshKey() }
  const first = await org.call(pathOf(what), asking)
  expect(first.status).toBe(status)
  for (let times = 0; times < 3; times++) expect(essence(await org.call(pathOf(what), asking))).toEqual(essence(first))
  // Without the key it is another request.
  const other = await org.call(pathOf(what), { ...asking, headers: {} })
  expect([status, 409]).toContain(other.status)
})

test.each(posts)('%s is done once when it comes fifty times at once', async (what, json, status) => {
  const own = json !== undefined && 'uid' in json ? { ...json, uid: `${json.uid as string}-2` } : json
  const named = own !== undefined && 'name' in own && 'description' in own ? { ...own, name: 'order.sent' } : own
  const event = named !== undefined && 'eventId' in named ? { ...named, eventId: 'once-2' } : named
  const asking = { ...(event === undefined ? {} : { json: event }), ...freshKey() }
  const before = gateway.rows()
  const answers = await Promise.all(Array.from({ length: 50 }, () => org.call(pathOf(what), asking)))
  expect(new Set(answers.map((answer) => JSON.stringify(essence(answer))))).toEqual(
    new Set([JSON.stringify(essence(answers[0]!))]),
  )
  expect(answers[0]!.status).toBe(status)
  const after = gateway.rows()
  expect([after.msg - before.msg, after.endpoint - before.endpoint]).toEqual([
    /msg$|send-example/.test(what) ? 1 : 0,
    what.endsWith('/endpoint') ? 1 : 0,
  ])
})

test('fifty messages at once under one key are one message, delivered once', async () => {
  const own = receiver.hook()
  await org.ask('POST /app', { name: 'Once', uid: 'once' })
  await org.ask('POST /app/once/endpoint', { url: own.url })
  const asking = { json: { eventType: 'a', payload: { n: 1 } }, ...freshKey() }
  const answers = await Promise.all(Array.from({ length: 50 }, () => org.call('POST /app/once/msg', asking)))
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
  expect(await count('/app/once/msg')).toBe(1)
  // Whatever follows is delivered after it.
  await org.ask('POST /app/once/msg', { eventType: 'a', payload: { last: true } })
  await soon(() => own.received.some(({ body }) => body.includes('last'))).toBe(true)
  expect(own.received.filter(({ body }) => body.includes('n'))).toHaveLength(1)
})

describe('under the key of an earlier request', () => {
  const create = 'POST /app/acme/msg'

  test.each([
    ['another body', { eventType: 'b', eventId: 'another', payload: { n: 2 } }],
    ['a body that would be refused', { eventType: 'not a word', payload: [] }],
    ['no body', undefined],
  ])('%s gets the first answer, and does nothing', async (_, other) => {
    const key = freshKey()
    const first = await org.call(create, { json: { eventType: 'a', payload: { n: 1 } }, ...key })
    const before = gateway.rows()
    const again = await org.call(create, { ...(other === undefined ? {} : { json: other }), ...key })
    expect(essence(again)).toEqual(essence(first))
    expect(gateway.rows()).toEqual(before)
  })

  test('a message with the id of an event that is known by now gets the first answer, and no 409', async () => {
    const asking = { json: { eventType: 'a', eventId: 'committed', payload: {} }, ...freshKey() }
    const first = await org.call(create, asking)
    expect(essence(await org.call(create, asking))).toEqual(essence(first))
    const other = { ...asking, ...freshKey() }
    expect(refusal(await org.call(create, other))).toEqual([409, 'conflict'])
  })

  test('a request gets the first answer even if it would be refused now', async () => {
    await org.ask('POST /app', { name: 'Gone', uid: 'gone' })
    const asking = { json: { eventType: 'a', payload: {} }, ...freshKey() }
    const first = await org.call('POST /app/gone/msg', asking)
    await org.ask('DELETE /app/gone')
    expect(essence(await org.call('POST /app/gone/msg', asking))).toEqual(essence(first))
    expect(refusal(await org.call('POST /app/gone/msg', { ...asking, headers: {} }))).toEqual([404, 'not_found'])
  })

  test('another query, another path, and another token are other requests', async () => {
    const key = freshKey()
    const json = { eventType: 'a', payload: { n: 1 } }
    const first = await org.call(create, { json, ...key })
    const others = [
      await org.call(`${create}?with_content=false`, { json, ...key }),
      await org.call(`POST /app/${acme.id}/msg`, { json, ...key }),
      await (await ofOrg('org_acme')).call(create, { json, ...freshKey() }),
    ]
    const ids = [first, ...others].map((answer) => answer.json().id)
    expect(new Set(ids).size).toBe(4)

    const mine = await ofApp(acme)
    const theirs = await ofApp(acme, { feature_flags: ['x'] })
    const resend = '/app/acme/msg/first/endpoint/main/resend'
    await mine.call(`POST ${resend}`, key)
    const received = hook.received.length
    await theirs.call(`POST ${resend}`, key)
    await soon(() => hook.received.length).toBeGreaterThan(received)
  })

  test('another organization has its own answers', async () => {
    const key = freshKey()
    const other = await ofOrg('org_other')
    const json = { name: 'Shared', uid: 'shared' }
    const [ours, theirs] = [
      await org.call('POST /app', { json, ...key }),
      await other.call('POST /app', { json, ...key }),
    ]
    expect([ours.status, theirs.status]).toEqual([201, 201])
    expect(ours.json().id).not.toBe(theirs.json().id)
  })
})

test('a refusal is not kept: the same request may succeed later', async () => {
  const asking = { json: { eventType: 'a', payload: {} }, ...freshKey() }
  expect(refusal(await org.call('POST /app/late/msg', asking))).toEqual([404, 'not_found'])
  const broken = { ...asking, json: { eventType: 'a' } }
  expect(refusal(await org.call('POST /app/late/msg', broken))).toEqual([422, ['body.payload']])
  await org.ask('POST /app', { name: 'Late', uid: 'late' })
  expect((await org.call('POST /app/late/msg', asking)).status).toBe(202)

  const taken = { json: { name: 'Late', uid: 'late' }, ...freshKey() }
  expect(refusal(await org.call('POST /app', taken))).toEqual([409, 'conflict'])
  await org.ask('DELETE /app/late')
  expect((await org.call('POST /app', taken)).status).toBe(201)
})

test('keys mean nothing to other methods', async () => {
  const key = freshKey()
  const put = (name: string) => org.call('PUT /app/acme', { json: { name, uid: 'acme' }, ...key })
  expect([(await put('One')).json().name, (await put('Two')).json().name]).toEqual(['One', 'Two'])
})

test('an answer is kept for twelve hours', async () => {
  const asking = { json: { eventType: 'a', payload: {} }, ...freshKey() }
  const first = await org.call('POST /app/acme/msg', asking)
  aheadMs = 12 * 3_600_000 - 60_000
  expect(essence(await org.call('POST /app/acme/msg', asking))).toEqual(essence(first))
  aheadMs = 12 * 3_600_000 + 1
  const later = await org.call('POST /app/acme/msg', asking)
  expect([later.status, later.json().id === first.json().id]).toEqual([202, false])
})
