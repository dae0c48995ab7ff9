import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { startFakeSvix } from './fake-svix.ts'
import { type Client, soon, startGateway, temporaryDirectory } from './gateway.ts'
import {
  cloudEvent,
  issuesOf,
  notify,
  notifyOne,
  placesOf,
  plainEvent,
  post,
  SVIX_ENDPOINT,
  towards,
} from './notification-gateway.ts'
import { startReceiver } from './receiver.ts'

const svix = await startFakeSvix()
const receiver = await startReceiver()
const gateway = await startGateway(towards(svix))
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await svix[Symbol.asyncDispose]()
})
beforeEach(() => gateway.unsubscribeAll())

const inSvix = (id: string) => svix.messages.filter((message) => message.payload['id'] === id)
const A_MESSAGE_ID = expect.stringMatching(/^msg_[0-9A-Za-z]{27}$/) as string

describe('one request', () => {
  test('with one event makes one message in Svix', async () => {
    const event = plainEvent()
    const answer = await post(gateway, event)
    expect(answer.status).toBe(202)
    expect(answer.json()).toEqual({
      accepted: 1,
      duplicates: 0,
      messages: [{ id: A_MESSAGE_ID, event_id: event.id, duplicate: false }],
    })
    await soon(() => inSvix(event.id)).toMatchObject([
      { app: 'app1', eventId: event.id, eventType: event.type, payload: event },
    ])
  })

  test('with a list makes a message of each, in the order of the answer', async () => {
    const events = [plainEvent(), plainEvent({ type: 'user.deleted' }), plainEvent()]
    const answer = await notify(gateway, events)
    expect(answer).toMatchObject({ accepted: 3, duplicates: 0 })
    expect(answer.messages.map((message) => message.event_id)).toEqual(events.map((event) => event.id))
    for (const event of events)
      await soon(() => inSvix(event.id)).toMatchObject([{ eventType: event.type, payload: event }])
  })

  test('may bring a thousand events, but not one more', async () => {
    const events = Array.from({ length: 1_001 }, () => plainEvent())
    expect(await issuesOf(gateway, events)).toEqual([
      { loc: ['body'], msg: 'There are 1001 events; a request may bring 1000.', type: 'value_error' },
    ])
    const answer = await notify(gateway, events.slice(1))
    expect(answer).toMatchObject({ accepted: 1_000, duplicates: 0 })
    expect(new Set(answer.messages.map((message) => message.id)).size).toBe(1_000)
    await soon(() => events.slice(1).filter((event) => inSvix(event.id).length !== 1)).toEqual([])
    expect(inSvix(events[0]!.id)).toEqual([])
  })

  test('may bring no event at all', async () => {
    expect(await notify(gateway, [])).toEqual({ accepted: 0, duplicates: 0, messages: [] })
  })

  test('is accepted as a whole or not at all, and every problem is named', async () => {
    const fine = plainEvent()
    const issues = await issuesOf(gateway, [
      fine,
      { type: 'user.created' },
      plainEvent({ id: '' }),
      'an event',
      cloudEvent({ source: undefined, type: 'all.*' }),
      null,
      plainEvent(),
    ])
    expect(placesOf(issues)).toEqual([
      'body.1.id: missing',
      'body.2.id: value_error',
      'body.3: value_error',
      'body.4.source: missing',
      'body.4.type: value_error',
      'body.5: value_error',
    ])
    await notify(gateway, plainEvent())
    expect(inSvix(fine.id)).toEqual([])
    expect(await notify(gateway, fine)).toMatchObject({ accepted: 1, duplicates: 0 })
  })

  test.each<[string, string | Buffer, RegExp]>([
    ['without a body', '', /empty/],
    ['that is cut off', '[{"id":"a","type":"b"}', /not JSON/],
    ['that is not UTF-8', Buffer.from('{"id":"\u00e9","type":"b"}', 'latin1'), /not UTF-8/],
    ['with a number', '7', /JSON object/],
    ['with a text', '"evt"', /JSON object/],
    ['with null', 'null', /JSON object/],
    ['with lists in lists', '[[{"id":"a","type":"b"}]]', /JSON object/],
  ])('%s is refused', async (_name, body, words) => {
    const [issue, ...others] = await issuesOf(gateway, body)
    expect(others).toEqual([])
    expect(issue?.msg).toMatch(words)
  })

  test('that is larger than MAX_BODY is refused', async () => {
    const answer = await post(gateway, plainEvent({ text: 'x'.repeat(1_048_576) }))
    expect(answer.status).toBe(413)
    expect(answer.json()).toMatchObject({ code: 'body_too_large' })
  })

  test('may have a slash at its end, but no other method', async () => {
    const event = plainEvent()
    expect((await gateway.send('/notifications/', { json: event })).status).toBe(202)
    expect((await gateway.send('/notifications')).status).toBe(405)
  })
})

