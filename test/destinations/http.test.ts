import { promises as dns } from 'node:dns'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Driver } from '../../src/destinations/driver.ts'
import { createAddressGuard, type Lookup } from '../../src/destinations/guard.ts'
import { createHttpDriver, type HttpDriverOptions } from '../../src/destinations/http.ts'
import { DESTINATION_LIMITS } from '../../src/destinations/limits.ts'
import type { Outcome } from '../../src/domain/delivery.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { parseSecret } from '../../src/domain/secret.ts'
import { verifyHub, verifyStandard } from '../../src/domain/signature.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { endpoint, message } from '../conformance/builders.ts'
import { createFakeClock } from '../fake-clock.ts'
import {
  answering,
  httpServer,
  makeCertificates,
  rawServer,
  type Received,
  silentServer,
  tlsServer,
  writing,
} from './http-servers.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const OLD_SECRET = 'an older secret of the same endpoint'
const PAIR = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=='
/** When the attempts begin; the clock of the machine is not what counts. */
const AT = Date.UTC(2030, 5, 1, 12, 0, 0, 700)

let stack: AsyncDisposableStack
beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())

const during = async <T extends AsyncDisposable>(opening: Promise<T>): Promise<T> => stack.use(await opening)

function driverWith(
  given: { lookup?: Lookup; allowed?: string[]; httpsOnly?: boolean } & Partial<HttpDriverOptions> = {},
): Driver {
  const { lookup = (name) => dns.lookup(name, { all: true }), allowed = ['127.0.0.0/8'], ...rest } = given
  const { httpsOnly = false, ...options } = rest
  return stack.use(
    createHttpDriver({
      guard: createAddressGuard({ allowedSubnets: allowed, lookup, httpsOnly }),
      clock: systemClock,
      userAgent: 'Hookferry/test',
      signatureHeaders: 'both',
      connectTimeoutMs: 5_000,
      ...options,
    }),
  )
}

const payload = Buffer.from('{"hello":"wörld"}')

