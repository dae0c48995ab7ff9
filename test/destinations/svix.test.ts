import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/domain/delivery.ts'
import {
  type Behaviour,
  conflictWithoutReason,
  drop,
  flood,
  hang,
  healthy,
  html,
  invalidMessage,
  limitRate,
  refusal,
  say,
  serveAndDrop,
  serveAndHang,
  serveAndSay,
  serveAndStall,
  SVIX_TOKEN,
} from '../acceptance/fake-svix.ts'
import { eventually } from '../acceptance/gateway.ts'
import { deferred, refused, rejected, SECOND, unreachable, useSvix, words } from './svix-rig.ts'

const { svix, clock, open, event, attempt, methods } = await useSvix()

test('an event becomes a message in Svix, with one request', async () => {
  const request = event({ body: '{"id":"evt","type":"user.created","user":{"name":"Zoë"}}' })
  const outcome = await attempt([healthy], request)
  expect(outcome).toMatchObject({ kind: 'accepted', statusCode: 202, response: words(/"id":"msg_1"/) })
  expect(svix.messages).toMatchObject([
    {
      app: 'app1',
      eventId: request.message.eventId,
      eventType: 'user.created',
      payload: { id: 'evt', type: 'user.created', user: { name: 'Zoë' } },
    },
  ])
  expect(svix.requests).toMatchObject([
    {
      method: 'POST',
      path: '/api/v1/app/app1/msg',
      headers: {
        authorization: `Bearer ${SVIX_TOKEN}`,
        'content-type': 'application/json',
        'idempotency-key': request.message.eventId,
        'user-agent': words(/^svix-libs/),
      },
    },
  ])
})

describe('what Svix answers decides about the attempt', () => {
  const redirect = (status: number) => say({ status, headers: { location: `${svix.url}/elsewhere` } })
  const inSeconds = (seconds: number) => new Date(clock.now() + seconds * SECOND).toUTCString()

  // Whether Svix has the message then, and whether the next attempt, which succeeds, brings it there.
  const OPEN: [name: string, Behaviour, Partial<Outcome>, isThere: boolean][] = [
    ['500', say(500), refused(500, /^Svix answered 500$/), false],
    ['500 after taking it', serveAndSay(refusal(500, 'server_error')), refused(500, /500/), true],
    ['502 with a page of a proxy', say(html(502)), refused(502, /502/), false],
    [
      '503 with seconds to wait',
      say({ status: 503, headers: { 'retry-after': '7' } }),
      refused(503, /503/, 7_000),
      false,
    ],
    [
      '503 with a date',
      say({ status: 503, headers: { 'retry-after': inSeconds(9) } }),
      refused(503, /503/, 9_000),
      false,
    ],
    ['408', say(408), refused(408, /408/), false],
    ['425', say(refusal(425, 'too_early')), refused(425, /425/), false],
    ['410, which does not disable it', say(refusal(410, 'gone')), refused(410, /410/), false],
    ['418 without a body', say(418), refused(418, /418/), false],
    ['404 with a reason', say(refusal(404, 'not_found')), refused(404, /SVIX_APP_ID/), false],
    ['404 of something else', say(html(404)), refused(404, /SVIX_APP_ID/), false],
    ['404 without a body', say(404), refused(404, /SVIX_APP_ID/), false],
    ['200 without an id', say({ status: 200, body: '{}' }), refused(200, /without a message id/), false],
    [
      '200 with an id that is no text',
      say({ status: 200, body: '{"id":1}' }),
      refused(200, /without a message id/),
      false,
    ],
    ['200 with an empty id', say({ status: 200, body: '{"id":""}' }), refused(200, /without a message id/), false],
    ['200 with null', say({ status: 200, body: 'null' }), refused(200, /without a message id/), false],
    ['200 with a page', say(html(200)), refused(200, /without a message id/), false],
    ['200 with a page after taking it', serveAndSay(html(200)), refused(200, /without a message id/), true],
    ['200 without a body', say(200), refused(200, /without a message id/), false],
    ['204', say(204), refused(204, /without a message id/), false],
    ['205', say(205), refused(205, /without a message id/), false],
    ['301', redirect(301), refused(301, /301/), false],
    ['302', redirect(302), refused(302, /302/), false],
    ['303', redirect(303), refused(303, /303/), false],
    ['304', say(304), refused(304, /304/), false],
    ['307', redirect(307), refused(307, /307/), false],
    ['308', redirect(308), refused(308, /308/), false],
    ['a closed connection', drop, unreachable(/^connection closed by 127\.0\.0\.1:\d+ before it answered$/), false],
    ['a reset after taking it', serveAndDrop, unreachable(/^connection (reset|closed) by 127\.0\.0\.1:\d+ /), true],
    ['429 with seconds to wait', limitRate('30'), deferred('rate_limited', 30_000), false],
    ['429 with a date', limitRate(inSeconds(40)), deferred('rate_limited', 40_000), false],
    ['429 without more', limitRate(), deferred('rate_limited', SECOND), false],
    ['429 with a wait of nothing', limitRate('0'), deferred('rate_limited', SECOND), false],
    ['429 with a date that is over', limitRate(inSeconds(-60)), deferred('rate_limited', SECOND), false],
    ['429 with a wait that is no number', limitRate('soon'), deferred('rate_limited', SECOND), false],
    ['429 without a body', say(429), deferred('rate_limited', SECOND), false],
    ['401', say(refusal(401, 'authentication_failed')), deferred('credentials', SECOND), false],
    ['401 with a page', say(html(401)), deferred('credentials', SECOND), false],
    ['403', say(refusal(403, 'forbidden')), deferred('credentials', SECOND), false],
    [
      '403 with seconds to wait',
      say({ status: 403, headers: { 'retry-after': '5' } }),
      deferred('credentials', 5_000),
      false,
    ],
  ]

  test.each(OPEN)(
    '%s: one request, and the next attempt makes it one message',
    async (_name, behaviour, expected, isThere) => {
      const request = event()
      expect(await attempt([behaviour], request)).toMatchObject(expected)
      expect(methods()).toEqual(['POST'])
      expect(svix.messages).toHaveLength(isThere ? 1 : 0)

      expect(await attempt([healthy], request)).toMatchObject({ kind: 'accepted' })
      expect(svix.messages).toHaveLength(1)
    },
  )

  test.each([
    [
      '400',
      say(refusal(400, 'bad_request')),
      rejected(400, /^Svix refuses the message: answered 400: .*"bad_request"/),
    ],
    ['400 without a body', say(400), rejected(400, /^Svix refuses the message: answered 400$/)],
    ['413 with a page', say(html(413)), rejected(413, /^Svix refuses the message: answered 413: <html>/)],
    ['422', say(invalidMessage()), rejected(422, /: answered 422: .*"msg":"no such event type"/)],
  ])('%s: the message is refused for good, with the reason', async (_name, behaviour, expected) => {
    expect(await attempt([behaviour])).toMatchObject(expected)
    expect(methods()).toEqual(['POST'])
  })

  test('the reason is cut to 500 characters, the kept answer to 4 KB, and neither has a NUL', async () => {
    const outcome = await attempt([say({ status: 422, body: '\0x'.repeat(3_000) })])
    if (outcome.kind !== 'rejected') throw new Error(outcome.kind)
    expect(outcome.error).toHaveLength('Svix refuses the message: answered 422: '.length + 500)
    expect(outcome.response).toBe('\u{fffd}x'.repeat(2_048))
  })

  test('no outcome tells the token', async () => {
    const echo: Behaviour = ({ request, answer }) =>
      answer({ status: 500, body: JSON.stringify({ got: Object.keys(request.headers) }) })
    const outcomes = [
      await attempt([echo]),
      await attempt([drop]),
      await attempt([say(401)]),
      await attempt([say(422)]),
    ]
    expect(JSON.stringify(outcomes)).not.toContain(SVIX_TOKEN)
  })
})

