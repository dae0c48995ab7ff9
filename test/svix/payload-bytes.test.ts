/** A receiver gets the payload exactly as it stood in the request: a parser in between would change it, and the signature with it. */
import { createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { soon } from '../acceptance/gateway.ts'
import { type Received, startReceiver } from '../acceptance/receiver.ts'
import { type List, refusal, startSvixGateway } from './svix-gateway.ts'

const receiver = await startReceiver()
const { org, ...gate } = await startSvixGateway()
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const hook = receiver.hook()
const key = Buffer.from('twenty-four bytes of key')
await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
await org.ask('POST /app/acme/endpoint', { url: hook.url, secret: `whsec_${key.toString('base64')}` })

/** Sends a request's body as it is, and resolves with what the receiver got for it. */
async function deliver(
  body: string | Uint8Array<ArrayBuffer>,
): Promise<{ id: string; text: string; request: Received }> {
  const answer = await org.call('POST /app/acme/msg', { body })
  expect([answer.status, answer.text]).toEqual([202, expect.any(String)])
  const { id } = answer.json()
  const find = () => hook.received.find(({ headers }) => headers['svix-id'] === id)
  await soon(find).toBeDefined()
  const request = find()!
  return { id, text: request.body.toString(), request }
}

const ODD =
  '{"n": 1.0, "big": 12345678901234567890, "e": 1e5, "dup":1,"dup":2 , "uni": "\\u00e9\\/\\ud83d", "é": "\u{1f600}", "" : -0 }'

test.each([
  ['alone', `{"eventType":"a","payload":${ODD}}`],
  ['first', `{"payload":${ODD},"eventType":"a"}`],
  ['with space around it', ` {\t"eventType" : "a" ,\r\n "payload" \n:\t ${ODD} \n}\n`],
  ['among other members', `{"channels":["a"],"payload":${ODD},"eventType":"a","tags":["t"],"more":{"payload":[{}]}}`],
  ['as data', `{"eventType":"a","data":${ODD}}`],
  ['as data among others', `{"more":{"data":{}},"data" : ${ODD} ,"eventType":"a","payload_":{"payload":1}}`],
  ['with its name escaped', `{"eventType":"a","p\\u0061yload":${ODD}}`],
  ['as data with its name escaped', `{"eventType":"a","\\u0064\\u0061ta":${ODD}}`],
  ['after a text that looks like it', `{"eventType":"a","note":"\\"payload\\":{},\\\\","payload":${ODD}}`],
  ['after a name that looks like it', `{"eventType":"a","\\"payload":{"x":1},"payload ":{"x":2},"payload":${ODD}}`],
  ['twice, of which the last counts', `{"eventType":"a","payload":{"x":1},"payload":${ODD}}`],
  ['after deep arrays', `{"eventType":"a","more":[[["]",{"payload":[]}]],"}"],"payload":${ODD}}`],
])('a payload that stands %s arrives byte for byte', async (_, body) => {
  const { id, text, request } = await deliver(body)
  expect(text).toBe(ODD)
  expect(request.headers['content-type']).toBe('application/json')
  const signed = `${id}.${String(request.headers['svix-timestamp'])}.${ODD}`
  const signature = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`
  expect(request.headers['svix-signature']).toBe(signature)
})

test('a payload that holds members of its own name arrives byte for byte', async () => {
  const nested = '{ "payload" : {"payload":{ "data":1.50 }},"data":{"data":[ ]}, "eventType":"b" }'
  expect((await deliver(`{"eventType":"a","payload":${nested}}`)).text).toBe(nested)
  expect((await deliver(`{"data":${nested},"eventType":"a"}`)).text).toBe(nested)
})

test('a payload is shown as it was sent, in the answer, alone and in lists', async () => {
  const { id } = await deliver(`{"eventType":"a","payload":${ODD}}`)
  const shown = `"payload":${ODD}`
  expect((await org.call(`GET /app/acme/msg/${id}`)).text).toContain(shown)
  expect((await org.call('GET /app/acme/msg?limit=1')).text).toContain(shown)
  const { data } = await org.ask<List>('GET /app/acme/endpoint')
  expect((await org.call(`GET /app/acme/endpoint/${data[0]!.id}/msg?limit=1`)).text).toContain(shown)
  expect((await org.call('POST /app/acme/msg', { body: `{"eventType":"a","payload":${ODD}}` })).text).toContain(shown)
})

test('a resend is of the same bytes', async () => {
  const { id } = await deliver(`{"eventType":"a","payload":${ODD}}`)
  const { data } = await org.ask<List>('GET /app/acme/endpoint')
  await org.ask(`POST /app/acme/msg/${id}/endpoint/${data[0]!.id}/resend`)
  const ofIt = () => hook.received.filter(({ headers }) => headers['svix-id'] === id)
  await soon(() => ofIt().length).toBe(2)
  expect(ofIt().map(({ body }) => body.toString())).toEqual([ODD, ODD])
})

test.each(['', 'plain text, no JSON', '[1, 2 ]', '{"other" : 1.0}'])(
  'a raw payload is delivered in place of the payload: %j',
  async (rawPayload) => {
    const json = { eventType: 'a', payload: { shown: 1 }, transformationsParams: { rawPayload } }
    const { id, text, request } = await deliver(JSON.stringify(json))
    expect([text, request.headers['content-type']]).toEqual([rawPayload, 'application/json'])
    expect((await org.ask(`GET /app/acme/msg/${id}`))['payload']).toEqual({ shown: 1 })
  },
)

test.each([
  ['missing', '{"eventType":"a"}', ['body.payload']],
  ['null', '{"eventType":"a","payload":null}', ['body.payload']],
  ['an array', '{"eventType":"a","payload":[{}]}', ['body.payload']],
  ['a text', '{"eventType":"a","payload":"{}"}', ['body.payload']],
  ['a number', '{"eventType":"a","data":1}', ['body.data']],
  ['there under both names', '{"eventType":"a","payload":{},"data":{}}', ['body.data']],
  ['in a member', '{"eventType":"a","more":{"payload":{}}}', ['body.payload']],
])('a payload that is %s is refused', async (_, body, places) => {
  expect(refusal(await org.call('POST /app/acme/msg', { body }))).toEqual([422, places])
})

const space = fc.array(fc.constantFrom(' ', '\t', '\n', '\r'), { maxLength: 2 }).map((parts) => parts.join(''))
const name = fc.constantFrom('payload', 'data', 'a', '', '"', '\\', '}', 'é')
const value = fc.oneof(
  fc.constantFrom(
    '1.0',
    '1e5',
    '-0',
    '12345678901234567890',
    '"\\u00e9"',
    '"}\\""',
    '[]',
    '{ }',
    'null',
    '[1 ,{"payload":2}]',
  ),
  fc.json(),
)
const spaced = (open: string, members: fc.Arbitrary<string>, close: string) =>
  fc.array(members, { maxLength: 4 }).map((all) => `${open}${all.join(',')}${close}`)
const member = fc
  .tuple(space, name, space, space, value, space)
  .map(([a, key, b, c, text, d]) => `${a}${JSON.stringify(key)}${b}:${c}${text}${d}`)
const others = fc.array(
  fc
    .tuple(fc.constantFrom('x', 'Payload', 'payloads', 'DATA', '\\"payload'), value)
    .map(([key, text]) => `"${key}":${text}`),
  { maxLength: 3 },
)

test('any payload among any members arrives byte for byte', async () => {
  const messages = fc.tuple(spaced('{', member, '}'), others, others, space, fc.constantFrom('payload', 'data'))
  await fc.assert(
    fc.asyncProperty(messages, async ([payload, before, after, gap, key]) => {
      const members = [...before, `"${key}"${gap}:${gap}${payload}${gap}`, ...after, '"eventType":"a"']
      expect((await deliver(`{${members.join(',')}}`)).text).toBe(payload)
    }),
    { numRuns: 150 },
  )
})
