/** One story that asks for everything the contract has. What each answer has to look like is the contract's affair. */
import { afterAll, expect, test } from 'vitest'
import { eventually, soon } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { nameOf, operationOf, operations, violation } from './contract.ts'
import { type List, refusal, startSvixGateway, type Thing } from './svix-gateway.ts'

const receiver = await startReceiver()
// The first retry of a failed delivery is far away, so that it can be seen to wait.
const { exchanges, org, nobody, ofApp, ...gate } = await startSvixGateway({
  RETRY_SCHEDULE: '1h',
  MAX_BODY: '64kb',
})
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const hook = receiver.hook({ status: 200, body: 'taken' })
const broken = receiver.hook({ status: 500, body: 'out of order' })
const APP = '/app/acme'
const ENDPOINT = `${APP}/endpoint/main`
const BROKEN = `${APP}/endpoint/broken`

const attempts = (of: string, query = '') =>
  org.ask<List<Thing & { status: number }>>(`GET ${APP}/attempt/${of}${query}`)

test('applications are made, read, replaced, changed, listed and deleted', async () => {
  const full = { name: 'Acme', uid: 'acme', throttleRate: 1_000, metadata: { plan: 'free' } }
  const made = await org.call('POST /app', { json: full })
  expect(made.status).toBe(201)
  expect(made.json()).toMatchObject(full)
  expect((await org.call('POST /app?get_if_exists=true', { json: full })).status).toBe(200)
  expect(refusal(await org.call('POST /app', { json: full }))).toEqual([409, 'conflict'])
  expect((await org.call('PUT /app/unknown', { json: { name: 'Bolt', uid: 'bolt' } })).status).toBe(201)
  expect((await org.call('PUT /app/bolt', { json: { name: 'Bolt 2', uid: 'bolt' } })).status).toBe(200)
  expect(refusal(await org.call('PUT /app/bolt', { json: full }))).toEqual([409, 'conflict'])
  expect(refusal(await org.call('PATCH /app/bolt', { json: { uid: 'acme' } }))).toEqual([409, 'conflict'])
  expect(await org.ask('PATCH /app/bolt', { name: 'Bolt 3', uid: null, throttleRate: null })).not.toHaveProperty('uid')
  const { data } = await org.ask<List>('GET /app')
  expect(data.map(({ name }) => name)).toEqual(['Acme', 'Bolt 3'])
  const bolt = data.at(-1)!
  expect((await org.call(`DELETE /app/${bolt.id}`)).status).toBe(204)
  expect(refusal(await org.call(`GET /app/${bolt.id}`))).toEqual([404, 'not_found'])
  expect(await org.ask(`GET ${APP}`)).toEqual(made.json())
})

test('event types are made, read, replaced, changed, listed, archived and removed', async () => {
  const schemas = { 1: { type: 'object', examples: [{ total: 1 }] } }
  const full = { name: 'order.paid', description: '', schemas, featureFlag: 'beta', deprecated: false, archived: false }
  expect((await org.call('POST /event-type', { json: full })).status).toBe(201)
  expect(refusal(await org.call('POST /event-type', { json: full }))).toEqual([409, 'event_type_exists'])
  const plain = { description: 'An order was shipped' }
  expect((await org.call('PUT /event-type/order.shipped', { json: plain })).status).toBe(201)
  expect((await org.call('PUT /event-type/order.shipped', { json: plain })).status).toBe(200)
  await org.ask('PATCH /event-type/order.paid', { description: 'An order was paid', featureFlag: null })
  expect(await org.ask('GET /event-type/order.paid')).toMatchObject({ schemas, featureFlag: null })
  const { data } = await org.ask<List>('GET /event-type?with_content=true')
  expect(data.map(({ name }) => name)).toEqual(['order.paid', 'order.shipped'])
  await org.ask('DELETE /event-type/order.shipped')
  expect((await org.ask<List>('GET /event-type?include_archived=true')).data).toHaveLength(2)
  await org.ask('DELETE /event-type/order.shipped?expunge=true')
  expect(refusal(await org.call('GET /event-type/order.shipped'))).toEqual([404, 'not_found'])
})

