/** Deliveries through an HTTP proxy: a real one, which connects to where a test says whatever the name is. */
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import tls from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/destinations/guard.ts'
import { createHttpDriver, type HttpDriverOptions } from '../../src/destinations/http.ts'
import { exceptionProblem, isExcepted, parseProxy, proxyFrom } from '../../src/destinations/proxy-url.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { endpoint, message } from '../conformance/builders.ts'
import { answering, makeCertificates, rawServer, tlsServer } from './http-servers.ts'

let stack: AsyncDisposableStack
beforeEach(() => {
  stack = new AsyncDisposableStack()
})
afterEach(() => stack.disposeAsync())
const during = async <T extends AsyncDisposable>(opening: Promise<T>): Promise<T> => stack.use(await opening)

const { key, valid } = makeCertificates()

/** A proxy that connects all names to one port of this machine, or answers with a status instead. */
async function proxyTo(port: number, { status = 200, cert }: { status?: number; cert?: Buffer } = {}) {
  const asked: { target: string; authorization: string | undefined }[] = []
  const sockets = new Set<net.Socket>()
  const server = http.createServer()
  server.on('connect', (request, socket, head) => {
    asked.push({ target: request.url ?? '', authorization: request.headers['proxy-authorization'] })
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const onward = net.connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\nvia: 1.1 proxy\r\n\r\n')
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    for (const one of [onward, socket as net.Socket]) {
      one.on('error', () => {})
      sockets.add(one)
    }
  })
  const outer =
    cert === undefined ? server : tls.createServer({ key, cert }, (socket) => server.emit('connection', socket))
  outer.listen(0, '127.0.0.1')
  await once(outer, 'listening')
  stack.defer(() => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    outer.close()
  })
  return { asked, url: `http://127.0.0.1:${(outer.address() as AddressInfo).port}` }
}

function driverThrough(url: string, exceptions: string[] = [], options: Partial<HttpDriverOptions> = {}) {
  return stack.use(
    createHttpDriver({
      guard: createAddressGuard({
        allowedSubnets: [],
        lookup: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
      }),
      clock: systemClock,
      userAgent: 'Hookferry/test',
      signatureHeaders: 'both',
      connectTimeoutMs: 5_000,
      proxy: proxyFrom(url, exceptions),
      ...options,
    }),
  )
}

const attempt = (driver: ReturnType<typeof driverThrough>, url: string) =>
  driver.deliver({
    endpoint: endpoint({ url }),
    message: message({ payload: Buffer.from('{}') }),
    at: Date.UTC(2030, 0, 1),
    timeoutMs: 10_000,
  })

describe('a delivery', () => {
  test('is tunnelled, the proxy resolves the name, and the tunnel is used again', async () => {
    const server = await during(answering(200))
    const proxy = await proxyTo(server.port)
    const driver = driverThrough(proxy.url)
    for (let n = 0; n < 9; n++)
      expect(await attempt(driver, 'http://receiver.example/hook?a=b')).toMatchObject({ kind: 'accepted' })
    expect(new Set(proxy.asked.map(({ target }) => target))).toEqual(new Set(['receiver.example:80']))
    expect(proxy.asked.length).toBeLessThanOrEqual(2)
    expect(server.received.map(({ url }) => url)).toEqual(Array.from({ length: 9 }, () => '/hook?a=b'))
    expect(server.received[0]!.header('host')).toBe('receiver.example')
    expect(server.received[0]!.header('proxy-authorization')).toBeUndefined()
  })

  test('says who it is to the proxy alone', async () => {
    const server = await during(answering(200))
    const proxy = await proxyTo(server.port)
    const driver = driverThrough(proxy.url.replace('http://', 'http://user:p%40ss@'))
    await attempt(driver, 'http://receiver.example:8080/')
    const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
    expect(proxy.asked).toEqual([{ target: 'receiver.example:8080', authorization }])
  })

  test('over TLS has the receiver’s certificate checked, inside of the tunnel', async () => {
    const server = await during(tlsServer({ key, cert: valid }))
    const proxy = await proxyTo(server.port)
    expect(await attempt(driverThrough(proxy.url), 'https://receiver.example/')).toEqual({
      kind: 'unreachable',
      error: 'the TLS certificate of receiver.example is self-signed',
    })
    const unchecked = driverThrough(proxy.url, [], { verifyTls: false })
    expect(await attempt(unchecked, 'https://receiver.example/')).toMatchObject({ kind: 'accepted' })
    expect(proxy.asked.map(({ target }) => target)).toEqual(['receiver.example:443', 'receiver.example:443'])
  })

  test('to an exception does without the proxy, and has the whole guard', async () => {
    const server = await during(answering(200))
    const proxy = await proxyTo(server.port)
    const driver = driverThrough(proxy.url, ['inside.example'])
    expect(await attempt(driver, 'http://a.inside.example/')).toEqual({
      kind: 'unreachable',
      error: 'blocked: a.inside.example does not resolve to a public address',
    })
    expect([proxy.asked, server.received]).toEqual([[], []])
  })

  test.each([
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://169.254.169.254/',
    'http://intranet/',
    'http://a.internal/',
  ])('to %s is refused before the proxy is asked', async (url) => {
    const proxy = await proxyTo(9)
    const outcome = await attempt(driverThrough(proxy.url), url)
    expect(outcome).toEqual({ kind: 'unreachable', error: expect.stringMatching(/^blocked: /) })
    expect(proxy.asked).toEqual([])
  })

  test.each([403, 502, 504])('that the proxy answers %s is a failure of the target', async (status) => {
    const proxy = await proxyTo(9, { status })
    expect(await attempt(driverThrough(proxy.url), 'http://receiver.example/')).toEqual({
      kind: 'unreachable',
      error: `receiver.example: the proxy of the gateway did not connect to it (${status})`,
    })
  })
})