describe('the same event', () => {
  test('in one request is one message', async () => {
    const [once, twice] = [plainEvent(), plainEvent()]
    const answer = await notify(gateway, [twice, once, { ...twice, user: 'another' }])
    expect(answer).toMatchObject({ accepted: 2, duplicates: 1 })
    expect(answer.messages.map((message) => message.duplicate)).toEqual([false, false, true])
    expect(answer.messages[2]?.id).toBe(answer.messages[0]?.id)
    await soon(() => inSvix(twice.id)).toMatchObject([{ payload: twice }])
  })

  test('in a later request is answered with the first message, and not sent again', async () => {
    const event = plainEvent()
    const id = await notifyOne(gateway, event)
    await gateway.messageWhen(id, 'delivered')
    const again = { accepted: 0, duplicates: 1, messages: [{ id, event_id: event.id, duplicate: true }] }
    for (const body of [event, [event], { ...event, type: 'user.deleted' }])
      expect(await notify(gateway, body)).toEqual(again)
    const other = await notifyOne(gateway, plainEvent())
    await gateway.messageWhen(other, 'delivered')
    expect(svix.posts().filter((request) => request.text.includes(`"${event.id}"`))).toHaveLength(1)
  })

  test('in many requests at once is one message, and exactly one of them hears that it was the first', async () => {
    const events = Array.from({ length: 20 }, () => plainEvent())
    const requests = Array.from({ length: 40 }, (_, i) => [...events.slice(i % 20), ...events.slice(0, i % 20)])
    const answers = await Promise.all(requests.map((request) => notify(gateway, request)))
    const messages = answers.flatMap((answer) => answer.messages)
    expect(messages).toHaveLength(800)
    for (const event of events) {
      const ofEvent = messages.filter((message) => message.event_id === event.id)
      expect(new Set(ofEvent.map((message) => message.id)).size).toBe(1)
      expect(ofEvent.filter((message) => !message.duplicate)).toHaveLength(1)
      await soon(() => inSvix(event.id)).toHaveLength(1)
    }
    expect(
      svix.posts().filter((request) => events.some((event) => request.text.includes(`"${event.id}"`))),
    ).toHaveLength(20)
  })
})

describe('subscriptions', () => {
  test('receive notifications whose types they name, byte for byte as they stood in the list', async () => {
    const [all, some, nameless] = [receiver.hook(), receiver.hook(), receiver.hook()]
    await gateway.subscribe({ target_url: all.url, event_types: ['*'] })
    await gateway.subscribe({ target_url: nameless.url })
    await gateway.subscribe({ target_url: some.url, event_types: ['user.*'] })
    const [a, b] = [plainEvent().id, plainEvent().id]
    const elements = [
      `{ "id":"${a}",\n\t"type" : "user.created", "n": [1.0, 1e5, 12345678901234567890], "s":"\\u00e9 ]},", "n":-0 }`,
      `{"type":"order.paid","id":"${b}"}`,
    ]
    await notify(gateway, `  [ ${elements.join(' ,\r\n')}\n]`)
    await soon(() => all.received.map((request) => request.body.toString()).sort()).toEqual([...elements].sort())
    await soon(() => some.received.map((request) => request.body.toString())).toEqual([elements[0]])
    expect(some.received[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'x-event-type': 'user.created',
      'webhook-id': A_MESSAGE_ID,
    })
    await soon(() => inSvix(a)[0]?.text).toContain('"n":-0')
    await soon(() => inSvix(b)).toHaveLength(1)
    // Whoever names no type gets what is published by hand.
    await gateway.ask('/ingest?event_type=order.paid', { json: { by: 'hand' } })
    await soon(() => nameless.received.map((request) => request.body.toString())).toEqual(['{"by":"hand"}'])
  })

  test('do not include Svix: it cannot be listed, read, changed, deleted or sent to', async () => {
    expect(await gateway.ask('/subscriptions')).toMatchObject({ data: [], total: 0 })
    const path = `/subscriptions/${SVIX_ENDPOINT}`
    const answers = await Promise.all([
      gateway.send(path),
      gateway.send(path, { method: 'PATCH', json: { enabled: false } }),
      gateway.send(path, { method: 'DELETE' }),
      gateway.send(`${path}/secret`),
      gateway.send(`/ingest/${SVIX_ENDPOINT}`, { json: plainEvent() }),
    ])
    for (const answer of answers)
      expect([answer.status, answer.text]).toEqual([404, expect.stringContaining('subscription_not_found')])
    const event = plainEvent()
    await gateway.ask('/ingest?event_type=user.created', { json: event })
    await gateway.messageWhen(await notifyOne(gateway, plainEvent()), 'delivered')
    expect(inSvix(event.id)).toEqual([])
  })
})

