/**
 * Where an API that looks like Svix would still break its clients. More of it: what is refused (`refusals.test.ts`), the payload's
 * bytes (`payload-bytes.test.ts`), repeated requests (`repeats.test.ts`), what became of messages (`message-log.test.ts`).
 */
import { afterAll, describe, expect, test } from 'vitest'
import { eventually, soon } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { nameOf, operations } from './contract.ts'
import { type List, refusal, startSvixGateway } from './svix-gateway.ts'

const receiver = await startReceiver()
const { org, nobody, ofOrg, ...gate } = await startSvixGateway()
afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const hook = receiver.hook({ status: 200, body: 'taken' })
await org.ask('POST /app', { name: 'Acme', uid: 'acme' })
await org.ask('POST /event-type', { name: 'order.paid', description: 'Paid', schemas: { 1: { type: 'object' } } })
await org.ask('POST /app/acme/endpoint', { url: hook.url, uid: 'main', eventTypes: ['order.paid'] })
const payload = { total: 1 }
const sent = await org.ask('POST /app/acme/msg', { eventType: 'order.paid', eventId: 'paid', payload })
const [attempt] = await eventually(async () => {
  const { data } = await org.ask<List>('GET /app/acme/attempt/endpoint/main')
  return data.length > 0 ? data : null
})

describe('a slash at the end of a path', () => {
  const names: Record<string, string> = {
    app_id: 'acme',
    endpoint_id: 'main',
    msg_id: 'paid',
    attempt_id: attempt!.id,
    event_type_name: 'order.paid',
  }
  const named = operations.map((operation) => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => names[name] ?? '')
    return [nameOf(operation), operation.method, path] as const
  })

  test.each(named)('leads %s to the same answer', async (_, method, path) => {
    // Without a token, so that nothing is changed; an unknown route would be a 404.
    const [plain, slashed] = [await nobody.call(`${method} ${path}`), await nobody.call(`${method} ${path}/`)]
    expect([slashed.status, slashed.text]).toEqual([plain.status, plain.text])
    expect([200, 204, 401, 501]).toContain(plain.status)
  })

  test.each(named.filter(([, method]) => method === 'GET'))(
    'changes nothing of what %s reads',
    async (_, method, path) => {
      // `until` is now for counts; everything else stands still.
      const [plain, slashed] = [await org.call(`${method} ${path}`), await org.call(`${method} ${path}/`)]
      expect([plain.status, plain.text]).toEqual([slashed.status, slashed.text])
      expect(plain.status).toBeLessThan(300)
    },
  )

  test('may come before a query, and writes are the same with it', async () => {
    const { id } = await org.ask('POST /app/?get_if_exists=true', { name: 'Bolt', uid: 'bolt' })
    expect(await org.ask('POST /app/?get_if_exists=true', { name: 'Bolt', uid: 'bolt' })).toMatchObject({ id })
    expect(await org.ask('PUT /app/bolt/', { name: 'Nut', uid: 'bolt' })).toMatchObject({ id, name: 'Nut' })
    expect(await org.ask('PATCH /app/bolt/', { name: 'Washer' })).toMatchObject({ id, name: 'Washer' })
    await org.ask('POST /app/bolt/msg/?with_content=false', { eventType: 'order.paid', payload })
    expect((await org.ask<List>('GET /app/bolt/msg/?limit=1&with_content=false')).data).toMatchObject([{ payload: {} }])
    expect((await org.call('DELETE /app/bolt/')).status).toBe(204)
  })
})

describe('PUT on an id that is unknown', () => {
  const foreign = '1srOrx2ZWZBpBUvZwXKQmoEYga2'

  test.each([`app_${foreign}`, 'app_x', 'nothing'])('makes an application: /app/%s', async (name) => {
    const made = await org.call(`PUT /app/${name}`, { json: { name: 'Fresh' } })
    expect(made.status).toBe(201)
    const { id } = made.json()
    expect(id).toMatch(/^app_\w{27}$/)
    expect(id).not.toBe(name)
    expect(made.json()).not.toHaveProperty('uid')
    expect(refusal(await org.call(`GET /app/${name}`))).toEqual([404, 'not_found'])
    const again = await org.call(`PUT /app/${id}`, { json: { name: 'Stale' } })
    expect([again.status, again.json().id]).toEqual([200, id])
  })

  test.each([`ep_${foreign}`, 'ep_x', 'nothing'])('makes an endpoint: /app/acme/endpoint/%s', async (name) => {
    const json = { url: hook.url, disabled: true }
    const made = await org.call(`PUT /app/acme/endpoint/${name}`, { json })
    expect(made.status).toBe(201)
    const { id, uid } = made.json()
    expect(id).toMatch(/^ep_\w{27}$/)
    expect([id === name, uid]).toEqual([false, null])
    expect((await org.ask<{ key: string }>(`GET /app/acme/endpoint/${id}/secret`)).key).toMatch(/^whsec_/)
    const again = await org.call(`PUT /app/acme/endpoint/${id}`, { json })
    expect([again.status, again.json().id]).toEqual([200, id])
  })

  test('makes an event type of that name', async () => {
    const made = await org.call('PUT /event-type/order.made', { json: { description: '' } })
    expect([made.status, made.json().name]).toEqual([201, 'order.made'])
  })
})

