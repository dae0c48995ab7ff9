/** Methods that a path does not know, all that Node reads; and changes without a body. */
import { METHODS } from 'node:http'
import { afterAll, expect, test } from 'vitest'
import { startSvixGateway } from '../svix/svix-gateway.ts'

const { gateway, org, ...gate } = await startSvixGateway()
afterAll(() => gate[Symbol.asyncDispose]())

const ROUTED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']
// Asks for a tunnel, and is refused before there is a request.
const others = METHODS.filter((method) => !ROUTED.includes(method) && method !== 'CONNECT')

const PATHS = [
  ['/subscriptions', 'POST, GET, HEAD'],
  ['/subscriptions/', 'POST, GET, HEAD'],
  ['/subscriptions/ep_none?a=b', 'GET, HEAD, PUT, PATCH, DELETE'],
  ['/webhook', 'POST'],
  ['/openapi.json', 'GET, HEAD'],
] as const

test.each(others)('%s is 405 on a path that is there, with what is allowed, and 404 elsewhere', async (method) => {
  for (const [path, allow] of PATHS) {
    const answer = await gateway.send(path, { method })
    expect([path, answer.status, answer.headers.allow]).toEqual([path, 405, allow])
    expect(answer.json()).toMatchObject({ code: 'method_not_allowed' })
  }
  const svix = await gateway.send('/api/v1/app/app_none', { method })
  expect([svix.status, svix.headers.allow]).toEqual([405, 'GET, HEAD, PUT, PATCH, DELETE'])
  expect(svix.headers['access-control-allow-origin']).toBe('*')
  expect(svix.json()).toMatchObject({ code: 'method_not_allowed' })
  for (const path of ['/nothing', '/api/v1/nothing', '/subscriptions/a/b/c'])
    expect([path, (await gateway.send(path, { method })).status]).toEqual([path, 404])
})

test('a method with a body that no path knows is refused as one without', async () => {
  const answer = await gateway.send('/subscriptions', { method: 'QUERY', json: { a: 1 } })
  expect([answer.status, answer.headers.allow]).toEqual([405, 'POST, GET, HEAD'])
})

test('a change without a body is refused: it would look like one that was made', async () => {
  const { id } = await gateway.subscribe({ target_url: 'http://127.0.0.1:9/' })
  const plain = await gateway.send(`/subscriptions/${id}`, { method: 'PATCH' })
  expect([plain.status, plain.json<{ detail: unknown }>().detail]).toEqual([
    422,
    [{ loc: ['body'], msg: expect.stringMatching('empty') as string, type: 'json_invalid' }],
  ])
  const app = await org.ask('POST /app', { name: 'Acme' })
  await org.ask('POST /event-type', { name: 'a', description: '' })
  const endpoint = await org.ask(`POST /app/${app.id}/endpoint`, { url: 'http://127.0.0.1:9/' })
  const told = await org.ask('POST /operational-webhook/endpoint', { url: 'http://127.0.0.1:9/' })
  const paths = [`/app/${app.id}/endpoint/${endpoint.id}`, `/operational-webhook/endpoint/${told.id}`].flatMap(
    (one) => [one, `${one}/headers`],
  )
  for (const path of [`/app/${app.id}`, '/event-type/a', ...paths]) {
    const answer = await org.call(`PATCH ${path}`)
    expect([path, answer.status, answer.json()]).toEqual([
      path,
      422,
      { detail: [{ loc: ['body'], msg: 'is empty', type: 'value_error.missing' }] },
    ])
    expect((await org.call(`PATCH ${path}`, { json: {} })).status).toBeLessThan(300)
  }
})