test('with API_KEY a key is needed', async () => {
  await using guarded = await startGateway(towards(svix, { API_KEY: 'management-key' }))
  const event = plainEvent()
  for (const headers of [{}, { authorization: 'Bearer wrong-key' }]) {
    const answer = await post(guarded, event, headers)
    expect([answer.status, answer.json()]).toMatchObject([401, { code: 'unauthorized' }])
  }
  expect(guarded.rows().msg).toBe(0)
  expect(await notify(guarded, event, { authorization: 'Bearer management-key' })).toMatchObject({ accepted: 1 })
})

describe('without SVIX_TOKEN', () => {
  const metric = async (at: Client, name: string) =>
    new RegExp(`^${name} (\\d+)$`, 'm').exec((await at.send('/metrics')).text)?.[1]

  test('events are stored, published, and kept for Svix, which gets them once it is configured', async () => {
    using directory = temporaryDirectory()
    const [event, other] = [plainEvent(), plainEvent()]
    let id = ''
    {
      await using without = await startGateway({ SVIX_APP_ID: 'app1', SVIX_SERVER_URL: svix.url }, directory.path)
      const first = await notify(without, event)
      expect(first).toMatchObject({ accepted: 1, duplicates: 0, svix: 'not configured' })
      id = first.messages[0]!.id
      expect(await without.message(id)).toMatchObject({
        status: 'queued',
        deliveries: [
          { subscription_id: SVIX_ENDPOINT, status: 'queued', next_attempt_at: null, held: 'not configured' },
        ],
      })
      expect(await notify(without, [event])).toMatchObject({ accepted: 0, duplicates: 1, svix: 'not configured' })
      const hook = receiver.hook()
      await without.subscribe({ target_url: hook.url, event_types: ['*'] })
      await notify(without, [event, other])
      await soon(() => hook.received).toHaveLength(1)
      await soon(() => metric(without, 'hookferry_svix_unconfigured_deliveries')).toBe('2')
      await soon(() => metric(without, 'hookferry_deliveries_pending')).toBe('0')
    }
    {
      await using still = await startGateway({}, directory.path)
      expect(await metric(still, 'hookferry_svix_unconfigured_deliveries')).toBe('2')
    }
    expect([...inSvix(event.id), ...inSvix(other.id)]).toEqual([])
    await using configured = await startGateway(towards(svix), directory.path)
    const message = await configured.messageWhen(id, 'delivered')
    expect(message.deliveries[0]).not.toHaveProperty('held')
    for (const one of [event, other]) await soon(() => inSvix(one.id)).toHaveLength(1)
    expect(await metric(configured, 'hookferry_svix_unconfigured_deliveries')).toBe('0')
  })

  test('an event without the text that SVIX_APP_ID points to is refused all the same', async () => {
    await using without = await startGateway({ SVIX_APP_ID: '/project' })
    expect(placesOf(await issuesOf(without, plainEvent()))).toEqual(['body.project: missing'])
  })

  test('SVIX_REQUIRED refuses events, and nothing is stored', async () => {
    await using required = await startGateway({ SVIX_REQUIRED: 'true' })
    const answer = await post(required, plainEvent())
    expect([answer.status, answer.json()]).toMatchObject([503, { code: 'svix_not_configured' }])
    expect(required.rows().msg).toBe(0)
  })
})