test('endpoints are made, read, replaced, changed, listed and deleted', async () => {
  const full = {
    url: hook.url,
    uid: 'main',
    description: 'The main one',
    eventTypes: ['order.paid'],
    channels: ['north', 'south'],
    disabled: false,
    throttleRate: 500,
    metadata: { team: 'a' },
    secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
  }
  expect((await org.call(`POST ${APP}/endpoint`, { json: full })).status).toBe(201)
  expect(refusal(await org.call(`POST ${APP}/endpoint`, { json: full }))).toEqual([409, 'conflict'])
  const odd = { ...full, uid: 'odd', eventTypes: ['order.payed'] }
  expect(refusal(await org.call(`POST ${APP}/endpoint`, { json: odd }))).toEqual([422, ['body.eventTypes']])
  const other = { url: broken.url, uid: 'broken' }
  expect((await org.call(`PUT ${APP}/endpoint/unknown`, { json: other })).status).toBe(201)
  expect((await org.call(`PUT ${BROKEN}`, { json: other })).status).toBe(200)
  expect(refusal(await org.call(`PUT ${BROKEN}`, { json: { ...other, uid: 'main' } }))).toEqual([409, 'conflict'])
  expect(refusal(await org.call(`PATCH ${BROKEN}`, { json: { uid: 'main' } }))).toEqual([409, 'conflict'])
  expect(await org.ask(`PATCH ${ENDPOINT}`, { channels: null })).toMatchObject({ channels: null, throttleRate: 500 })
  await org.ask(`PUT ${APP}/endpoint/gone`, { url: hook.url, uid: 'gone' })
  await org.ask(`DELETE ${APP}/endpoint/gone`)
  expect(refusal(await org.call(`GET ${APP}/endpoint/gone`))).toEqual([404, 'not_found'])
  const { data } = await org.ask<List>(`GET ${APP}/endpoint`)
  expect(data.map(({ uid }) => uid)).toEqual(['broken', 'main'])
  expect(await org.ask(`GET ${ENDPOINT}`)).toEqual(data[1])
})

