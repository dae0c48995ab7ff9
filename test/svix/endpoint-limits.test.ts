/** How many endpoints an application may have, whoever creates them and by whichever API. */
import { afterAll, expect, test } from 'vitest'
import type { Answer } from './svix-gateway.ts'
import { startSvixGateway } from './svix-gateway.ts'

const { gateway, org, ofApp, ...gate } = await startSvixGateway({
  APPLICATION_ENDPOINTS_MAX: '5',
  PORTAL_ENDPOINTS_MAX: '3',
})
afterAll(() => gate[Symbol.asyncDispose]())

const url = 'http://127.0.0.1:9/'

const refused = (by: string) => ({ code: 'limit_reached', detail: expect.stringContaining(by) })
const told = (answer: Answer) => [answer.status, answer.json()]

test('a portal token creates endpoints up to its limit, its organization up to the application’s', async () => {
  const app = await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
  const portal = await ofApp(app)
  const create = (client: typeof portal) => client.call('POST /app/acme/endpoint', { json: { url } })
  const answers = await Promise.all(Array.from({ length: 8 }, () => create(portal)))
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
    201, 201, 201, 400, 400, 400, 400, 400,
  ])
  expect(told(await create(portal))).toEqual([400, refused('PORTAL_ENDPOINTS_MAX')])
  // A PUT that finds nothing to replace creates as well.
  const put = await portal.call('PUT /app/acme/endpoint/mine', { json: { url, uid: 'mine' } })
  expect(told(put)).toEqual([400, refused('PORTAL_ENDPOINTS_MAX')])
  for (const status of [201, 201]) expect((await create(org)).status).toBe(status)
  expect(told(await create(org))).toEqual([400, refused('APPLICATION_ENDPOINTS_MAX')])
  // What is there can be changed, and a deleted one makes room.
  const { data } = await org.ask<{ data: { id: string }[] }>('GET /app/acme/endpoint')
  expect(data).toHaveLength(5)
  expect((await portal.call(`PUT /app/acme/endpoint/${data[0]!.id}`, { json: { url } })).status).toBe(200)
  await org.ask(`DELETE /app/acme/endpoint/${data[0]!.id}`)
  expect((await create(org)).status).toBe(201)
})

test('a create that was refused for the limit and comes again with its key is tried again', async () => {
  await org.ask('POST /app', { name: 'Full', uid: 'full' })
  for (let n = 0; n < 5; n++) await org.ask('POST /app/full/endpoint', { url, uid: `e${n}` })
  const once = { json: { url }, headers: { 'idempotency-key': 'again' } }
  expect((await org.call('POST /app/full/endpoint', once)).status).toBe(400)
  await org.ask('DELETE /app/full/endpoint/e0')
  expect((await org.call('POST /app/full/endpoint', once)).status).toBe(201)
})

test('an organization is told at fifty endpoints, and no more', async () => {
  const create = () => org.call('POST /operational-webhook/endpoint', { json: { url } })
  const answers = await Promise.all(Array.from({ length: 51 }, create))
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(50)
  expect(told(await create())).toEqual([400, refused('50 endpoints')])
})

test('there are as many subscriptions as there may be', async () => {
  const create = () => gateway.send('/subscriptions', { json: { target_url: url } })
  const answers = await Promise.all(Array.from({ length: 7 }, create))
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 201, 201, 201, 422, 422])
  const answer = await create()
  expect([answer.status, answer.json()]).toEqual([422, refused('APPLICATION_ENDPOINTS_MAX')])
})