/** One attempt. Its time-out is long unless time is what the test is about. */
const attempt = (
  driver: Driver,
  to: string | Endpoint,
  { timeoutMs = 10_000, body = payload }: { timeoutMs?: number; body?: Uint8Array } = {},
) =>
  driver.deliver({
    endpoint: typeof to === 'string' ? endpoint({ url: to }) : to,
    message: message({ id: 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W', payload: body }),
    at: AT,
    timeoutMs,
  })

describe('the request', () => {
  async function received(
    settings: Partial<Endpoint> = {},
    options: Partial<HttpDriverOptions> = {},
  ): Promise<Received> {
    const server = await during(answering(200))
    await attempt(driverWith(options), endpoint({ url: `${server.origin}/hooks`, ...settings }))
    expect(server.received).toHaveLength(1)
    return server.received[0]!
  }

  test('is a POST of the bytes as they came in, with what they are', async () => {
    const { method, url, body, header } = await received()
    expect([method, url]).toEqual(['POST', '/hooks'])
    expect(body).toEqual(payload)
    expect(header('content-length')).toBe(String(payload.length))
    expect(header('content-type')).toBe('application/json')
    expect(header('x-event-type')).toBe('user.created')
    expect(header('hookferry-hops')).toBe('1')
    expect(header('user-agent')).toBe('Hookferry/test')
    expect(header('accept-encoding')).toBeUndefined()
  })

  test('keeps every byte of any body, and an empty one empty', async () => {
    const server = await during(answering(200))
    const driver = driverWith()
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), async (body) => {
        server.received.length = 0
        await attempt(driver, server.origin, { body })
        expect(server.received[0]?.body.equals(body)).toBe(true)
        expect(server.received[0]?.header('content-length')).toBe(String(body.length))
      }),
      { numRuns: 30 },
    )
  })

  test('goes to the path and the query of the URL, without its fragment', async () => {
    const server = await during(answering(200))
    await attempt(driverWith(), `${server.origin}/a%20b/ü?token=x&y=%26#part`)
    expect(server.received[0]?.url).toBe('/a%20b/%C3%BC?token=x&y=%26')
  })

  test('carries the id of the message and the time of the attempt under both names', async () => {
    const { header } = await received()
    for (const prefix of ['webhook', 'svix']) {
      expect(header(`${prefix}-id`)).toBe('msg_2KWPBgLlAfxdpx2AI54pPJ85f4W')
      expect(header(`${prefix}-timestamp`)).toBe(String(Math.floor(AT / 1_000)))
      expect(header(`${prefix}-signature`)).toBeUndefined()
    }
    expect(header('x-hub-signature-256')).toBeUndefined()
  })

  test.each([
    ['webhook', 'svix'],
    ['svix', 'webhook'],
  ] as const)('carries the headers of one family when only %s is asked for', async (family, other) => {
    const { header, headers } = await received(
      { secrets: [{ secret: SECRET, expiresAt: null }] },
      { signatureHeaders: family },
    )
    expect(header(`${family}-signature`)).toMatch(/^v1,/)
    expect(headers.filter(([name]) => name.startsWith(`${other}-`))).toEqual([])
  })

  const isSignedWith = ({ header, body }: Received, secret: string, prefix = 'webhook') =>
    verifyStandard({
      keys: [parseSecret(secret)],
      id: header(`${prefix}-id`),
      timestamp: header(`${prefix}-timestamp`),
      signature: header(`${prefix}-signature`),
      body,
      now: AT,
      toleranceMs: 1_000,
    })

  test('is signed with every secret that has not expired, and for GitHub’s header with the newest', async () => {
    const request = await received({
      secrets: [
        { secret: SECRET, expiresAt: null },
        { secret: OLD_SECRET, expiresAt: AT + 1 },
        { secret: 'expired at this very moment', expiresAt: AT },
      ],
    })
    expect(request.header('webhook-signature')?.split(' ')).toHaveLength(2)
    expect(request.header('svix-signature')).toBe(request.header('webhook-signature'))
    expect([isSignedWith(request, SECRET), isSignedWith(request, OLD_SECRET, 'svix')]).toEqual([true, true])
    expect(isSignedWith(request, 'expired at this very moment')).toBe(false)
    const hub = request.header('x-hub-signature-256')
    expect(verifyHub([parseSecret(SECRET)], hub, request.body)).toBe(true)
  })

  test('is signed with an Ed25519 pair, which GitHub’s header cannot hold', async () => {
    const request = await received({ secrets: [{ secret: PAIR, expiresAt: null }] })
    expect(request.header('webhook-signature')).toMatch(/^v1a,/)
    expect(isSignedWith(request, PAIR)).toBe(true)
    expect(request.header('x-hub-signature-256')).toBeUndefined()
  })

  test('carries the custom headers of its endpoint', async () => {
    const { headers } = await received({ headers: { Authorization: 'Bearer x', 'X-Tenant': 'grün', 'x-empty': '' } })
    expect(headers).toContainEqual(['authorization', 'Bearer x'])
    expect(headers).toContainEqual(['x-tenant', 'grün'])
    expect(headers).toContainEqual(['x-empty', ''])
  })

  test('carries every header once: a custom one stands in the place of its default', async () => {
    const custom = { 'X-Tenant': 'a', Accept: 'application/vnd.example.v1+json' }
    const { headers } = await received({ secrets: [{ secret: SECRET, expiresAt: null }], headers: custom })
    expect(headers).toContainEqual(['accept', 'application/vnd.example.v1+json'])
    const names = headers.map(([name]) => name)
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])
  })

  test('follows a change of the endpoint at once', async () => {
    const server = await during(answering(200))
    const driver = driverWith()
    const before = endpoint({ url: `${server.origin}/old` })
    await attempt(driver, before)
    await attempt(driver, { ...before, url: `${server.origin}/new`, headers: { 'x-new': '1' } })
    expect(server.received.map(({ url, header }) => [url, header('x-new')])).toEqual([
      ['/old', undefined],
      ['/new', '1'],
    ])
  })
})