test('headers and secrets of an endpoint are kept apart from it', async () => {
  await org.ask(`PUT ${ENDPOINT}/headers`, { headers: { 'x-a': '1', authorization: 'Basic eDp5', 'x-b': '2' } })
  await org.ask(`PATCH ${ENDPOINT}/headers`, { headers: { 'x-a': '3', 'x-b': null } })
  const headers = { headers: { 'x-a': '3' }, sensitive: ['authorization'] }
  expect(await org.ask(`GET ${ENDPOINT}/headers`)).toEqual(headers)
  const before = await org.ask(`GET ${ENDPOINT}/secret`)
  expect(before).toEqual({ key: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' })
  expect((await org.call(`POST ${ENDPOINT}/secret/rotate`, { json: {} })).status).toBe(204)
  expect(await org.ask(`GET ${ENDPOINT}/secret`)).not.toEqual(before)
  for (let rotations = 1; rotations < 10; rotations++) await org.ask(`POST ${ENDPOINT}/secret/rotate`, {})
  expect(refusal(await org.call(`POST ${ENDPOINT}/secret/rotate`, { json: {} }))).toEqual([400, 'limit_reached'])
})

const message = { eventType: 'order.paid', eventId: 'paid-1', payload: { total: 1.5 }, channels: ['north'] }

test('messages are sent, read, listed and tried, and every attempt is there to read', async () => {
  const sent = await org.call(`POST ${APP}/msg`, { json: { ...message, payloadRetentionPeriod: 5 } })
  expect(sent.status).toBe(202)
  expect(refusal(await org.call(`POST ${APP}/msg`, { json: message }))).toEqual([409, 'conflict'])
  await org.ask(`POST ${APP}/msg?with_content=false`, { eventType: 'order.lost', payload: {} })
  expect(await org.ask(`GET ${APP}/msg/paid-1`)).toEqual(sent.json())
  await soon(async () => (await attempts('endpoint/broken')).data.length).toBe(2)
  await soon(async () => (await attempts('endpoint/main')).data.length).toBe(1)

  expect((await org.ask<List>(`GET ${APP}/msg?event_types=order.paid`)).data).toEqual([sent.json()])
  expect((await org.ask<List>(`GET ${APP}/msg`)).data).toHaveLength(2)
  const [failed, succeeded] = (await attempts('msg/paid-1?status=2')).data.concat(
    (await attempts('msg/paid-1?status=0')).data,
  )
  expect([failed?.status, failed?.['response']]).toEqual([2, 'out of order'])
  expect([succeeded?.status, succeeded?.['response']]).toEqual([0, 'taken'])
  expect((await attempts('msg/paid-1', '?endpoint_id=main')).data).toEqual([succeeded])
  expect(await org.ask(`GET ${APP}/msg/paid-1/attempt/${succeeded!.id}`)).toEqual(succeeded)
  const tried = await org.ask<List>(`GET ${BROKEN}/msg`)
  expect(tried.data[1]).toMatchObject({ eventId: 'paid-1', status: 3, statusText: 'sending' })
  const destinations = await org.ask<List>(`GET ${APP}/msg/paid-1/endpoint`)
  expect(destinations.data.map(({ uid, status }) => [uid, status])).toEqual([
    ['main', 0],
    ['broken', 3],
  ])
  expect(await org.ask(`GET ${BROKEN}/stats`)).toEqual({ success: 0, pending: 0, sending: 2, fail: 0, canceled: 0 })
  const stats = await org.call(`GET ${BROKEN}/stats?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z`)
  expect(refusal(stats)).toEqual([400, 'invalid_range'])
})

test('what failed is sent again, one by one or all of it, and examples can be sent', async () => {
  expect((await org.call(`POST ${APP}/msg/paid-1/endpoint/main/resend`)).status).toBe(202)
  await soon(() => hook.received.length).toBe(2)
  const recovery = { since: new Date(Date.now() - 3_600_000).toISOString() }
  expect((await org.call(`POST ${BROKEN}/recover`, { json: recovery })).status).toBe(202)
  const tooOld = await org.call(`POST ${BROKEN}/recover`, { json: { since: '2020-01-01T00:00:00Z' } })
  expect(refusal(tooOld)).toEqual([422, ['body.since']])
  const example = await org.call(`POST ${ENDPOINT}/send-example`, { json: { eventType: 'order.paid' } })
  expect(example.status).toBe(200)
  await soon(() => hook.received.at(-1)?.body.toString()).toBe('{"total":1}')
  expect(refusal(await org.call(`POST ${ENDPOINT}/send-example`, { json: { eventType: 'order.lost' } }))[0]).toBe(404)
})

test('contents are taken away on demand, and cannot be sent again', async () => {
  const { data } = await eventually(async () => {
    const page = await attempts('msg/paid-1', '?endpoint_id=broken')
    return page.data.length > 0 ? page : null
  })
  expect((await org.call(`DELETE ${APP}/msg/paid-1/attempt/${data[0]!.id}/content`)).status).toBe(204)
  expect(await org.ask(`GET ${APP}/msg/paid-1/attempt/${data[0]!.id}`)).toMatchObject({ response: 'EXPUNGED' })
  expect((await org.call(`DELETE ${APP}/msg/paid-1/content`)).status).toBe(204)
  expect(await org.ask(`GET ${APP}/msg/paid-1`)).toMatchObject({ payload: { expired: true } })
  expect(refusal(await org.call(`POST ${APP}/msg/paid-1/endpoint/main/resend`))).toEqual([400, 'missing_payload'])
  // Cancelled with it was the retry that waited, which the contract has no word for but failure.
  const { data: tried } = await org.ask<List>(`GET ${BROKEN}/msg?status=2`)
  expect(tried.map(({ eventId, statusText }) => [eventId, statusText])).toEqual([['paid-1', 'fail']])
})

test('portal tokens see their application, and the health of the gateway needs no token', async () => {
  const access = await org.ask<{ token: string }>(`POST /auth/app-portal-access/acme`, { featureFlags: ['beta'] })
  const portal = gate.as(access.token)
  expect(await portal.ask(`GET ${APP}`)).toEqual(await org.ask(`GET ${APP}`))
  expect(refusal(await portal.call('GET /app'))).toEqual([403, 'insufficient access'])
  const other = await ofApp(await org.ask('POST /app', { name: 'Other' }))
  expect(refusal(await other.call(`GET ${APP}`))).toEqual([404, 'not_found'])
  expect(refusal(await nobody.call('POST /auth/logout'))).toEqual([501, 'not_implemented'])
  for (const method of ['GET', 'HEAD']) {
    expect((await nobody.call(`${method} /health`)).status).toBe(204)
    expect((await nobody.call(`${method} /health/ping`)).status).toBe(204)
  }
})

test('bodies that are too large, or that are no JSON, are refused', async () => {
  const large = { eventType: 'order.paid', payload: { text: 'x'.repeat(65_536) } }
  expect(refusal(await org.call(`POST ${APP}/msg`, { json: large }))).toEqual([413, 'payload_too_large'])
  expect(refusal(await org.call(`POST ${APP}/msg`, { body: '{"eventType":' }))).toEqual([422, ['body']])
  expect(refusal(await org.call(`GET ${APP}/msg?limit=many`))).toEqual([400, 'generic_error'])
})

test('every operation of the contract was carried out', () => {
  const carriedOut = new Set(exchanges.filter(({ status }) => status < 300 || status === 501).map(operationOf))
  expect(operations.filter((operation) => !carriedOut.has(operation)).map(nameOf)).toEqual([])
  expect(operations).toHaveLength(43)
})

test('no answer was other than the contract says', () => {
  const violations = exchanges.map((exchange) => [nameOf(exchange), violation(exchange)])
  expect(violations.filter(([, problem]) => problem !== null)).toEqual([])
})
