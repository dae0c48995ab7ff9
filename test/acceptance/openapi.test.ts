import { afterAll, expect, test } from 'vitest'
import { type Sending, startGateway } from './gateway.ts'

interface Operation {
  responses: Record<string, unknown>
  parameters?: { name: string; in: string; required?: boolean }[]
}

interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, Operation>>
}

const guarded = await startGateway({
  API_KEY: 'a-key-of-eight',
  HOST: '127.0.0.1',
  MAX_BODY: '1kb',
  WEBHOOK_SECRET: '',
})
afterAll(() => guarded[Symbol.asyncDispose]())
const document = (await guarded.send('/openapi.json')).json<OpenApi>()

test('/openapi.json is OpenAPI 3.1 and has every route', () => {
  expect(document.openapi).toMatch(/^3\.1\./)
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(routes.sort()).toEqual(
    expect.arrayContaining([
      'DELETE /subscriptions/{id}',
      'GET /deliveries/{id}',
      'GET /deliveries/{id}/payload',
      'GET /health/live',
      'GET /health/ready',
      'GET /messages',
      'GET /metrics',
      'GET /stats',
      'GET /subscriptions',
      'GET /subscriptions/{id}',
      'GET /subscriptions/{id}/attempts',
      'GET /subscriptions/{id}/secret',
      'PATCH /subscriptions/{id}',
      'POST /deliveries/{id}/retry',
      'POST /ingest',
      'POST /ingest/{subscription_id}',
      'POST /subscriptions',
      'POST /webhook',
      'PUT /subscriptions/{id}',
    ]),
  )
})

test('the document has the headers that an ingest may carry, so that the page can send them', () => {
  const { parameters = [] } = document.paths['/ingest/{subscription_id}']?.['post'] ?? {}
  const headers = parameters.filter((parameter) => parameter.in === 'header')
  const names = [
    'x-event-type',
    'x-hub-signature-256',
    'webhook-signature',
    'webhook-timestamp',
    'idempotency-key',
    'x-github-delivery',
    'webhook-id',
  ]
  expect(headers).toEqual(names.map((name) => expect.objectContaining({ name, required: false })))
})

test('the document has every status that a route answers', async () => {
  const headers = { authorization: 'Bearer a-key-of-eight' }
  const target_url = 'http://127.0.0.1:9/'
  const created = await guarded.send('/subscriptions', { json: { target_url, enabled: false }, headers })
  const { id } = created.json<{ id: string }>()
  const message = (await guarded.send(`/ingest/${id}`, { json: {} })).json<{ id: string }>()

  const withoutBody: Sending[] = [{}, { headers }]
  const bodies = [JSON.stringify({ target_url }), 'no JSON', JSON.stringify('x'.repeat(1_100))]
  const sendings = [...withoutBody, ...bodies.map((body) => ({ headers, body }))]
  const undocumented = new Set<string>()
  const operations = Object.entries(document.paths).flatMap(([pattern, methods]) =>
    Object.entries(methods).map(([method, { responses }]) => ({ pattern, method, responses })),
  )
  // Deleting comes last, for the others need what it deletes.
  operations.sort((a, b) => Number(a.method === 'delete') - Number(b.method === 'delete'))
  for (const { pattern, method, responses } of operations) {
    const known = pattern.replace(/\{\w+\}/, pattern.startsWith('/deliveries') ? message.id : id)
    for (const path of [known, `${known}?limit=0`, `${known}?event_type=a`, pattern.replace(/\{\w+\}/, 'none')])
      for (const sending of ['get', 'delete'].includes(method) ? withoutBody : sendings) {
        const { status } = await guarded.send(path, { ...sending, method: method.toUpperCase() })
        if (!(status in responses)) undocumented.add(`${method} ${pattern} ${status}`)
      }
  }
  expect([...undocumented]).toEqual([])
})

test('/docs is a page out of the package: it, its policy and its scripts name no other host', async () => {
  const page = await guarded.send('/docs/')
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
  const policy = String(page.headers['content-security-policy'])
  const sources = policy.split(/;\s*/).flatMap((directive) => directive.split(' ').slice(1))
  expect(sources.filter((source) => !["'self'", "'none'", 'data:'].includes(source))).toEqual([])
  // The gateway speaks plain HTTP; a browser must not be told to load the page's parts over TLS.
  expect(policy).not.toContain('upgrade-insecure-requests')
  const links = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? '')
  expect(links.length).toBeGreaterThan(4)
  for (const link of links) {
    expect(new URL(link, `${guarded.url}/docs/`).origin).toBe(guarded.url)
    expect((await guarded.send(new URL(link, `${guarded.url}/docs/`).pathname)).status).toBe(200)
  }
  const initializer = (await guarded.send('/docs/static/swagger-initializer.js')).text
  const code = initializer.replace(/^\s*\/\/.*$/gm, '')
  expect(page.text + code).not.toMatch(/(?:https?:)?\/\/[\w-]+\.\w/)
  expect(code).toMatch(/validatorUrl: null/)
})