describe('the answer', () => {
  const outcomeOf = async (...answer: Parameters<typeof answering>): Promise<Outcome> => {
    const server = await during(answering(...answer))
    return attempt(driverWith(), server.origin)
  }

  test.each([200, 201, 202, 204, 226, 299])('%i is a success', async (status) => {
    expect(await outcomeOf(status)).toEqual({ kind: 'accepted', statusCode: status, response: null })
  })

  test.each([400, 401, 403, 404, 405, 408, 409, 413, 422, 425, 429, 500, 501, 502, 503, 504, 507, 599])(
    '%i is a refusal',
    async (status) => {
      expect(await outcomeOf(status, {}, 'no')).toEqual({
        kind: 'refused',
        statusCode: status,
        response: 'no',
        error: `answered ${status}`,
        isOverload: status === 429 || status === 503,
        retryAfterMs: null,
      })
    },
  )

  test('410 says that there is nothing any more', async () => {
    expect(await outcomeOf(410, {}, 'moved out')).toMatchObject({
      kind: 'gone',
      statusCode: 410,
      response: 'moved out',
    })
  })

  test('508 of a Hookferry is final, for the event is in a loop; 508 of any other server may pass', async () => {
    expect(await outcomeOf(508, { 'hookferry-hops': '6' })).toMatchObject({ kind: 'rejected', statusCode: 508 })
    expect(await outcomeOf(508)).toMatchObject({ kind: 'refused', statusCode: 508, error: 'answered 508' })
  })

  test.each([300, 301, 302, 303, 304, 307, 308])(
    '%i is a refusal, and its Location is not followed',
    async (status) => {
      const elsewhere = await during(answering(200))
      expect(await outcomeOf(status, { location: `${elsewhere.origin}/` })).toMatchObject({
        kind: 'refused',
        statusCode: status,
        error: `answered ${status}: redirects are not followed, and this one points to ${elsewhere.origin}/`,
      })
      expect(elsewhere.connections.made).toBe(0)
    },
  )

  test.each([
    ['from the path that was asked for', '/hooks/', 'ORIGIN/hooks/'],
    ['from another host', '//www.example/hooks', 'http://www.example/hooks'],
    ['that is no URL', 'http://[', 'http://['],
    ['beyond all bounds', `/${'x'.repeat(1_000)}`, `${`ORIGIN/${'x'.repeat(300)}`.slice(0, 300)}…`],
  ])('a redirect tells where it points to, also one %s', async (_, location, words) => {
    const server = await during(answering(307, { location }))
    const outcome = await attempt(driverWith(), `${server.origin}/hooks`)
    const expected = words.replace('ORIGIN', server.origin)
    const prefix = 'answered 307: redirects are not followed, and this one points to '
    expect(outcome).toMatchObject({ error: prefix + (words.endsWith('…') ? `${expected.slice(0, 300)}…` : expected) })
  })

  test('a redirect to nowhere is one, too', async () => {
    expect(await outcomeOf(302)).toMatchObject({ error: 'answered 302: redirects are not followed' })
  })

  test.each([
    ['429 with seconds', 429, '7', 7_000],
    ['503 with seconds', 503, '120', 120_000],
    ['503 with no wait', 503, '0', 0],
    ['429 with a date in the past', 429, 'Fri, 31 Dec 1999 23:59:59 GMT', 0],
    ['429 with more than a day', 429, '999999999', LIMITS.retryAfterMaxMs],
    ['429 with nonsense', 429, 'soon', null],
    ['429 with a negative number', 429, '-5', null],
    ['500, whatever it asks for', 500, '7', null],
    ['502, whatever it asks for', 502, '7', null],
    ['301, whatever it asks for', 301, '7', null],
  ])('the wait that a refusal asks for is read from %s', async (_, status, retryAfter, expected) => {
    expect(await outcomeOf(status, { 'retry-after': retryAfter })).toMatchObject({ retryAfterMs: expected })
  })

  test('the wait may be given as a date', async () => {
    const until = Math.ceil(Date.now() / 1_000) * 1_000 + 60_000
    const outcome = await outcomeOf(503, { 'retry-after': new Date(until).toUTCString() })
    const asked = outcome.kind === 'refused' ? (outcome.retryAfterMs ?? 0) : 0
    expect(asked).toBeGreaterThan(50_000)
    expect(asked).toBeLessThanOrEqual(61_000)
  })

  test('the wait is ignored when it is given twice', async () => {
    const server = await during(
      writing('HTTP/1.1 429 Slow\r\nretry-after: 5\r\nretry-after: 500\r\ncontent-length: 0\r\n\r\n'),
    )
    expect(await attempt(driverWith(), server.origin)).toMatchObject({ kind: 'refused', retryAfterMs: null })
  })

  test('is kept as text: the first 4 KB of it', async () => {
    expect(await outcomeOf(200, {}, 'grün ✓')).toMatchObject({ response: 'grün ✓' })
    expect(await outcomeOf(500, {}, 'x'.repeat(4_096))).toMatchObject({ response: 'x'.repeat(4_096) })
    expect(await outcomeOf(500, {}, 'x'.repeat(4_097))).toMatchObject({ response: 'x'.repeat(4_096) })
    expect(await outcomeOf(500, {}, 'x'.repeat(60_000))).toMatchObject({ kind: 'refused', response: 'x'.repeat(4_096) })
  })

  test('has what no text can hold replaced: NUL, broken UTF-8, half a character at the cut', async () => {
    expect(await outcomeOf(200, {}, 'a\0b')).toMatchObject({ response: 'a\u{fffd}b' })
    expect(await outcomeOf(200, {}, Buffer.from([0x61, 0xff, 0x62]))).toMatchObject({ response: 'a\u{fffd}b' })
    expect(await outcomeOf(200, {}, `${'x'.repeat(4_095)}é`)).toMatchObject({
      response: `${'x'.repeat(4_095)}\u{fffd}`,
    })
  })

  test('is not decompressed: a bomb stays small', async () => {
    const bomb = gzipSync(Buffer.alloc(5 * 1_048_576))
    const outcome = await outcomeOf(200, { 'content-encoding': 'gzip' }, bomb)
    expect(outcome).toMatchObject({ kind: 'accepted' })
    expect('response' in outcome ? Buffer.byteLength(outcome.response ?? '') : 0).toBeLessThan(20_000)
  })

  test.each([200, 500])('of ten megabytes is cut off after 64 KB, and its status %i counts', async (status) => {
    const server = await during(answering(status, {}, Buffer.alloc(10 * 1_048_576, 'x')))
    const outcome = await attempt(driverWith(), server.origin)
    expect(outcome).toMatchObject({ kind: status === 200 ? 'accepted' : 'refused', response: 'x'.repeat(4_096) })
    await expect.poll(() => server.connections.open).toBe(0)
  })

  test('that never ends is not read on', async () => {
    const chunk = Buffer.alloc(65_536, 'x')
    let written = 0
    const server = await during(
      rawServer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        const fill = () => {
          while (!socket.destroyed && socket.write(chunk)) written += chunk.length
        }
        socket.on('drain', fill)
        fill()
      }),
    )
    expect(await attempt(driverWith(), server.origin)).toMatchObject({ kind: 'accepted', statusCode: 200 })
    await expect.poll(() => server.connections.open).toBe(0)
    // What the kernel keeps for both sides is some megabytes.
    expect(written).toBeLessThan(64 * 1_048_576)
  })

  test.each([
    ['early hints', `HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n${OK}`],
    ['many early hints', `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(DESTINATION_LIMITS.interimAnswersMax)}${OK}`],
    ['a 102 Processing', `HTTP/1.1 102 Processing\r\n\r\n${OK}`],
  ])('counts after %s', async (_, text) => {
    const server = await during(writing(text))
    expect(await attempt(driverWith(), server.origin)).toEqual({ kind: 'accepted', statusCode: 200, response: 'ok' })
  })

  test.each([
    ['less than it announced', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf'],
    ['a chunk that is no chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzzz\r\n'],
    ['no length at all', 'HTTP/1.1 200 OK\r\n\r\nhalf'],
  ])('counts once its status is here, even if its body has %s', async (_, text) => {
    const server = await during(writing(text))
    expect(await attempt(driverWith(), server.origin)).toEqual({ kind: 'accepted', statusCode: 200, response: 'half' })
  })

  test('counts once its status is here, even if the connection is reset then', async () => {
    const server = await during(
      rawServer((socket) => {
        socket.write('HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nhalf', () =>
          setTimeout(() => socket.resetAndDestroy(), 20),
        )
      }),
    )
    expect(await attempt(driverWith(), server.origin)).toMatchObject({
      kind: 'refused',
      statusCode: 500,
      response: 'half',
    })
  })
})