describe('a kept connection that Svix has just closed', () => {
  /** undici lets a connection rest for a turn of the event loop. */
  const turn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))

  test.each([
    ['did not look at it', drop],
    ['took the event', serveAndDrop],
  ])('costs no attempt, and there is one message, when it %s', async (_, behaviour) => {
    const driver = open()
    await attempt([healthy], event(), driver)
    await turn()
    const request = event()
    expect(await attempt([behaviour, healthy], request, driver)).toMatchObject({ kind: 'accepted', statusCode: 202 })
    expect(methods()).toEqual(['POST', 'POST', 'POST'])
    expect(svix.messages.filter(({ eventId }) => eventId === request.message.eventId)).toHaveLength(1)
  })

  test('is no reason to ask a third time', async () => {
    const driver = open()
    await attempt([healthy], event(), driver)
    await turn()
    expect(await attempt([drop, drop, healthy], event(), driver)).toMatchObject(unreachable(/^connection closed/))
    expect(methods()).toEqual(['POST', 'POST', 'POST'])
  })
})

test('a 100 Continue that nobody asked for is skipped', async () => {
  const continued: Behaviour = ({ response, serve, answer }) => {
    response.writeContinue()
    answer(serve())
  }
  expect(await attempt([continued])).toMatchObject({ kind: 'accepted', statusCode: 202 })
})

