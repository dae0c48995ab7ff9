import { afterAll, describe, expect, test } from 'vitest'
import { type Issue, startGateway } from './gateway.ts'

const gateway = await startGateway()
afterAll(() => gateway[Symbol.asyncDispose]())

const TARGET = 'http://127.0.0.1:9/hook'

/** What a refusal complains of, by place (`body.headers.X-Team`), after a look that nothing was stored. */
async function refusal(body: unknown): Promise<Record<string, string>> {
  const before = gateway.rows()
  const answer = await gateway.send('/subscriptions', Buffer.isBuffer(body) ? { body } : { json: body })
  expect(answer.status).toBe(422)
  const { detail, code } = answer.json<{ detail: Issue[]; code: string }>()
  expect(code).toBe('validation')
  for (const issue of detail)
    expect(issue).toEqual({ loc: issue.loc, msg: expect.any(String), type: expect.any(String) })
  expect(gateway.rows()).toEqual(before)
  return Object.fromEntries(detail.map((issue) => [issue.loc.join('.'), issue.msg]))
}

test('a member that does not exist is named, with the one that was meant, beside every other problem', async () => {
  const known = 'target_url, secret, event_types, description, enabled, rate_limit, timeout, retry_schedule, headers'
  const wrong = { url: TARGET, event_type: ['order.created'], retries: 3, ['__proto__x']: 1, rate_limit: 0 }
  expect(await refusal(wrong)).toEqual({
    'body.url': 'There is no such member. Did you mean "target_url"?',
    'body.event_type': 'There is no such member. Did you mean "event_types"?',
    'body.retries': `There is no such member. There are ${known}.`,
    'body.__proto__x': `There is no such member. There are ${known}.`,
    'body.target_url': 'Field required',
    'body.rate_limit': expect.any(String),
  })
  const subscription = await gateway.subscribe({ target_url: TARGET, enabled: false })
  for (const method of ['PUT', 'PATCH']) {
    const path = `/subscriptions/${subscription.id}`
    const answer = await gateway.send(path, { method, json: { target_url: TARGET, enable: true } })
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('Did you mean \\"enabled\\"?')])
  }
})

test('a refused subscription is told every problem at once', async () => {
  const problems = await refusal({
    target_url: 'http://user:password@127.0.0.1/',
    secret: 'whsec_not base64',
    event_types: ['order.created', 'not a name', 'user.*', '*.created'],
    description: 'x'.repeat(1_025),
    enabled: 'yes',
    headers: {
      'X-Fine': 'a',
      Host: 'example.com',
      'webhook-id': 'msg_1',
      'not a name': 'b',
      'X-Lines': 'a\r\nX-More: b',
    },
    rate_limit: 0,
    timeout: '5',
    retry_schedule: ['10s', 'soon'],
  })
  expect(Object.keys(problems).sort()).toEqual([
    'body.description',
    'body.enabled',
    'body.event_types.1',
    'body.event_types.3',
    'body.headers.Host',
    'body.headers.X-Lines',
    'body.headers.not a name',
    'body.headers.webhook-id',
    'body.rate_limit',
    'body.retry_schedule',
    'body.secret',
    'body.target_url',
    'body.timeout',
  ])
  expect(problems['body.retry_schedule']).toContain('10s')
  expect(JSON.stringify(problems)).not.toContain('not base64')
})

test.each([
  ['no URL', 'example.com/hook', 'is not a URL'],
  ['another scheme', 'ftp://example.com/', 'http:// or https://'],
  ['user info', 'https://user@example.com/', 'user name or password'],
  ['a private address', 'http://10.1.2.3/hook', 'ALLOWED_SUBNETS'],
  ['an address in other digits', 'http://0xa9fea9fe/latest', '169.254.169.254'],
  ['the metadata service', 'http://169.254.169.254/latest/meta-data', 'cloud metadata'],
  ['IPv6 loopback', 'http://[::1]:8000/', 'loopback'],
  ['IPv4 inside of IPv6', 'http://[::ffff:10.0.0.1]/', 'private'],
  ['port 0', 'http://127.0.0.1:0/', 'port 0'],
])('a target with %s is refused in words', async (_name, target, words) => {
  expect((await refusal({ target_url: target }))['body.target_url']).toContain(words)
})

test('without ALLOWED_SUBNETS loopback and local names are refused, and the option is named', async () => {
  await using strict = await startGateway({ ALLOWED_SUBNETS: '' })
  for (const target of [TARGET, 'http://localhost:9/', 'http://db/', 'http://api.internal/']) {
    const answer = await strict.send('/subscriptions', { json: { target_url: target } })
    expect(answer.status).toBe(422)
    expect(answer.json<{ detail: Issue[] }>().detail[0]?.msg).toContain('ALLOWED_SUBNETS')
  }
  expect(await strict.ask('/subscriptions')).toMatchObject({ total: 0 })
})

test('with HTTPS_ONLY a plain http target is refused', async () => {
  await using strict = await startGateway({ HTTPS_ONLY: 'true' })
  expect((await strict.send('/subscriptions', { json: { target_url: 'http://example.com/' } })).status).toBe(422)
  expect((await strict.send('/subscriptions', { json: { target_url: 'https://example.com/' } })).status).toBe(201)
})