describe('without an answer', () => {
  const errorOf = async (driver: Driver, to: string, options = {}): Promise<string> => {
    const outcome = await attempt(driver, to, options)
    expect(outcome.kind).toBe('unreachable')
    return 'error' in outcome ? outcome.error : ''
  }

  test('a reset of the connection is told in words', async () => {
    const server = await during(rawServer((socket) => void socket.resetAndDestroy()))
    expect(await errorOf(driverWith(), server.origin)).toBe(
      `connection reset by 127.0.0.1:${server.port} before it answered`,
    )
  })

  test('an end of the connection is told in words', async () => {
    const server = await during(rawServer((socket) => void socket.end()))
    expect(await errorOf(driverWith(), server.origin)).toBe(
      `connection closed by 127.0.0.1:${server.port} before it answered`,
    )
  })

  test.each([
    ['garbage', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['HTML without a head', '<html><body>hello</body></html>'],
    ['nonsense for a status', 'HTTP/1.1 abc OK\r\n\r\n'],
  ])('%s instead of HTTP is told in words', async (_, text) => {
    const server = await during(writing(text))
    expect(await errorOf(driverWith(), server.origin)).toBe(
      `127.0.0.1:${server.port} answered with something that is not HTTP/1.1`,
    )
  })

  test('a port where nobody listens is told in words', async () => {
    const server = await answering(200)
    await server[Symbol.asyncDispose]()
    expect(await errorOf(driverWith(), server.origin)).toBe(`connection refused by 127.0.0.1:${server.port}`)
  })

  test.each([
    ['ENOTFOUND', 'DNS name not found: hooks.example'],
    ['EAI_AGAIN', 'DNS did not answer for hooks.example'],
    ['DNS_NO_ANSWER', 'DNS did not answer for hooks.example'],
    ['DNS_SERVER_FAILURE', 'DNS failed for hooks.example: its name server has a fault or refuses to answer'],
    ['DNS_BAD_ANSWER', 'DNS answered for hooks.example with something that cannot be read'],
    ['EWHATEVER', 'the request to hooks.example failed (EWHATEVER)'],
  ])('a name that ends in %s is told in words', async (code, words) => {
    const lookup = () => Promise.reject(Object.assign(new Error(`getaddrinfo ${code} hooks.example`), { code }))
    expect(await errorOf(driverWith({ lookup }), 'http://hooks.example/')).toBe(words)
  })

  test.each([
    ['by its address', 'http://127.0.0.1:1234/', /^blocked: the address 127\.0\.0\.1 .*ALLOWED_SUBNETS/],
    ['by its name', 'http://hooks.example/', /^blocked: hooks\.example does not resolve to a public address$/],
  ])('a forbidden address, %s, is told in words, and nothing connects', async (_, url, words) => {
    const server = await during(answering(200))
    const lookup = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }])
    const error = await errorOf(driverWith({ lookup, allowed: [] }), url.replace('1234', String(server.port)))
    expect(error).toMatch(words)
    expect(server.connections.made).toBe(0)
  })

  test('a URL that the operator forbids is not asked at all', async () => {
    const server = await during(answering(200))
    expect(await errorOf(driverWith({ httpsOnly: true }), server.origin)).toMatch(/^blocked: HTTPS_ONLY/)
    expect(server.connections.made).toBe(0)
  })

  describe('over TLS', () => {
    const { key, valid, expired } = makeCertificates()

    test('a self-signed certificate is told in words', async () => {
      const server = await during(tlsServer({ key, cert: valid }))
      expect(await errorOf(driverWith(), server.origin)).toBe(
        `the TLS certificate of 127.0.0.1:${server.port} is self-signed`,
      )
    })

    test('an expired certificate is told in words', async () => {
      const server = await during(tlsServer({ key, cert: expired }))
      expect(await errorOf(driverWith(), server.origin)).toBe(
        `the TLS certificate of 127.0.0.1:${server.port} has expired`,
      )
    })

    test('a server without TLS is told in words', async () => {
      const server = await during(answering(200))
      expect(await errorOf(driverWith(), server.origin.replace('http:', 'https:'))).toBe(
        `127.0.0.1:${server.port} does not speak TLS at this port, or no version that is allowed`,
      )
    })

    test('an old version of TLS is refused', async () => {
      const server = await during(
        tlsServer({ key, cert: valid, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
      )
      expect(await errorOf(driverWith(), server.origin)).toBe(
        `127.0.0.1:${server.port} does not speak TLS at this port, or no version that is allowed`,
      )
    })
  })
})

