import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import { describe, expect, test } from 'vitest'
import { type Behaviour, hang, healthy, limitRate, say, serveAndDrop } from '../acceptance/fake-svix.ts'
import { HOUR, MSG_ID, rejected, useSvix } from './svix-rig.ts'

const { svix, open, event, attempt, methods } = await useSvix()

test('every attempt names the same event id, and the same idempotency key, with the same bytes', async () => {
  const request = event({ body: '{"id":"a/b","type":"user.created","n":1.0}', eventId: 'a/b' })
  for (const behaviour of [say(500), serveAndDrop, limitRate('1'), hang, healthy])
    await attempt([behaviour], { ...request, timeoutMs: 200 })
  const posts = svix.posts()
  expect(posts).toHaveLength(5)
  expect(new Set(posts.map((post) => post.headers['idempotency-key']))).toEqual(new Set(['b64.YS9i']))
  expect(new Set(posts.map((post) => post.text)).size).toBe(1)
  expect(svix.messages).toMatchObject([{ eventId: 'b64.YS9i' }])
})

test('a message without an event id of its own is known to Svix by the id of the message', async () => {
  await attempt([healthy], event({ eventId: null }))
  const [message] = svix.messages
  expect(Buffer.from(message?.eventId.slice(4) ?? '', 'base64url').toString()).toBe(MSG_ID)
})

test.each(['.', '..'])(
  'an event id that would be a step of a path, %s, is asked for under its own',
  async (eventId) => {
    const appItself: Behaviour = (exchange) =>
      exchange.request.path.includes('/msg/b64.')
        ? healthy(exchange)
        : exchange.answer({ status: 200, body: '{"id":"app_1"}' })
    const outcome = await attempt([appItself, healthy], event({ eventId, ageMs: 12 * HOUR }))
    expect(outcome).toMatchObject({ kind: 'accepted', statusCode: 202 })
    expect(methods()).toEqual(['GET', 'POST'])
    expect(svix.messages).toHaveLength(1)
  },
)

test('creating a message says how many deliveries lie behind it, for a server that is a Hookferry; asking for one does not', async () => {
  await attempt([healthy, healthy], event({ hops: 2, ageMs: 12 * HOUR }))
  expect(svix.requests.map(({ headers }) => headers['hookferry-hops'])).toEqual([undefined, '3'])
})

describe('the payload', () => {
  test.each([
    '1.0',
    '-0',
    '-0.0',
    '1e5',
    '1E+5',
    '1.5e-300',
    '1e999',
    '12345678901234567890',
    '0.1000000000000000055511151231257827',
  ])('keeps the number %s as it is written', async (number) => {
    await attempt([healthy], event({ body: `{"n":${number},"deep":[{"n":[${number}, ${number}]}]}` }))
    const [message] = svix.messages
    expect(message?.text).toContain(`"payload":{"n":${number},"deep":[{"n":[${number},${number}]}]}`)
  })

  test('keeps texts, whatever is in them', async () => {
    const value = {
      text: '"\\\n\u0000\u2028é😀',
      lone: '\ud800',
      empty: '',
      nothing: null,
      yes: true,
      ['__proto__']: 1,
    }
    await attempt([healthy], event({ body: JSON.stringify(value) }))
    expect(svix.messages[0]?.payload).toEqual(JSON.parse(JSON.stringify(value)))
  })

  test('of the greatest size that Svix takes is sent, and of one byte more is not', async () => {
    const body = (bytes: number) => `{"x":"${'x'.repeat(bytes - 8)}"}`
    expect(await attempt([healthy], event({ body: body(DESTINATION_LIMITS.svixPayloadBytesMax) }))).toMatchObject({
      kind: 'accepted',
    })
    const outcome = await attempt([healthy], event({ body: body(DESTINATION_LIMITS.svixPayloadBytesMax + 1) }))
    expect(outcome).toEqual({
      kind: 'rejected',
      statusCode: null,
      response: null,
      error: 'the event has 1048577 bytes; Svix takes at most 1048576',
    })
    expect(svix.requests).toHaveLength(1)
  })

  test('that is nested too deeply to be written again is refused for good', async () => {
    const outcome = await attempt([healthy], event({ body: `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}` }))
    expect(outcome).toMatchObject(rejected(null, /nested too deeply/))
    expect(svix.requests).toEqual([])
  })
})

describe('the application', () => {
  const into = (pointer: string, body: string) => attempt([healthy], event({ body }), open({ app: { pointer } }))

  test.each([
    ['/project', '{"project":"acme"}', 'acme'],
    [
      '/data/project/id',
      '{"data":{"project":{"id":"app_2p1dTq0vAc3m5n7R9sXyZbCdEfG"}}}',
      'app_2p1dTq0vAc3m5n7R9sXyZbCdEfG',
    ],
    ['/owners/1', '{"owners":["x","acme.eu-1_a"]}', 'acme.eu-1_a'],
    ['/a~1b~0c', '{"a/b~c":"acme"}', 'acme'],
  ])('is the one that %s names in the event', async (pointer, body, app) => {
    expect(await into(pointer, body)).toMatchObject({ kind: 'accepted' })
    expect(svix.messages).toMatchObject([{ app }])
  })

  test.each([
    ['is missing', '{"id":"e"}', /SVIX_APP_ID is \/project, and the event has no text there/],
    ['is a number', '{"project":7}', /no text there/],
    ['is null', '{"project":null}', /no text there/],
    ['is an object', '{"project":{"id":"acme"}}', /no text there/],
    ['is empty', '{"project":""}', /^"" is not a Svix application id or uid/],
    ['has a slash', '{"project":"acme/msg"}', /^"acme\/msg" is not a Svix application id or uid/],
    ['has a space', '{"project":"ac me"}', /is not a Svix application id or uid/],
    ['has a line break at its end', '{"project":"acme\\n"}', /is not a Svix application id or uid/],
    ['would be a step of a path', '{"project":".."}', /^"\.\." is not a Svix application id or uid/],
    ['would be no step of a path', '{"project":"."}', /is not a Svix application id or uid/],
    ['is too long', `{"project":"${'x'.repeat(257)}"}`, /is not a Svix application id or uid/],
  ])('that %s is a reason to refuse the event, without a request', async (_name, body, error) => {
    expect(await into('/project', body)).toMatchObject(rejected(null, error))
    expect(svix.requests).toEqual([])
  })

  test('makes event ids its own: two applications may have the same', async () => {
    const driver = open({ app: { pointer: '/project' } })
    for (const project of ['a', 'b'])
      await attempt([healthy], event({ body: `{"project":"${project}"}`, eventId: 'same' }), driver)
    expect(svix.messages.map((message) => message.app)).toEqual(['a', 'b'])
  })
})
