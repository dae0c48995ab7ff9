/** Doors of sources: from `POST /sources` to the receiver. */
import { createHmac } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { createFakeClock } from '../fake-clock.ts'
import { type Issue, type Sending, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const NOW = Date.parse('2026-01-15T10:00:00Z')
const receiver = await startReceiver()
const clock = createFakeClock({ start: NOW })
const gateway = await startGateway({ MAX_BODY: '8kb' }, undefined, { clock })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const SECRET = 'the secret of both sides'
const sign = (body: string | Buffer, secret = SECRET) => createHmac('sha256', secret).update(body).digest('hex')
const SCHEME = [{ header: 'X-Signature' }]
let made = 0
const create = (more: Record<string, unknown> = {}) =>
  gateway.ask<{ id: string; name: string }>('/sources', {
    json: {
      name: `shop-${++made}`,
      provider: 'generic',
      scheme: SCHEME,
      secrets: [{ secret: SECRET }],
      event_type: '{body:/type}',
      dedupe: '{body:/id}',
      ...more,
    },
  })
const post = (to: string, body: string | Buffer, more: Sending = {}) =>
  gateway.send(`/in/${to}`, { method: 'POST', body, ...more, headers: { 'x-signature': sign(body), ...more.headers } })
const event = (id: string) => JSON.stringify({ id, type: 'order/paid' })

describe('a source', () => {
  test('hands the bytes on to subscriptions that name the type, once for each event', async () => {
    const { name, id } = await create()
    const [named, all] = [receiver.hook(), receiver.hook()]
    await gateway.subscribe({ target_url: named.url, event_types: [`${name}.*`] })
    await gateway.subscribe({ target_url: all.url })
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(name, event('evt_1'))))
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toEqual(new Set(['200 {"status":"ok"}']))
    expect((await post(id, event('evt_2'))).status).toBe(200)
    await soon(() => named.received.map((one) => one.body.toString()).toSorted()).toEqual([
      event('evt_1'),
      event('evt_2'),
    ])
    expect(named.received[0]!.headers['x-event-type']).toBe(`${name}.order.paid`)
    expect(all.received).toEqual([])
  })

  test('takes any bytes, under their content type', async () => {
    const { name } = await create({ event_type: null, dedupe: null })
    const hook = receiver.hook()
    await gateway.subscribe({ target_url: hook.url, event_types: ['*'] })
    const body = Buffer.from([0xff, 0x00, 0xfe, 0x0a])
    expect((await post(name, body, { headers: { 'content-type': 'application/x-protobuf' } })).status).toBe(200)
    await soon(() => hook.received.length).toBe(1)
    expect(hook.received[0]).toMatchObject({ body, headers: { 'content-type': 'application/x-protobuf' } })
    expect(hook.received[0]!.headers['x-event-type']).toBe(`${name}.webhook`)
  })

  test('says no more than "invalid signature" to the sender, and the reason to its owner', async () => {
    const { name, id } = await create()
    const before = gateway.rows()
    for (const signature of [sign('other'), 'nonsense', [sign('{}'), sign('{}')], []]) {
      const answer = await post(name, '{}', { headers: { 'x-signature': signature } })
      expect([answer.status, answer.text]).toEqual([401, '{"detail":"invalid signature"}'])
    }
    expect(gateway.rows()).toEqual(before)
    const reasons = gateway.log.filter((line) => line['source_id'] === id).map((line) => line['result'])
    expect(reasons).toEqual(['signature_mismatch', 'header_malformed', 'header_repeated', 'header_missing'])
    const metrics = (await gateway.send('/metrics')).text
    expect(metrics).toMatch(/hookferry_source_requests_total\{provider="generic",result="header_repeated"\} 1/)
    expect(JSON.stringify(gateway.log)).not.toContain(sign('{}'))
  })

  test('takes each of its secrets until that expires, and nothing without one', async () => {
    const old = { secret: 'old', expires_at: new Date(clock.now() + 60_000).toISOString() }
    const { name } = await create({ secrets: [{ secret: 'new' }, old] })
    const status = async (secret: string, id: string) =>
      (await post(name, event(id), { headers: { 'x-signature': sign(event(id), secret) } })).status
    expect([await status('new', 'a'), await status('old', 'b'), await status('other', 'c')]).toEqual([200, 200, 401])
    await clock.advance(60_000)
    expect([await status('new', 'd'), await status('old', 'e')]).toEqual([200, 401])
    await gateway.send(`/sources/${name}`, { method: 'PATCH', json: { secrets: null } })
    expect(await status('new', 'f')).toBe(401)
  })

  test('refuses what it does not take before it looks at the signature', async () => {
    const { name } = await create({ content_types: ['application/json'] })
    const json = { 'content-type': 'application/json; charset=utf-8' }
    expect((await post(name, '{}', { headers: json })).status).toBe(200)
    expect((await post(name, '{}', { headers: { 'content-type': 'text/plain' } })).status).toBe(415)
    const zipped = gzipSync('{}')
    expect((await post(name, zipped, { headers: { ...json, 'content-encoding': 'gzip' } })).status).toBe(415)
    expect((await post(name, 'x'.repeat(8_193), { headers: json })).status).toBe(413)
    expect((await post(name, '{}', { method: 'PUT', headers: json })).status).toBe(405)
    expect((await post('unknown', '{}')).status).toBe(404)
    await gateway.send(`/sources/${name}`, { method: 'PATCH', json: { enabled: false, methods: ['PUT'] } })
    expect((await post(name, '{}', { headers: json })).status).toBe(404)
    await gateway.send(`/sources/${name}`, { method: 'PATCH', json: { enabled: true } })
    expect((await post(name, '{}', { method: 'PUT', headers: json })).status).toBe(200)
  })

  test('knows equal bytes again for 15 minutes, where that is what makes a repeat', async () => {
    const { name } = await create({ dedupe: 'hash' })
    const stored = () => gateway.rows().msg
    const before = stored()
    await post(name, '{"ping":1}')
    await clock.advance(14 * 60_000)
    await post(name, '{"ping":1}')
    expect(stored() - before).toBe(1)
    await clock.advance(2 * 60_000)
    await post(name, '{"ping":1}')
    await post(name, '{"ping":1}')
    expect(stored() - before).toBe(2)
  })

  test('answers as it is told to', async () => {
    const { name } = await create({ response: { status: 202, content_type: 'text/plain', body: '[accepted]' } })
    for (let i = 0; i < 2; i++) {
      const answer = await post(name, event('same'))
      expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([202, '[accepted]', 'text/plain'])
    }
  })
})

