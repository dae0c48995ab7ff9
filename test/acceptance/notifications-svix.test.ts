import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { hang, healthy, html, invalidMessage, say, serveAndDrop, serveAndHang, startFakeSvix } from './fake-svix.ts'
import { type MessageStatus, soon, startGateway } from './gateway.ts'
import {
  issuesOf,
  notify,
  notifyOne,
  placesOf,
  plainEvent,
  SVIX_ENDPOINT,
  svixDelivery,
  towards,
} from './notification-gateway.ts'
import { startReceiver } from './receiver.ts'

const svix = await startFakeSvix()
const receiver = await startReceiver()
const gateway = await startGateway(towards(svix, { DELIVERY_TIMEOUT: '300ms' }))
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await svix[Symbol.asyncDispose]()
})
afterEach(() => {
  svix.otherwise = healthy
})

const inSvix = (id: string) => svix.messages.filter((message) => message.payload['id'] === id)
const outcomes = (message: MessageStatus) => message.attempts.map((attempt) => attempt.outcome).toReversed()
const retry = (id: string, query = '') =>
  gateway
    .send(`/deliveries/${id}/retry${query}`, { method: 'POST' })
    .then((answer) => answer.json<{ deliveries: number }>())

describe('a delivery to Svix', () => {
  test('is shown with its attempts, from the failed ones to the one that succeeds', async () => {
    svix.script = [say({ status: 500, headers: { connection: 'close' } }), serveAndDrop, healthy]
    const event = plainEvent()
    const message = await gateway.messageWhen(await notifyOne(gateway, event), 'delivered')
    expect(svixDelivery(message)).toEqual({
      subscription_id: SVIX_ENDPOINT,
      target_url: svix.url,
      status: 'delivered',
      attempts: 3,
      next_attempt_at: null,
      last_attempt_at: expect.any(String) as string,
    })
    expect(outcomes(message)).toEqual(['failed_attempt', 'failed_attempt', 'success'])
    expect(message.attempts).toMatchObject([
      {
        attempt: 3,
        status_code: 202,
        error: null,
        trigger: 'scheduled',
        subscription_id: SVIX_ENDPOINT,
        webhook_id: message.id,
      },
      { attempt: 2, status_code: null, error: expect.stringMatching(/^connection (reset|closed) by /) as string },
      { attempt: 1, status_code: 500, error: 'Svix answered 500', target_url: svix.url },
    ])
    expect(JSON.parse(message.attempts[0]?.response_body ?? '')).toMatchObject({ eventId: event.id })
    expect(inSvix(event.id)).toHaveLength(1)
  })

  test('is one message although Svix took it and said nothing for longer than DELIVERY_TIMEOUT', async () => {
    svix.script = [serveAndHang, hang]
    const event = plainEvent()
    const message = await gateway.messageWhen(await notifyOne(gateway, event), 'delivered')
    expect(message.attempts.map((attempt) => attempt.error)).toEqual([
      null,
      'timed out after 300ms',
      'timed out after 300ms',
    ])
    expect(inSvix(event.id)).toHaveLength(1)
  })

  test('ends failed when Svix refuses the message, with the reason in the attempt and in the log; by hand it is tried again', async () => {
    svix.script = [say(invalidMessage())]
    const event = plainEvent()
    const id = await notifyOne(gateway, event)
    const failed = await gateway.messageWhen(id, 'failed')
    expect(failed.attempts).toMatchObject([
      { outcome: 'failure', status_code: 422, error: expect.stringContaining('no such event type') as string },
    ])
    const line = () => gateway.log.find(({ msg, webhook_id }) => msg === 'attempt' && webhook_id === id)
    await soon(line).toMatchObject({
      level: 'WARN',
      outcome: 'failure',
      error: expect.stringContaining('no such event type') as string,
    })
    expect(inSvix(event.id)).toEqual([])

    expect(await retry(id)).toMatchObject({ deliveries: 1 })
    const delivered = await gateway.messageWhen(id, 'delivered')
    expect(delivered.attempts).toMatchObject([{ attempt: 2, trigger: 'manual', outcome: 'success' }, { attempt: 1 }])
    expect(inSvix(event.id)).toHaveLength(1)
  })

  test('ends failed when the schedule does, and can be made again for Svix alone', async () => {
    svix.otherwise = say(html(502))
    const hook = receiver.hook()
    const { id: subscription } = await gateway.subscribe({ target_url: hook.url, event_types: ['*'] })
    const event = plainEvent()
    const id = await notifyOne(gateway, event)
    const failed = await gateway.messageWhen(id, 'failed')
    expect(
      outcomes({ ...failed, attempts: failed.attempts.filter((one) => one.subscription_id === SVIX_ENDPOINT) }),
    ).toEqual(['failed_attempt', 'failed_attempt', 'failed_attempt', 'failure'])
    svix.otherwise = healthy
    expect(await retry(id, '?subscription_id=svix')).toMatchObject({ deliveries: 1 })
    await gateway.messageWhen(id, 'delivered')
    const { data } = await gateway.ask<{ data: { webhook_id: string }[] }>(
      '/subscriptions/svix/attempts?outcome=failure',
    )
    expect(data.map((attempt) => attempt.webhook_id)).toContain(id)
    expect(inSvix(event.id)).toHaveLength(1)
    expect(hook.received).toHaveLength(1)
    await gateway.send(`/subscriptions/${subscription}`, { method: 'DELETE' })
  })

  test('that is made again by hand after it succeeded is still one message', async () => {
    const event = plainEvent()
    const id = await notifyOne(gateway, event)
    await gateway.messageWhen(id, 'delivered')
    await retry(id)
    await soon(async () => (await gateway.message(id)).attempts.length).toBe(2)
    expect(outcomes(await gateway.message(id))).toEqual(['success', 'success'])
    expect(inSvix(event.id)).toHaveLength(1)
  })

  test('keeps apart events whose ids are hard to tell apart, or to put into a URL', async () => {
    const given = ['.', '..', 'a/b', 'a b', 'msg_1', 'b64.YQ', '["/users","1"]', 'ü', 'x'.repeat(1_024)].map((id) =>
      plainEvent({ id }),
    )
    const { messages } = await notify(gateway, given)
    for (const { id } of messages) await gateway.messageWhen(id, 'delivered')
    const known = given.flatMap(({ id }) => inSvix(id))
    expect(known.map((message) => message.payload)).toEqual(given)
    expect(new Set(known.map((message) => message.eventId)).size).toBe(given.length)
  })

  test('of an event that is nested too deeply to be passed on ends failed at once, and says why', async () => {
    const body = `{"id":"${plainEvent().id}","type":"t","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
    const { messages } = await notify(gateway, body)
    const { attempts } = await gateway.messageWhen(messages[0]!.id, 'failed')
    expect(attempts).toMatchObject([{ status_code: null, error: expect.stringContaining('nested') as string }])
  })
})

test('the application is where the event says, when SVIX_APP_ID is a pointer', async () => {
  await using pointing = await startGateway(towards(svix, { SVIX_APP_ID: '/data/project' }))
  const [a, b, none, wrong, number] = ['project-a', 'project-b', undefined, '..', 7].map((project) =>
    plainEvent({ data: { project } }),
  )
  // Svix would refuse them for ever, and their ids would be used up.
  const issues = await issuesOf(pointing, [a, none, wrong, number])
  expect(placesOf(issues)).toEqual([
    'body.1.data.project: missing',
    'body.2.data.project: value_error',
    'body.3.data.project: value_error',
  ])
  expect(issues.map(({ msg }) => msg)).toEqual([
    'SVIX_APP_ID is /data/project, and the event has no text there',
    expect.stringMatching(/^"\.\." is not a Svix application id or uid/),
    'SVIX_APP_ID is /data/project, and the event has no text there',
  ])
  const corrected = { ...none, data: { project: 'project-c' } }
  expect(await notify(pointing, [a, b, corrected])).toMatchObject({ accepted: 3, duplicates: 0 })
  await soon(() => [a, b, corrected].flatMap((event) => inSvix(event!['id'] as string)).map(({ app }) => app)).toEqual([
    'project-a',
    'project-b',
    'project-c',
  ])
})

test('in binary mode of CloudEvents the application is found in the data too', async () => {
  await using pointing = await startGateway(towards(svix, { SVIX_APP_ID: '/data/project' }))
  const headers = { 'ce-specversion': '1.0', 'ce-source': '/s', 'ce-type': 'a.b', 'ce-id': plainEvent().id }
  expect(placesOf(await issuesOf(pointing, '{"name":"x"}', headers))).toEqual(['body.data.project: missing'])
  expect(await notify(pointing, '{"project":"acme"}', headers)).toMatchObject({ accepted: 1 })
})