test.each([
  [
    'secret',
    [
      '',
      'x'.repeat(513),
      'whsec_',
      'v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      'line\n',
      'whsk_AAAA',
      'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=',
      5,
    ],
  ],
  ['event_types', ['order.created', Array.from({ length: 257 }, (_, i) => `t${i}`), [1]]],
  ['headers', [['a'], Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`x-${i}`, 'v']))]],
  ['rate_limit', [0, -1, 1.5, '50', 65_536]],
  ['timeout', ['0s', '9ms', '6m', '5 s', 5]],
  ['retry_schedule', [['31d'], Array.from({ length: 101 }, () => '1s'), 'fibonacci', [10]]],
])('a wrong %s is refused, and the refusal says where', async (member, values) => {
  for (const value of values) {
    const places = Object.keys(await refusal({ target_url: TARGET, [member]: value }))
    expect(places).toHaveLength(1)
    expect(places[0]).toMatch(new RegExp(`^body\\.${member}`))
  }
})

test.each([
  ['nothing', ''],
  ['half of it', '{"target_url":'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ['a list', '[]'],
  ['null', 'null'],
])('a body that is %s is refused as invalid', async (_name, body) => {
  expect(Object.keys(await refusal(Buffer.from(body)))).toEqual(['body'])
})

test('a body beyond MAX_BODY is a 413', async () => {
  await using small = await startGateway({ MAX_BODY: '1kb' })
  const large = JSON.stringify({ target_url: TARGET, description: 'x'.repeat(1_000) })
  for (const chunked of [false, true]) {
    const answer = await small.send('/subscriptions', { body: large, chunked })
    expect([answer.status, answer.json<{ code: string }>().code]).toEqual([413, 'body_too_large'])
  }
  expect(await small.ask('/subscriptions')).toMatchObject({ total: 0 })
})

describe('once API_KEY is set', async () => {
  const guarded = await startGateway({ API_KEY: 'first-key-1, second-key-2', HOST: '127.0.0.1' })
  afterAll(() => guarded[Symbol.asyncDispose]())
  guarded.headers = { authorization: 'Bearer second-key-2' }
  const subscription = await guarded.subscribe({ target_url: TARGET, enabled: false })
  const { id } = subscription
  const message = await guarded.ingest(subscription)
  guarded.headers = {}

  const managed = [
    ['POST', '/subscriptions'],
    ['GET', '/subscriptions'],
    ['GET', `/subscriptions/${id}`],
    ['GET', `/subscriptions/${id}/secret`],
    ['GET', `/subscriptions/${id}/attempts`],
    ['PUT', `/subscriptions/${id}`],
    ['PATCH', `/subscriptions/${id}`],
    ['DELETE', `/subscriptions/${id}`],
    ['POST', '/ingest'],
    ['GET', `/deliveries/${message.id}`],
    ['GET', `/deliveries/${message.id}/payload`],
    ['POST', `/deliveries/${message.id}/retry`],
  ]

  test.each(managed)('%s %s needs a management key', async (method, path) => {
    const before = guarded.rows()
    for (const authorization of [
      undefined,
      'Bearer',
      'Bearer wrong-key-1',
      'Basic first-key-1',
      'Bearer first-key-1,second-key-2',
    ]) {
      const answer = await guarded.send(path, { method, headers: { ...(authorization && { authorization }) } })
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer'])
      expect(answer.json()).toEqual({ detail: expect.stringContaining('API_KEY'), code: 'unauthorized' })
    }
    expect(guarded.rows()).toEqual(before)
  })

  test('each of the keys opens, with the scheme in any case', async () => {
    for (const authorization of ['Bearer first-key-1', 'bearer second-key-2'])
      expect((await guarded.send(`/subscriptions/${id}`, { headers: { authorization } })).status).toBe(200)
  })

  test('ingest to one subscription, the probes, the metrics and the documents stay open', async () => {
    expect((await guarded.send(`/ingest/${id}`, { json: {} })).status).toBe(202)
    for (const path of ['/health/live', '/health/ready', '/metrics', '/openapi.json', '/docs'])
      expect((await guarded.send(path)).status).toBe(200)
  })

  test('whoever tries many keys is answered 429, and a right one opens all the same', async () => {
    await using guessed = await startGateway({ API_KEY: 'a-right-key-of-some-length', HOST: '127.0.0.1' })
    const trying = (key: string) => guessed.send('/subscriptions', { headers: { authorization: `Bearer ${key}` } })
    for (let count = 0; count < 30; count++) expect((await trying('the-same-wrong-key')).status).toBe(401)
    for (let count = 1; count < 20; count++) expect((await trying(`wrong-key-${count}`)).status).toBe(401)
    const refused = await trying('wrong-key-20')
    expect([refused.status, refused.json<{ code: string }>().code]).toEqual([429, 'too_many_keys'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers.connection).toBe('close')
    expect((await trying('a-right-key-of-some-length')).status).toBe(200)
    expect((await guessed.send('/subscriptions')).status).toBe(401)
  })

  test('a wrong key is told before the body is read', async () => {
    const body = Buffer.alloc(2 * 1_048_576, ' ')
    const answer = await guarded.send('/ingest?event_type=a', { body, headers: { authorization: 'Bearer no' } })
    expect(answer.status).toBe(401)
  })
})