describe('a proxy that cannot be used costs no delivery anything:', () => {
  const lacking = {
    kind: 'deferred',
    reason: 'node_exhausted',
    error: 'the proxy of the gateway (PROXY_URL) cannot be used',
  }
  const outcomeWith = (url: string, options: Partial<HttpDriverOptions> = {}) =>
    attempt(driverThrough(url, [], options), 'https://receiver.example/')

  test('one that nobody runs', async () => {
    const { port } = await during(answering(200))
    await stack.disposeAsync()
    stack = new AsyncDisposableStack()
    expect(await outcomeWith(`http://127.0.0.1:${port}`)).toMatchObject(lacking)
  })

  test('one that wants another password', async () => {
    const proxy = await proxyTo(9, { status: 407 })
    expect(await outcomeWith(proxy.url)).toMatchObject(lacking)
  })

  test.each<[string, (socket: net.Socket) => void]>([
    ['one that closes the connection', (socket) => socket.destroy()],
    ['one that speaks something else', (socket) => socket.write('220 mail\r\n\r\n')],
    ['one whose answer has no end', (socket) => socket.write(`HTTP/1.1 200 OK\r\na: ${'b'.repeat(20_000)}`)],
  ])('%s', async (_, answer) => {
    const server = await during(rawServer(answer))
    expect(await outcomeWith(server.origin)).toMatchObject(lacking)
  })

  test('one that says nothing', async () => {
    const server = await during(rawServer(() => {}))
    expect(await outcomeWith(server.origin, { connectTimeoutMs: 50 })).toMatchObject(lacking)
  })

  test('one whose own certificate is not valid, whatever is allowed to receivers', async () => {
    const proxy = await proxyTo(9, { cert: valid })
    const url = proxy.url.replace('http:', 'https:')
    expect(await outcomeWith(url, { verifyTls: false })).toMatchObject(lacking)
    expect(proxy.asked).toEqual([])
  })
})

test.each([
  ['example.com', true],
  ['EXAMPLE.com.', true],
  ['a.b.example.com', true],
  ['notexample.com', false],
  ['com', false],
  ['wild.org', true],
  ['x.wild.org', true],
  ['10.1.2.3', true],
  ['11.1.2.3', false],
  ['192.0.2.7', true],
  ['[fd00::1]', true],
  ['[fe00::1]', false],
])('whether %s is an exception: %s', (host, isOne) => {
  expect(isExcepted(['example.com', '*.wild.org', '10.0.0.0/8', '192.0.2.7', 'fd00::/8'])(host)).toBe(isOne)
})

test('a proxy is a URL with nothing behind its port, and an exception a name, an address or a subnet', () => {
  expect(parseProxy('http://proxy')).toMatchObject({ hostname: 'proxy', port: '80', authorization: null })
  expect(parseProxy('https://[fd00::1]:3128')).toMatchObject({
    protocol: 'https:',
    hostname: '[fd00::1]',
    port: '3128',
  })
  for (const text of ['', 'proxy:3128', 'socks5://proxy', 'http://proxy/path', 'http://proxy?a', 'http://%zz@proxy'])
    expect(parseProxy(text)).toBeNull()
  expect(['example.com', '.example.com', 'localhost', '10.0.0.0/8', '::1'].map(exceptionProblem)).toEqual(
    Array.from({ length: 5 }, () => null),
  )
  for (const text of ['a b', 'http://example.com', 'example.com:80', '10.0.0.0/33'])
    expect(exceptionProblem(text)).toMatch(/is no name/)
})
