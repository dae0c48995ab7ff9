import { afterAll, describe, expect, test } from 'vitest'
import { startFakeSvix } from './fake-svix.ts'
import { soon, startGateway } from './gateway.ts'
import { cloudEvent, issuesOf, notify, placesOf, plainEvent, towards } from './notification-gateway.ts'

const svix = await startFakeSvix()
const gateway = await startGateway(towards(svix))
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await svix[Symbol.asyncDispose]()
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
    expect(payload.headers['content-type']).toBe('application/json')
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
})