describe('the time-out', () => {
  const timeoutMs = 150

  /** The outcome, which has to be here soon after the time-out. */
  async function timed(driver: Driver, to: string): Promise<Outcome> {
    const started = performance.now()
    const outcome = await attempt(driver, to, { timeoutMs })
    const took = performance.now() - started
    expect(took).toBeGreaterThanOrEqual(timeoutMs - 5)
    expect(took).toBeLessThan(timeoutMs + 10_000)
    return outcome
  }
  const timedOut: Outcome = { kind: 'unreachable', error: 'timed out after 150ms' }

  test('covers the name, and a name that is found too late is not used any more', async () => {
    const server = await during(answering(200))
    const found = Promise.withResolvers<Awaited<ReturnType<Lookup>>>()
    const driver = driverWith({ lookup: () => found.promise })
    expect(await timed(driver, `http://hooks.example:${server.port}/`)).toEqual(timedOut)
    found.resolve([{ address: '127.0.0.1', family: 4 }])
    await sleep(50)
    expect(server.received).toEqual([])
  })

  test('covers the TLS handshake', async () => {
    const server = await during(silentServer())
    expect(await timed(driverWith(), server.origin.replace('http:', 'https:'))).toEqual(timedOut)
  })

  test('covers the wait for an answer', async () => {
    const server = await during(silentServer())
    expect(await timed(driverWith(), server.origin)).toEqual(timedOut)
    await expect.poll(() => server.connections.open).toBe(0)
  })

  test.each([
    [200, { kind: 'accepted', statusCode: 200, response: null }],
    [500, { kind: 'refused', error: 'answered 500; then: timed out after 150ms' }],
  ])('covers headers that come byte by byte, but the status %i before them counts', async (status, expected) => {
    const server = await during(dripping(`HTTP/1.1 ${status} X\r\n`, 'x'))
    expect(await timed(driverWith(), server.origin)).toMatchObject(expected)
    await expect.poll(() => server.connections.open).toBe(0)
  })

  test('covers interim answers without an end', async () => {
    const server = await during(dripping('', 'HTTP/1.1 103 Early Hints\r\n\r\n'))
    expect(await timed(driverWith(), server.origin)).toEqual(timedOut)
  })

  test.each([
    [200, 'accepted'],
    [503, 'refused'],
  ])('covers a body that comes byte by byte, but its status %i counts', async (status, kind) => {
    const server = await during(dripping(`HTTP/1.1 ${status} X\r\ncontent-length: 1000\r\n\r\n`, 'x'))
    const outcome = await timed(driverWith(), server.origin)
    expect(outcome).toMatchObject({ kind, statusCode: status, response: expect.stringMatching(/^x{2,20}$/) })
    await expect.poll(() => server.connections.open).toBe(0)
  })

  test('leaves no timer behind when the answer comes before it', async () => {
    const server = await during(answering(200))
    const clock = createFakeClock()
    await attempt(driverWith({ clock }), server.origin)
    expect(clock.timers).toBe(0)
  })

  test('of one attempt leaves others to the same endpoint alone', async () => {
    const server = await during(
      rawServer((socket, path) => {
        if (path === '/well') setTimeout(() => socket.write(OK), timeoutMs + 100)
      }),
    )
    const driver = driverWith()
    const [hanging, well] = await Promise.all([
      attempt(driver, `${server.origin}/hang`, { timeoutMs }),
      attempt(driver, `${server.origin}/well`),
    ])
    expect([hanging.kind, well.kind]).toEqual(['unreachable', 'accepted'])
  })

  /** Sends `head`, and then `drop` every 20 ms. */
  function dripping(head: string, drop: string) {
    return rawServer((socket) => {
      socket.write(head)
      const timer = setInterval(() => socket.write(drop), 20)
      socket.on('close', () => clearInterval(timer))
    })
  }
})