describe('managing sources', () => {
  test('a source is read, changed and deleted by its name or id, and its secrets are shown at one place', async () => {
    const { name, id } = await create({ secrets: [{ secret: 'very secret' }] })
    const read = await gateway.send(`/sources/${id}`)
    expect(read.json()).toMatchObject({ id, name, has_secret: true, scheme: SCHEME, methods: ['POST'] })
    expect(read.text).not.toContain('very secret')
    expect(await gateway.ask(`/sources/${name}/secrets`)).toEqual({
      data: [{ secret: 'very secret', expires_at: null }],
    })
    const replaced = await gateway.send(`/sources/${name}`, {
      method: 'PUT',
      json: { name: `${name}-2`, provider: 'generic', scheme: [{ header: 'X-Mac' }] },
    })
    expect(replaced.json()).toMatchObject({ has_secret: true, event_type: null, scheme: [{ header: 'X-Mac' }] })
    expect((await post(name, '{}')).status).toBe(404)
    const list = await gateway.ask<{ total: number; data: { id: string }[] }>('/sources?limit=100')
    expect(list.data.map((one) => one.id)).toContain(id)
    expect((await gateway.send(`/sources/${id}`, { method: 'DELETE' })).status).toBe(204)
    expect((await gateway.send(`/sources/${id}`)).status).toBe(404)
    expect((await post(id, '{}')).status).toBe(404)
  })

  test.each([
    [{ name: 'Shop' }, ['body', 'name']],
    [{ name: 'providers' }, ['body', 'name']],
    [{ provider: 'nobody' }, ['body', 'provider']],
    [{ scheme: undefined }, ['body', 'scheme']],
    [{ scheme: [{ header: 'X-A', content: '{ts}.{body}' }] }, ['body', 'scheme', 0, 'content']],
    [{ scheme: [{ header: 'X-A', key: 'hex' }] }, ['body', 'secrets', 0, 'secret']],
    [{ scheme: [{ header: 'X-A', content: '{url}{body}' }] }, ['body']],
    [{ tolerance: '5m' }, ['body', 'tolerance']],
    [{ event_type: '{nothing:x}' }, ['body', 'event_type']],
    [{ evnt_type: 'x' }, ['body', 'evnt_type']],
    [{ response: { status: 500 } }, ['body', 'response', 'status']],
  ])('%j is refused where it is wrong', async (wrong, loc) => {
    const json = { name: 'wrong', provider: 'generic', scheme: SCHEME, secrets: [{ secret: SECRET }], ...wrong }
    const answer = await gateway.send('/sources', { method: 'POST', json })
    expect(answer.status).toBe(422)
    expect(answer.json<{ detail: Issue[] }>().detail.map((issue) => issue.loc)).toContainEqual(loc)
  })

  test('a name that is taken is refused', async () => {
    const { name } = await create()
    const json = { name, provider: 'standard-webhooks' }
    const answer = await gateway.send('/sources', { method: 'POST', json })
    expect(answer.json<{ detail: Issue[] }>().detail).toMatchObject([{ loc: ['body', 'name'] }])
  })
})