test('a query that cannot be read is told before a missing token, and a broken body after it', async () => {
  const broken = { body: '{' }
  expect(refusal(await nobody.call('POST /app?get_if_exists=perhaps', broken))).toEqual([400, 'generic_error'])
  expect(refusal(await org.call('POST /app?get_if_exists=perhaps', broken))).toEqual([400, 'generic_error'])
  expect(refusal(await nobody.call('POST /app', broken))).toEqual([401, 'authentication_failed'])
  expect(refusal(await org.call('POST /app', broken))).toEqual([422, ['body']])
  expect(refusal(await nobody.call('GET /app/nothing/msg?limit=251'))).toEqual([422, ['query.limit']])
  // What does not exist comes last.
  expect(refusal(await org.call('POST /app/nothing/endpoint', broken))).toEqual([422, ['body']])
})

describe('an event type that nobody has made', () => {
  const unknown = { eventTypes: ['order.paid', 'order.payed', 'order.lost'] }
  const existing = [422, ['body.eventTypes']]

  test('cannot be subscribed to', async () => {
    for (const what of ['POST /app/acme/endpoint', 'PUT /app/acme/endpoint/new', 'PUT /app/acme/endpoint/main']) {
      const answer = await org.call(what, { json: { url: hook.url, ...unknown } })
      expect(refusal(answer)).toEqual(existing)
      expect(answer.text).toContain("The following event types don't exist: order.payed, order.lost")
    }
    expect(refusal(await org.call('PATCH /app/acme/endpoint/main', { json: unknown }))).toEqual(existing)
    const older = { filterTypes: unknown.eventTypes }
    expect(refusal(await org.call('PATCH /app/acme/endpoint/main', { json: older }))).toEqual(existing)
    expect(await org.ask('GET /app/acme/endpoint/main')).toMatchObject({ eventTypes: ['order.paid'] })
  })

  test('can be sent, and reaches who wants everything', async () => {
    const all = receiver.hook()
    await org.ask('POST /app/acme/endpoint', { url: all.url })
    await org.ask('POST /app/acme/msg', { eventType: 'never.heard-of', payload })
    await soon(() => all.received.length).toBe(1)
    expect(all.received[0]!.body.toString()).toBe('{"total":1}')
  })

  test('is one that is archived, or that another organization has', async () => {
    await org.ask('POST /event-type', { name: 'old', description: '' })
    await org.ask('DELETE /event-type/old')
    const old = { json: { url: hook.url, eventTypes: ['old'] } }
    expect(refusal(await org.call('POST /app/acme/endpoint', old))).toEqual(existing)
    const other = await ofOrg('org_other')
    await other.ask('POST /app', { name: 'Acme', uid: 'acme' })
    const foreign = { json: { url: hook.url, eventTypes: ['order.paid'] } }
    expect(refusal(await other.call('POST /app/acme/endpoint', foreign))).toEqual(existing)
  })
})

test('a resend is answered 202 with an empty object, and not with nothing', async () => {
  const before = hook.received.length
  const answer = await org.call('POST /app/acme/msg/paid/endpoint/main/resend')
  expect([answer.status, answer.text]).toEqual([202, '{}'])
  await soon(() => hook.received.length).toBe(before + 1)
})