describe('connections', () => {
  test('are kept for the next attempt', async () => {
    const server = await during(answering(200, {}, 'thanks'))
    const driver = driverWith()
    for (let i = 0; i < 20; i++) await attempt(driver, server.origin)
    expect(server.received).toHaveLength(20)
    // undici lets a connection rest for a turn of the event loop, and the next attempt may come before.
    expect(server.connections.made).toBeLessThanOrEqual(2)
  })

  test('have an end although attempts never pause, so that a name that has moved is looked up again', async () => {
    const server = await during(answering(200))
    let lookups = 0
    const lookup: Lookup = () => Promise.resolve([{ address: lookups++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }])
    const driver = driverWith({ connectionAgeMs: 30, lookup })
    // Nobody listens at the other address. Each attempt takes about a millisecond, and without an end they would go on for ever.
    let outcome: Outcome = await attempt(driver, `http://hooks.example:${server.port}/`)
    let attempts = 0
    while (outcome.kind === 'accepted' && ++attempts < 20_000) {
      // undici lets a connection rest for a turn of the event loop.
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      outcome = await attempt(driver, `http://hooks.example:${server.port}/`)
    }
    expect(outcome).toMatchObject({ kind: 'unreachable', error: expect.stringMatching(/^connection refused/) })
    expect(attempts).toBeGreaterThan(0)
    await expect.poll(() => server.connections.open).toBe(0)
  })

  test('are made for attempts that are under way together, and are used again', async () => {
    const server = await during(httpServer((response) => setTimeout(() => response.end(), 20)))
    const driver = driverWith()
    for (let round = 0; round < 3; round++)
      await Promise.all(Array.from({ length: 10 }, () => attempt(driver, server.origin)))
    expect(server.received).toHaveLength(30)
    expect(server.connections.made).toBeGreaterThanOrEqual(10)
    expect(server.connections.made).toBeLessThanOrEqual(20)
  })

  test('are not used again when the receiver closes them', async () => {
    const server = await during(answering(200, { connection: 'close' }))
    const driver = driverWith()
    for (let i = 0; i < 5; i++) expect(await attempt(driver, server.origin)).toMatchObject({ kind: 'accepted' })
    expect(server.connections.made).toBe(5)
  })

  test('that the receiver closed while they were idle cost no attempt', async () => {
    const server = await during(
      rawServer((socket) => {
        socket.write(OK)
        setTimeout(() => socket.end(), 10)
      }),
    )
    const driver = driverWith()
    for (let i = 0; i < 3; i++) {
      expect(await attempt(driver, server.origin)).toMatchObject({ kind: 'accepted' })
      await sleep(40)
    }
  })

  test('to many endpoints are separate: each gets what is its own', async () => {
    const server = await during(httpServer((response, { header }) => response.end(header('host'))))
    const driver = driverWith({ lookup: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) })
    const hosts = Array.from({ length: 300 }, (_, i) => `hooks-${i}.example:${server.port}`)
    const outcomes = await Promise.all(hosts.map((host) => attempt(driver, `http://${host}/`)))
    expect(outcomes.map((outcome) => ('response' in outcome ? outcome.response : null))).toEqual(hosts)
  })
})

