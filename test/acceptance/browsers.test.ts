/**
 * A gateway without keys in front of a browser. The requests are written as browsers write them
 * (https://fetch.spec.whatwg.org, https://www.w3.org/TR/fetch-metadata/): a page decides about the method, the body and one
 * of three media types, and about no header below.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { createTokens, hs256 } from '../../src/lib/jwt.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { type Answer, type Sending, startGateway } from './gateway.ts'

const JWT_SECRET = 'signs the tokens of these tests'
const KEY = 'a-key-of-the-management'
const gateway = await startGateway({ PUBLIC_URL: 'https://hooks.example.com/in', JWT_SECRET })
const keyed = await startGateway({ API_KEY: KEY, HOST: '127.0.0.1', JWT_SECRET })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await keyed[Symbol.asyncDispose]()
})

const { host } = new URL(gateway.url)
const TARGET = JSON.stringify({ target_url: 'http://127.0.0.1:1/' })
const outcome = (answer: Answer): string =>
  answer.status < 300 ? 'ok' : `${answer.status} ${answer.json<{ code: string }>().code}`

type Request = [what: string, expected: string, path: string, sending: Sending]

const list = (headers: Record<string, string>): [string, Sending] => ['/subscriptions', { headers }]
const post = (headers: Record<string, string>, body = TARGET): [string, Sending] => [
  '/subscriptions',
  { body, headers: { 'content-type': 'text/plain;charset=UTF-8', ...headers } },
]
const evil = { origin: 'https://evil.example' }
const CROSS_SITE = '403 cross_site'
const UNKNOWN_HOST = '421 unknown_host'

const requests: Request[] = [
  ['a program that says nothing', 'ok', ...post({})],
  ['a program that reads', 'ok', ...list({})],
  ['the page /docs, by an address', 'ok', ...post({ origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })],
  ['the page /docs, in an old browser', 'ok', ...post({ origin: `http://${host}` })],
  ['the address bar', 'ok', ...list({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })],
  ['the page /docs through a forwarded port', 'ok', ...post({ host: 'localhost:9', origin: 'http://localhost:9' })],
  ['the page /docs behind TLS', 'ok', ...post({ host: 'hooks.example.com', origin: 'https://hooks.example.com' })],
  [
    'the same with the port named',
    'ok',
    ...post({ host: 'hooks.example.com:443', origin: 'https://hooks.example.com' }),
  ],
  [
    'the same, and the proxy names itself as host',
    'ok',
    ...post({ host: 'api:8000', origin: 'https://hooks.example.com' }),
  ],
  ['a container', 'ok', ...post({ host: 'api:8000' })],
  ['a container that reaches for its host', 'ok', ...post({ host: 'host.docker.internal:8000' })],
  ['another machine of the network', 'ok', ...post({ host: '192.168.1.7:8000' })],
  ['the same by IPv6', 'ok', ...post({ host: '[fd00::7]:8000', origin: 'http://[fd00::7]:8000' })],
  ['a name below localhost', 'ok', ...post({ host: 'hooks.localhost:8000' })],
  ['a name in capitals', 'ok', ...post({ host: 'HOOKS.Example.COM' })],

  [
    'a cross-site post of text',
    CROSS_SITE,
    ...post({ ...evil, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }),
  ],
  ['a cross-site form', CROSS_SITE, ...post({ ...evil, 'content-type': 'application/x-www-form-urlencoded' })],
  ['a form of a page without an origin', CROSS_SITE, ...post({ origin: 'null' })],
  ['a cross-site upload', CROSS_SITE, ...post({ ...evil, 'content-type': 'multipart/form-data; boundary=x' })],
  ['an image of another site', CROSS_SITE, ...list({ 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' })],
  ['a link on another site', CROSS_SITE, ...list({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })],
  [
    'another program on this machine',
    CROSS_SITE,
    ...post({ host, origin: 'http://127.0.0.1:9', 'sec-fetch-site': 'same-site' }),
  ],
  ['the same in an old browser', CROSS_SITE, ...post({ origin: 'http://127.0.0.1:9' })],
  [
    'a neighbour below the same domain',
    CROSS_SITE,
    ...post({ host: 'hooks.example.com', origin: 'https://www.example.com' }),
  ],
  ['an extension', CROSS_SITE, ...post({ origin: 'chrome-extension://abcdefgh' })],
  ['an origin that is none', CROSS_SITE, ...post({ origin: 'http://' })],
  ['a site that no browser says', CROSS_SITE, ...list({ 'sec-fetch-site': 'other' })],

  ['rebinding: a read', UNKNOWN_HOST, ...list({ host: 'rebound.evil.example:8000' })],
  [
    'rebinding: a write, which is of the same origin',
    UNKNOWN_HOST,
    ...post({
      host: 'rebound.evil.example:8000',
      origin: 'http://rebound.evil.example:8000',
      'sec-fetch-site': 'same-origin',
    }),
  ],
  ['a name that looks like an address', UNKNOWN_HOST, ...list({ host: '127.0.0.1.evil.example' })],
  ['a name that ends like localhost', UNKNOWN_HOST, ...list({ host: 'evil-localhost.example' })],
  ['a name with a dot at its end', UNKNOWN_HOST, ...list({ host: 'evil.example.' })],
  ['a host that is none', UNKNOWN_HOST, ...list({ host: 'localhost@evil.example' })],
]

test.each(requests)('without a key, %s: %s', async (_what, expected, path, sending) => {
  const before = gateway.rows()
  expect(outcome(await gateway.send(path, sending))).toBe(expected)
  expect(gateway.rows().endpoint - before.endpoint).toBe(expected === 'ok' && sending.body !== undefined ? 1 : 0)
})

test('with a key nobody looks at where a request comes from, for no browser sends the key on its own', async () => {
  const foreign = { host: 'gateway.example', ...evil, 'sec-fetch-site': 'cross-site' }
  const authorization = `Bearer ${KEY}`
  expect(outcome(await keyed.send('/subscriptions', { headers: { ...foreign, authorization } }))).toBe('ok')
  expect(outcome(await keyed.send('/subscriptions', { headers: foreign }))).toBe('401 unauthorized')
})

interface Document {
  paths: Record<string, Record<string, { security?: object[]; responses: object }>>
}
const { paths } = (await gateway.send('/openapi.json')).json<Document>()
const routes = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { security = [], responses }]) => ({
    name: `${method.toUpperCase()} ${path}`,
    path: path.replaceAll(/\{[^}]+\}/g, 'x'),
    method: method.toUpperCase(),
    isManagement: security.some((one) => 'management' in one),
    responses,
  })),
)

describe('every route', async () => {
  const token = await createTokens(hs256(JWT_SECRET), systemClock).sign({ sub: 'org_acme' }, Date.now() + 3_600_000)
  const bodyOf = (method: string): Sending => (['GET', 'HEAD', 'DELETE'].includes(method) ? {} : { body: '{}' })
  const headers = { ...evil, host: 'evil.example', 'sec-fetch-site': 'cross-site' }

  test('refuses other sites, but those for senders, watchers and whoever has a token', async () => {
    const open: string[] = []
    for (const { name, method, path, isManagement, responses } of routes) {
      const { status } = await gateway.send(path, { method, headers, ...bodyOf(method) })
      if (status !== 421) open.push(name)
      expect([name, '421' in responses]).toEqual([name, isManagement])
      expect([name, status === 421]).toEqual([name, isManagement])
    }
    expect(open.filter((name) => !name.includes(' /api/v1/')).toSorted()).toEqual([
      'GET /health/live',
      'GET /health/ready',
      'GET /metrics',
      'POST /in/{source}',
      'POST /ingest/{subscription_id}',
      'POST /webhook',
    ])
  })

  test.each([
    ['without a key', gateway, token],
    ['with a key', keyed, KEY],
    ['with a token', keyed, token],
  ])('answers %s without the host that it was asked by', async (_, asked, bearer) => {
    const authorization = `Bearer ${bearer}`
    await asked.send('/api/v1/app', { json: { name: 'x', uid: 'x' }, headers: { authorization } })
    const hidden = ['/docs', '/docs/', '/docs/static/swagger-initializer.js', '/openapi.json', '/docs/json', '/nowhere']
    for (const { path, method } of [...routes, ...hidden.map((one) => ({ path: one, method: 'GET' }))]) {
      const answer = await asked.send(path, {
        method,
        headers: { ...headers, authorization, 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' },
        ...bodyOf(method),
      })
      expect(`${path} ${JSON.stringify(answer.headers)} ${answer.text}`).not.toContain('evil.example')
    }
  })

  test('names the gateway by PUBLIC_URL', async () => {
    const authorization = `Bearer ${token}`
    await gateway.ask('/api/v1/app', { json: { name: 'Y', uid: 'y' }, headers: { authorization } })
    const access = await gateway.ask('/api/v1/auth/app-portal-access/y', {
      json: {},
      headers: { ...headers, authorization },
    })
    expect(access).toMatchObject({ url: 'https://hooks.example.com/in/docs' })
  })
})
