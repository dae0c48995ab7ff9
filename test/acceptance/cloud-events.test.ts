import { afterAll, describe, expect, test } from 'vitest'
import { startFakeSvix } from './fake-svix.ts'
import { soon, startGateway } from './gateway.ts'
import { cloudEvent, issuesOf, notify, placesOf, plainEvent, towards } from './notification-gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const latin1 = (text: string) => Buffer.from(text).toString('latin1')
const svix = await startFakeSvix()
const gateway = await startGateway(towards(svix))
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await svix[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const inSvix = (id: string) => svix.messages.filter((message) => message.payload['id'] === id)

describe('CloudEvents', () => {
  const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
  const batch = { 'content-type': 'application/cloudevents-batch+json' }
  const sent = (event: object) => JSON.parse(JSON.stringify(event)) as object

  test.each(['application/cloudevents+json', 'Application/CloudEvents+JSON; charset=UTF-8', 'application/json'])(
    'in structured mode are understood as %s',
    async (contentType) => {
      const event = cloudEvent()
      const answer = await notify(gateway, event, { 'content-type': contentType })
      expect(answer).toMatchObject({ accepted: 1, messages: [{ event_id: event.id }] })
      await soon(() => inSvix(event.id)).toMatchObject([{ eventType: event.type, payload: sent(event) }])
    },
  )

  test('in a batch are understood, one message each', async () => {
    const events = [cloudEvent(), cloudEvent()]
    expect(await notify(gateway, events, batch)).toMatchObject({ accepted: 2 })
    for (const event of events) await soon(() => inSvix(event.id)).toMatchObject([{ payload: sent(event) }])
  })

  test('in an empty batch are none', async () => {
    expect(await notify(gateway, [], batch)).toEqual({ accepted: 0, duplicates: 0, messages: [] })
  })

  test('in binary mode become what they would be in structured mode, with the bytes of their data', async () => {
    const { id } = cloudEvent()
    const answer = await notify(gateway, '{ "n": 1.0, "big": 12345678901234567890 }', {
      'content-type': 'application/json; charset=utf-8',
      'CE-SpecVersion': '1.0',
      'ce-type': 'com.example.someevent',
      'ce-source': '/mycontext/%E2%82%AC',
      'ce-id': id,
      'ce-time': '2018-04-05T03:56:24Z',
      'ce-myextension': '"a \\"quoted\\" value"',
    })
    expect(answer).toMatchObject({ accepted: 1, messages: [{ event_id: id }] })
    const event = {
      specversion: '1.0',
      type: 'com.example.someevent',
      source: '/mycontext/€',
      id,
      time: '2018-04-05T03:56:24Z',
      myextension: 'a "quoted" value',
      datacontenttype: 'application/json; charset=utf-8',
    }
    await soon(() => inSvix(id)).toMatchObject([{ eventType: event.type, payload: event }])
    const payload = await gateway.send(`/deliveries/${answer.messages[0]?.id}/payload`)
    expect(payload.headers['content-type']).toBe('application/cloudevents+json')
    expect(payload.text).toContain('"data":{ "n": 1.0, "big": 12345678901234567890 }')
    expect(inSvix(id)[0]?.text).toContain('"data":{"n":1.0,"big":12345678901234567890}')
  })

  test('in binary mode may have data of any kind, or none', async () => {
    const attributes = (id: string) => ({ 'ce-specversion': '1.0', 'ce-type': 't', 'ce-source': '/', 'ce-id': id })
    const [some, none] = [cloudEvent().id, cloudEvent().id]
    await notify(gateway, Buffer.of(0, 255), { ...attributes(some), 'content-type': 'application/octet-stream' })
    await soon(() => inSvix(some)).toMatchObject([{ payload: { data_base64: 'AP8=' } }])
    await notify(gateway, '', attributes(none))
    await soon(() => inSvix(none)).toHaveLength(1)
    expect(Object.keys(inSvix(none)[0]?.payload ?? {})).not.toContain('data')
  })

  test('are the same event when source and id are, in whichever mode they come', async () => {
    const event = cloudEvent()
    const { messages } = await notify(gateway, event, structured)
    const headers = { 'ce-specversion': '1.0', 'ce-type': 'user.created', 'ce-source': '/users', 'ce-id': event.id }
    expect(await notify(gateway, '{}', headers)).toMatchObject({ duplicates: 1, messages: [{ id: messages[0]?.id }] })
    expect(await notify(gateway, [event], batch)).toMatchObject({ duplicates: 1 })
    expect(await notify(gateway, cloudEvent({ id: event.id, source: '/others' }))).toMatchObject({ accepted: 1 })
    expect(await notify(gateway, plainEvent({ id: event.id }))).toMatchObject({ accepted: 1 })
    await soon(() => inSvix(event.id)).toHaveLength(3)
    expect(new Set(inSvix(event.id).map((message) => message.eventId)).size).toBe(3)
  })

  test.each<[string, unknown, Record<string, string>, string[]]>([
    ['without source', cloudEvent({ source: undefined }), structured, ['body.source: missing']],
    ['of another version', cloudEvent({ specversion: '0.3' }), structured, ['body.specversion: value_error']],
    ['that are none', plainEvent(), structured, ['body.source: missing', 'body.specversion: missing']],
    ['among which one is none', [cloudEvent(), plainEvent({ source: '/' })], batch, ['body.1.specversion: missing']],
    ['in a batch that is no list', cloudEvent(), batch, ['body: value_error']],
    [
      'in a format that is not JSON',
      '<event/>',
      { 'content-type': 'application/cloudevents+xml' },
      ['body: json_invalid'],
    ],
    [
      'in binary mode with everything wrong',
      '{',
      { 'ce-specversion': '2.0', 'ce-id': '%C0%A0', 'ce-type': '*' },
      [
        'header.ce-id: value_error',
        'body: json_invalid',
        'header.ce-source: missing',
        'header.ce-specversion: value_error',
        'header.ce-type: value_error',
      ],
    ],
  ])('%s are refused', async (_name, body, headers, places) => {
    expect(placesOf(await issuesOf(gateway, body, headers))).toEqual(places)
  })

  test('leave as CloudEvents, in whichever mode they came, and plain events as JSON', async () => {
    const hook = receiver.hook()
    await gateway.subscribe({ target_url: hook.url, event_types: ['to.a.subscription'] })
    const type = 'to.a.subscription'
    const structuredEvent = cloudEvent({ type })
    await notify(gateway, structuredEvent, structured)
    await notify(gateway, [cloudEvent({ type })], batch)
    await notify(gateway, cloudEvent({ type }))
    const header = { 'ce-specversion': '1.0', 'ce-type': type, 'ce-source': '/', 'ce-id': cloudEvent().id }
    // As bytes: Node would write the headers in the encoding of a text.
    await notify(gateway, Buffer.from('grüße'), {
      ...header,
      'content-type': 'text/plain',
      'ce-subject': latin1('żółw'),
    })
    await soon(() => hook.received.length).toBe(4)
    for (const { headers, body } of hook.received) {
      expect(headers['content-type']).toBe('application/cloudevents+json')
      expect(JSON.parse(body.toString())).toMatchObject({ specversion: '1.0', type })
    }
    const events = hook.received.map(({ body }) => body.toString())
    expect(events).toContain(JSON.stringify(structuredEvent))
    expect(events.find((text) => text.includes('żółw'))).toContain('"data":"grüße"}')

    await notify(gateway, plainEvent({ type }))
    await soon(() => hook.received.length).toBe(5)
    expect(hook.received[4]?.headers['content-type']).toBe('application/json')
  })
})

describe('the handshake of a sender of CloudEvents', () => {
  const ask = (path: string, headers: Record<string, string>) => gateway.send(path, { method: 'OPTIONS', headers })

  test.each(['/notifications', '/ingest', '/ingest/ep_2p1dTq0vAc3m5n7R9sXyZbCdEfG'])(
    'is answered at %s',
    async (path) => {
      const origin = { 'webhook-request-origin': 'eventgrid.azure.net', 'webhook-request-rate': '120' }
      const answer = await ask(path, origin)
      expect(answer.status).toBe(200)
      expect(answer.headers).toMatchObject({
        'webhook-allowed-origin': 'eventgrid.azure.net',
        'webhook-allowed-rate': '*',
        allow: 'POST, OPTIONS',
      })
    },
  )

  test.each<[string, string, Record<string, string>]>([
    ['without an origin', '/notifications', {}],
    ['of an origin that is no name', '/notifications', { 'webhook-request-origin': 'a b' }],
    ['where no events are taken', '/subscriptions', { 'webhook-request-origin': 'eventgrid.azure.net' }],
  ])('%s is none', async (_name, path, headers) => {
    const answer = await ask(path, headers)
    expect([answer.status, answer.headers['webhook-allowed-origin']]).toEqual([405, undefined])
  })

  test('needs no key', async () => {
    await using guarded = await startGateway({ API_KEY: 'a-key-of-eight' })
    const headers = { 'webhook-request-origin': 'eventgrid.azure.net' }
    expect((await guarded.send('/notifications', { method: 'OPTIONS', headers })).status).toBe(200)
    expect((await guarded.send('/notifications', { json: cloudEvent() })).status).toBe(401)
  })
})