describe('disposing', () => {
  test('ends all attempts at once, in words', async () => {
    const [silent, dripping, unresolved] = [
      await during(silentServer()),
      await during(silentServer()),
      'http://a.example/',
    ]
    const driver = driverWith({ lookup: () => new Promise(() => {}) })
    const attempts = [silent.origin, dripping.origin, silent.origin.replace('http:', 'https:'), unresolved].map((url) =>
      attempt(driver, url),
    )
    await sleep(30)
    const started = performance.now()
    await driver[Symbol.asyncDispose]()
    const outcomes = await Promise.all(attempts)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(outcomes).toEqual(
      outcomes.map(() => ({ kind: 'unreachable', error: 'ended because the gateway shut down' })),
    )
  })

  test('leaves nothing to be tried afterwards', async () => {
    const server = await during(answering(200))
    const driver = driverWith()
    await driver[Symbol.asyncDispose]()
    expect(await attempt(driver, server.origin)).toEqual({
      kind: 'unreachable',
      error: 'ended because the gateway shut down',
    })
    expect(server.connections.made).toBe(0)
  })

  test('keeps a status that was here already', async () => {
    const server = await during(rawServer((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')))
    const driver = driverWith()
    const outcome = attempt(driver, server.origin)
    await sleep(50)
    await driver[Symbol.asyncDispose]()
    expect(await outcome).toMatchObject({ kind: 'accepted', statusCode: 200 })
  })
})

test('five hundred hostile answers leave no connections and no memory of the requests behind', async () => {
  const hostile: ((socket: Socket) => void)[] = [
    (socket) => socket.resetAndDestroy(),
    (socket) => socket.end('garbage\r\n\r\n'),
    (socket) => socket.write(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(200_000)}`),
    (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(40_000)}\r\n\r\n`),
    (socket) => socket.end('HTTP/1.1 500 X\r\ncontent-length: 1000\r\n\r\nhalf'),
    (socket) => socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    (socket) => socket.end(),
    () => {},
  ]
  let next = 0
  const server = await during(rawServer((socket) => hostile[next++ % hostile.length]!(socket)))
  const driver = driverWith()
  const bodies: WeakRef<Uint8Array>[] = []
  for (let round = 0; round < 10; round++) {
    const outcomes = Array.from({ length: 50 }, () => {
      const body = new Uint8Array(10_000)
      bodies.push(new WeakRef(body))
      return attempt(driver, server.origin, { timeoutMs: 250, body })
    })
    await Promise.all(outcomes)
  }
  // An attempt may be over before its connection has come; each answer was given all the same.
  expect(next).toBeGreaterThan(10 * hostile.length)
  await expect.poll(() => server.connections.open, { timeout: 5_000 }).toBe(0)

  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const remembered = () => {
    collect()
    return bodies.filter((body) => body.deref() !== undefined).length
  }
  await expect.poll(remembered, { timeout: 5_000 }).toBeLessThanOrEqual(2)
})

test.each(['text/plain\r\nx-evil: 1', 'text/日本', 'a\0b'])(
  'a message of type %j is a failure and not an exception',
  async (contentType) => {
    const server = await during(answering(200))
    const driver = driverWith()
    const one = endpoint({ url: server.origin })
    const outcome = await driver.deliver({
      endpoint: one,
      message: message({ contentType }),
      at: AT,
      timeoutMs: 10_000,
    })
    expect(outcome).toMatchObject({ kind: 'unreachable', error: expect.stringContaining('content-type') })
    expect(server.received).toEqual([])
  },
)

test('a content type with bytes beyond ASCII is sent as it came', async () => {
  const server = await during(answering(200))
  const one = endpoint({ url: server.origin })
  const contentType = 'text/plain; title="gr\u{fc}n"'
  await driverWith().deliver({ endpoint: one, message: message({ contentType }), at: AT, timeoutMs: 10_000 })
  expect(server.received[0]?.header('content-type')).toBe(contentType)
})
