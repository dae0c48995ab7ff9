/** What strangers with a token may send: no request or answer costs many times what it is. */
import { afterAll, expect, test } from 'vitest'
import { startGateway } from '../acceptance/gateway.ts'
import { refusal, startSvixGateway } from './svix-gateway.ts'

const { org, ofApp, gateway, ...gate } = await startSvixGateway()
afterAll(() => gate[Symbol.asyncDispose]())

const { id } = await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
const portal = await ofApp({ id })
const url = 'http://127.0.0.1:9/'
const long = (chars: number) => 'x'.repeat(chars)

test.each([
  ['a list of channels', { channels: Array.from({ length: 300_000 }, () => '') }, 'body.channels'],
  ['a list of event types', { eventTypes: Array.from({ length: 400_000 }, () => 7) }, 'body.eventTypes'],
  ['a description', { description: long(900_000) }, 'body.description'],
  ['a uid', { uid: long(900_000) }, 'body.uid'],
  [
    'metadata',
    { metadata: Object.fromEntries(Array.from({ length: 60_000 }, (_, n) => [`k${n}`, 7])) },
    'body.metadata',
  ],
  ['the name of a header', { headers: { [long(900_000)]: 'x' } }, 'body.headers'],
  ['a secret', { secret: long(900_000) }, 'body.secret'],
  ['a URL', { url: `${url}${long(8_200)}` }, 'body.url'],
  ['a URL once it is encoded', { url: `${url}${'☃'.repeat(8_000)}` }, 'body.url'],
])('%s that is too large is one short problem', async (_, more, place) => {
  const answer = await portal.call('POST /app/acme/endpoint', { json: { url, ...more } })
  expect(refusal(answer)).toEqual([422, [place]])
  expect(answer.text.length).toBeLessThan(1_000)
})

test('of very many problems the first hundred are told, and how many more there are', async () => {
  const eventTypes = Array.from({ length: 1_000 }, () => 7)
  const answer = await portal.call('POST /app/acme/endpoint', { json: { url, eventTypes } })
  const [status, places] = refusal(answer) as [number, string[]]
  expect([status, places.length, places.at(-1)]).toEqual([422, 101, 'body'])
  expect(answer.json<{ detail: { msg: string }[] }>().detail.at(-1)!.msg).toBe('and 900 more problems')
  const target_url = url
  const plain = await gateway.send('/subscriptions', { json: { target_url, event_types: Array(256).fill(7) } })
  expect(plain.json<{ detail: { msg: string }[] }>().detail.at(-1)).toMatchObject({ msg: 'and 156 more problems' })
})

test.each([
  ['an application', 'POST /app', { name: long(257) }, 'body.name'],
  ['an event type', 'POST /event-type', { name: 'a', description: long(4_097) }, 'body.description'],
  [
    'flags',
    'POST /event-type',
    { name: 'a', description: '', featureFlags: Array(101).fill('a') },
    'body.featureFlags',
  ],
  [
    'schemas',
    'PUT /event-type/a',
    { description: '', schemas: { 1: { enum: Array(40_000).fill(1) } } },
    'body.schemas',
  ],
  ['a token', 'POST /auth/app-portal-access/acme', { featureFlags: Array(40).fill(long(256)) }, 'body.featureFlags'],
])('%s has bounds', async (_, what, json, place) => {
  expect(refusal(await org.call(what, { json }))).toEqual([422, [place]])
})

test('no member of a map is lost silently', async () => {
  const body = `{"url":"${url}","metadata":{"__proto__":"x"}}`
  expect(refusal(await portal.call('POST /app/acme/endpoint', { body }))).toEqual([422, ['body.metadata']])
})

test.each(['.', '..'])('nothing gets the name %s, which clients would take as a step of the path', async (name) => {
  const message = { eventType: 'a', payload: {} }
  const refused = [
    await portal.call('POST /app/acme/endpoint', { json: { url, uid: name } }),
    await portal.call('POST /app/acme/endpoint', { json: { url, channels: [name] } }),
    await org.call('POST /app', { json: { name: 'x', uid: name } }),
    await org.call('POST /event-type', { json: { name, description: '' } }),
    await org.call('POST /event-type', { json: { name: 'a', description: '', groupName: name } }),
    await org.call('POST /event-type', { json: { name: 'a', description: '', featureFlag: name } }),
    await org.call('POST /app/acme/msg', { json: { ...message, eventId: name } }),
    await org.call('POST /app/acme/msg', { json: { ...message, eventType: name } }),
    await org.call('POST /app/acme/msg', { json: { ...message, tags: [name] } }),
  ]
  expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 422))
  expect((await gateway.send('/ingest', { json: {}, headers: { 'x-event-type': name } })).status).toBe(422)
})

test('a gateway whose MAX_BODY is large keeps to the same bounds', async () => {
  await using large = await startGateway({ MAX_BODY: '32mb' })
  const answer = await large.send('/subscriptions', { json: { target_url: url, description: long(20_000_000) } })
  expect([answer.status, answer.text.length < 1_000]).toEqual([422, true])
})