describe('what was answered to a write', () => {
  const whole = { description: '', eventTypes: ['order.paid'], channels: ['b', 'a'], metadata: { z: '1', a: '2' } }
  const things: [string, string, object, string][] = [
    ['application', '/app', { name: 'A', uid: 'same', metadata: { z: '1', a: '2' }, throttleRate: 5 }, 'id'],
    ['application that says little', '/app', { name: 'B' }, 'id'],
    ['endpoint', '/app/acme/endpoint', { url: 'https://EXAMPLE.com', uid: 'same', ...whole }, 'id'],
    ['endpoint that says little', '/app/acme/endpoint', { url: hook.url, disabled: true }, 'id'],
    ['event type', '/event-type', { name: 'same', description: '', schemas: { 1: { b: 1, a: 2 } } }, 'name'],
  ]

  test.each(things)('of an %s is what everybody reads, to the last digit', async (_, path, json, key) => {
    const made = await org.ask(`POST ${path}`, json)
    const name = made[key] as string
    const read = () => org.ask(`GET ${path}/${name}`)
    const listed = async () =>
      (await org.ask<List>(`GET ${path}?limit=250&with_content=true`)).data.find((one) => one[key] === name)
    expect([await read(), await listed()]).toEqual([made, made])
    expect(made['createdAt']).toBe(made['updatedAt'])
    expect(made['createdAt']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z$/)

    const patched = await org.ask(`PATCH ${path}/${name}`, { metadata: { b: '3' }, description: 'other' })
    expect([await read(), await listed()]).toEqual([patched, patched])
    expect(patched['createdAt']).toBe(made['createdAt'])
    expect(Date.parse(String(patched['updatedAt']))).toBeGreaterThan(Date.parse(String(made['updatedAt'])))

    const replaced = await org.ask(`PUT ${path}/${name}`, { description: '', ...json })
    expect([await read(), await listed()]).toEqual([replaced, replaced])
    expect(replaced).toEqual({ ...made, updatedAt: replaced['updatedAt'] })
  })

  test('of a message is what everybody reads, by its id and by the id of its event', async () => {
    const json = { eventType: 'order.paid', eventId: 'same', channels: ['b', 'a'], payload: { b: 1, a: [2] } }
    const made = await org.call('POST /app/acme/msg', { json })
    const { id } = made.json()
    for (const name of [id, 'same']) expect((await org.call(`GET /app/acme/msg/${name}`)).text).toBe(made.text)
    const page = await org.call('GET /app/acme/msg?limit=1')
    expect(page.json<List>().data).toEqual([made.json()])
    expect(page.text).toContain(made.text)
  })

  test('of an attempt is the same in every list', async () => {
    const lists = ['attempt/endpoint/main', 'attempt/msg/paid', 'msg/paid/attempt', 'msg/paid/endpoint/main/attempt']
    for (const path of lists) {
      const { data } = await org.ask<List>(`GET /app/acme/${path}`)
      expect(data.find(({ id }) => id === attempt!.id)).toEqual(attempt)
    }
    expect(await org.ask(`GET /app/acme/msg/paid/attempt/${attempt!.id}`)).toEqual(attempt)
  })
})

describe('contents', () => {
  test('of messages and attempts are shown unless the client says otherwise', async () => {
    expect(sent['payload']).toEqual(payload)
    for (const path of ['/app/acme/msg/paid', '/app/acme/msg', '/app/acme/endpoint/main/msg']) {
      expect((await org.call(`GET ${path}`)).text).toContain('"payload":{"total":1}')
      expect((await org.call(`GET ${path}?with_content=false`)).text).not.toContain('"payload":{"total":1}')
      expect((await org.call(`GET ${path}?with_content=false`)).text).toContain('"payload":{}')
    }
    for (const path of ['/app/acme/attempt/endpoint/main', '/app/acme/attempt/msg/paid']) {
      expect((await org.ask<List>(`GET ${path}`)).data[0]).toMatchObject({ response: 'taken' })
      expect((await org.ask<List>(`GET ${path}?with_content=false`)).data[0]).toMatchObject({ response: '{}' })
    }
    const brief = await org.ask('POST /app/acme/msg?with_content=false', { eventType: 'order.paid', payload })
    expect(brief['payload']).toEqual({})
    expect((await org.ask(`GET /app/acme/msg/${brief.id}`))['payload']).toEqual(payload)
  })

  test('of event types are shown in lists only on demand', async () => {
    const listed = async (query: string) =>
      (await org.ask<List>(`GET /event-type${query}`)).data.find(({ name }) => name === 'order.paid')
    expect(await listed('')).toMatchObject({ schemas: null })
    expect(await listed('?with_content=true')).toMatchObject({ schemas: { 1: { type: 'object' } } })
    expect(await org.ask('GET /event-type/order.paid')).toMatchObject({ schemas: { 1: { type: 'object' } } })
  })
})

test.each(['GET /health', 'HEAD /health', 'GET /health/ping'])(
  '%s is a 204, which every SDK can read',
  async (what) => {
    const health = await nobody.call(what)
    expect([health.status, health.text]).toEqual([204, ''])
  },
)