describe('a 409', () => {
  test('is a success when Svix has the message', async () => {
    const request = event()
    await attempt([healthy], request)
    const again = await attempt([say(refusal(409, 'conflict'))], request)
    expect(again).toMatchObject({ kind: 'accepted', statusCode: 200, response: words(/"id":"msg_1"/) })
    expect(methods()).toEqual(['POST', 'POST', 'GET'])
    expect(svix.requests.at(-1)?.path).toBe(`/api/v1/app/app1/msg/${request.message.eventId}`)
    expect(svix.messages).toHaveLength(1)
  })

  test.each<[string, Behaviour, Partial<Outcome>]>([
    ['does not know it', healthy, refused(409, /^Svix answered 409 but does not have the message$/)],
    ['has a page for 404', say(html(404)), refused(409)],
    ['answers 500', say(500), refused(500, /500/)],
    ['answers 200 with a page', say(html(200)), refused(200, /without a message id/)],
    ['redirects', say({ status: 302, headers: { location: '/' } }), refused(302)],
    ['limits the rate', limitRate('20'), deferred('rate_limited', 20 * SECOND)],
    ['refuses the token', say(401), deferred('credentials', SECOND)],
    ['closes the connection', drop, unreachable(/^connection closed/)],
    ['answers 400, which is about the question', say(400), refused(400, /asked for the message/)],
    ['answers 422, which is about the question', say(422), refused(422, /asked for the message/)],
    ['answers 409 once more', say(409), refused(409, /asked for the message/)],
  ])('is open when Svix, asked for the message, %s', async (_name, answer, expected) => {
    expect(await attempt([conflictWithoutReason, answer])).toMatchObject(expected)
    expect(methods()).toEqual(['POST', 'GET'])
  })

  test('and its confirmation share the time of one attempt', async () => {
    const late: Behaviour = ({ answer }) => void setTimeout(() => answer(refusal(409, 'conflict')), 200)
    const started = performance.now()
    const outcome = await attempt([late, hang], event({ timeoutMs: 400 }), open())
    expect(outcome).toEqual({ kind: 'unreachable', error: 'timed out after 400ms' })
    expect(performance.now() - started).toBeGreaterThan(390)
    expect(performance.now() - started).toBeLessThan(10_000)
  })
})

describe('an attempt ends by its time-out', () => {
  test.each<[string, Behaviour, messages: number]>([
    ['when nothing is answered', hang, 0],
    ['when nothing is answered although the message was taken', serveAndHang, 1],
    ['in the middle of an answer', serveAndStall, 1],
  ])('%s', async (_name, behaviour, messages) => {
    const request = event({ timeoutMs: 150 })
    const started = performance.now()
    expect(await attempt([behaviour], request)).toEqual({ kind: 'unreachable', error: 'timed out after 150ms' })
    expect(performance.now() - started).toBeGreaterThan(140)
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(methods()).toEqual(['POST'])
    expect(svix.messages).toHaveLength(messages)
    expect(await attempt([healthy], { ...request, timeoutMs: 5 * SECOND })).toMatchObject({ kind: 'accepted' })
    expect(svix.messages).toHaveLength(1)
  })

  test('and the connection is given up', async () => {
    let isClosed = false
    await attempt([({ response }) => void response.once('close', () => (isClosed = true))], event({ timeoutMs: 100 }))
    expect(await eventually(() => isClosed)).toBe(true)
  })
})

test('an answer without an end is read to a bound, and the connection closed', async () => {
  let [sent, isClosed] = [0, false]
  const endless: Behaviour = (exchange) => {
    exchange.response.once('close', () => (isClosed = true))
    flood(202, (bytes) => (sent += bytes))(exchange)
  }
  const outcome = await attempt([endless])
  expect(outcome).toEqual({ kind: 'unreachable', error: 'Svix answered with more than 1048576 bytes' })
  expect(await eventually(() => isClosed)).toBe(true)
  // What fits into the buffers of two sockets is on its way beyond that.
  expect(sent).toBeLessThan(16 * 1_048_576)
})

test('a server that is not there is told apart in words', async () => {
  const closed = createServer()
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => closed.close(resolve))
  const driver = open({ serverUrl: `http://127.0.0.1:${port}` })
  expect(await driver.deliver(event())).toEqual({
    kind: 'unreachable',
    error: `connection refused by 127.0.0.1:${port}`,
  })
})

describe('disposing', () => {
  test('ends attempts at once, as values', async () => {
    const driver = open()
    svix.script = [hang, serveAndStall]
    const attempts = [event(), event()].map((request) => driver.deliver(request))
    await eventually(() => svix.requests.length === 2)
    const started = performance.now()
    await driver[Symbol.asyncDispose]()
    for (const outcome of await Promise.all(attempts))
      expect(outcome).toEqual({ kind: 'unreachable', error: 'the gateway shut down' })
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('lets nothing start any more', async () => {
    const driver = open()
    await driver[Symbol.asyncDispose]()
    expect(await driver.deliver(event())).toEqual({ kind: 'unreachable', error: 'the gateway shut down' })
    expect(svix.requests).toEqual([])
  })
})
