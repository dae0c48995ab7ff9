import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import {
  hang,
  healthy,
  html,
  invalidMessage,
  limitRate,
  refusal,
  say,
  serveAndDrop,
  serveAndHang,
  startFakeSvix,
  SVIX_TOKEN,
} from './fake-svix.ts'
import { type Gateway, type LogLine, type MessageStatus, soon, startGateway, temporaryDirectory } from './gateway.ts'
import { metrics } from './inbox-gateway.ts'
import { notify, notifyOne, plainEvent, SVIX_ENDPOINT, svixDelivery, towards } from './notification-gateway.ts'
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
const events = (count: number) => Array.from({ length: count }, () => plainEvent())
const outcomes = (message: MessageStatus) => message.attempts.map((attempt) => attempt.outcome).reverse()
const retry = (id: string, query = '') =>
  gateway
    .send(`/deliveries/${id}/retry${query}`, { method: 'POST' })
    .then((answer) => answer.json<{ deliveries: number }>())

describe('a delivery to Svix', () => {
  test('is shown with its attempts, from the failed ones to the one that succeeds', async () => {
    svix.script = [say(500), serveAndDrop, healthy]
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
    const { id: subscription } = await gateway.subscribe({ target_url: hook.url })
    const event = plainEvent()
    const id = await notifyOne(gateway, event)
    const failed = await gateway.messageWhen(id, 'failed')
    expect(
      outcomes({ ...failed, attempts: failed.attempts.filter((one) => one.subscription_id === SVIX_ENDPOINT) }),
    ).toEqual(['failed_attempt', 'failed_attempt', 'failed_attempt', 'failure'])
    svix.otherwise = healthy
    expect(await retry(id, `?subscription_id=${SVIX_ENDPOINT}`)).toMatchObject({ deliveries: 1 })
    await gateway.messageWhen(id, 'delivered')
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
  const [a, b, none, wrong] = ['project-a', 'project-b', undefined, '..'].map((project) =>
    plainEvent({ data: { project } }),
  )
  const { messages } = await notify(pointing, [a, b, none, wrong])
  const [, , nameless, unusable] = messages
  await soon(() => [a, b].flatMap((event) => inSvix(event!.id)).map((message) => message.app)).toEqual([
    'project-a',
    'project-b',
  ])
  const errorOf = async (id: string) => (await pointing.messageWhen(id, 'failed')).attempts[0]?.error
  expect(await errorOf(nameless!.id)).toBe('SVIX_APP_ID is /data/project, and the event has no text there')
  expect(await errorOf(unusable!.id)).toMatch(/^"\.\." is not a Svix application id or uid/)
})

const until = (line: LogLine | undefined) => Date.parse(String(line?.['until']))
const pauses = ({ log }: Gateway) => log.filter((line) => line['msg'] === 'destination paused')
const deferrals = (at: Gateway, reason: string) =>
  metrics(at, 'hookferry_deferrals_total').then((counts) => counts[`driver=svix,reason=${reason}`] ?? 0)

/** What is on its way when an answer comes, or waits for the commit of its pause, may still arrive. */
const GRACE_MS = 250

describe('a 429', () => {
  test('pauses the destination for as long as it says; then the pace comes back gradually, and no attempt is spent', async () => {
    await using limited = await startGateway(towards(svix, { ENDPOINT_CONCURRENCY: '4' }))
    const first = svix.requests.length
    svix.script = [healthy, limitRate('2')]
    const before = await notify(limited, events(20))
    await soon(() => pauses(limited)).toHaveLength(1)
    // Those that come during the pause wait as well.
    const during = await notify(limited, events(20))
    const ids = [...before.messages, ...during.messages].map((message) => message.id)
    for (const id of ids) await limited.messageWhen(id, 'delivered')

    const requests = svix.requests.slice(first)
    const resumeAt = until(pauses(limited)[0])
    const pausedAt = Date.parse(String(pauses(limited)[0]?.['ts']))
    expect(resumeAt - pausedAt).toBeGreaterThan(2_000 - GRACE_MS)
    expect(requests.filter(({ at }) => at > pausedAt + GRACE_MS && at < resumeAt - 1)).toEqual([])
    const after = requests.filter(({ at }) => at >= resumeAt - 1).map(({ at }) => at - resumeAt)
    const within = (from: number, to: number) => after.filter((at) => at >= from && at < to).length
    // Two a second, then four, then eight: never as many as waited.
    expect(after.length).toBeGreaterThanOrEqual(20)
    expect(within(-1, 950)).toBeGreaterThanOrEqual(1)
    expect(within(-1, 950)).toBeLessThanOrEqual(4)
    expect(within(1_000, 2_000)).toBeLessThanOrEqual(8)
    expect(within(2_000, 3_000)).toBeGreaterThan(within(-1, 950))

    expect(requests).toHaveLength(41)
    for (const id of ids)
      expect(await limited.message(id)).toMatchObject({ attempts: [{ attempt: 1, outcome: 'success' }] })
    expect(await deferrals(limited, 'rate_limited')).toBe(1)
    expect(pauses(limited)[0]).toMatchObject({ level: 'WARN', destination: 'svix', reason: 'rate_limited' })
  })

  test('does not hold up other destinations', async () => {
    await using limited = await startGateway(towards(svix))
    svix.script = [limitRate('3600')]
    const hook = receiver.hook()
    await limited.subscribe({ target_url: hook.url })
    await notifyOne(limited, plainEvent())
    await soon(() => pauses(limited)).toHaveLength(1)
    const started = performance.now()
    const later = await notifyOne(limited, plainEvent())
    await soon(() => hook.received).toHaveLength(2)
    expect(performance.now() - started).toBeLessThan(1_500)
    const message = await limited.message(later)
    expect(svixDelivery(message)).toMatchObject({ status: 'queued', attempts: 0 })
    expect(Date.parse(svixDelivery(message)?.next_attempt_at ?? '') - Date.now()).toBeGreaterThan(3_500_000)
  })
})

describe('credentials that Svix refuses', () => {
  test.each([401, 403])(
    'with %d pause the destination, loudly, and cost no attempt; once they are good it resumes by itself',
    async (status) => {
      await using refused = await startGateway(towards(svix, { ENDPOINT_CONCURRENCY: '2' }))
      const first = svix.requests.length
      svix.otherwise = say(refusal(status, 'authentication_failed'))
      const { messages } = await notify(refused, events(5))
      await soon(() => pauses(refused).length).toBeGreaterThan(0)
      const [line] = pauses(refused)
      expect(line).toMatchObject({
        level: 'ERROR',
        destination: 'svix',
        reason: 'credentials',
        error: `Svix refuses the credentials (${status}): check SVIX_TOKEN`,
      })
      expect(await deferrals(refused, 'credentials')).toBeGreaterThan(0)
      const gauge = await metrics(refused, 'hookferry_destination_paused_until_seconds')
      expect(gauge['driver=svix,reason=credentials']).toBeGreaterThan(Date.now() / 1_000 - 5)
      for (const { id } of messages) expect(await refused.message(id)).toMatchObject({ status: 'queued', attempts: [] })

      svix.otherwise = healthy
      for (const { id } of messages) {
        const message = await refused.messageWhen(id, 'delivered')
        expect(message.attempts).toMatchObject([{ attempt: 1, outcome: 'success' }])
      }
      // Two may be under way when it is refused; while the pauses grow there are few more.
      expect(svix.requests.length - first).toBeLessThanOrEqual(5 + 8)
      expect(JSON.stringify(refused.log)).not.toContain(SVIX_TOKEN)
    },
  )
})

describe('a restart', () => {
  test('without SVIX_TOKEN loses nothing: deliveries wait, and go out after one with it', async () => {
    using directory = temporaryDirectory()
    const [tried, untried] = [plainEvent(), plainEvent()]
    const ids: string[] = []
    {
      await using before = await startGateway(towards(svix, { SVIX_RETRY_SCHEDULE: '300ms,300ms' }), directory.path)
      svix.otherwise = say(500)
      ids.push(await notifyOne(before, tried))
      await before.messageWhen(ids[0]!, 'delivering')
      svix.otherwise = limitRate('1')
      ids.push(await notifyOne(before, untried))
      await soon(() => pauses(before).length).toBeGreaterThan(0)
      svix.otherwise = healthy
    }
    const requests = svix.requests.length
    {
      await using without = await startGateway({}, directory.path)
      await soon(() => pauses(without).length).toBeGreaterThan(0)
      expect(pauses(without)[0]).toMatchObject({ level: 'ERROR', reason: 'not_configured', destination: 'svix' })
      expect(await deferrals(without, 'not_configured')).toBeGreaterThan(0)
      for (const id of ids)
        await soon(async () => svixDelivery(await without.message(id))?.next_attempt_at).toEqual(expect.any(String))
      expect(await notify(without, [tried])).toMatchObject({ duplicates: 1, svix: 'not configured' })
    }
    expect(svix.requests).toHaveLength(requests)
    // A minute later, which is how long it waits for somebody to configure it.
    const clock = { ...systemClock, now: () => Date.now() + 61_000 }
    await using again = await startGateway(towards(svix, { SVIX_RETRY_SCHEDULE: '300ms,300ms' }), directory.path, {
      clock,
    })
    for (const id of ids) await again.messageWhen(id, 'delivered')
    for (const event of [tried, untried]) expect(inSvix(event.id)).toHaveLength(1)
    expect(outcomes(await again.message(ids[1]!))).toEqual(['success'])
  })

  test('uses the settings of the new configuration for what waited', async () => {
    using directory = temporaryDirectory()
    const event = plainEvent()
    await using other = await startFakeSvix()
    let id = ''
    {
      await using before = await startGateway(towards(svix, { SVIX_RETRY_SCHEDULE: '1s,1h' }), directory.path)
      svix.otherwise = say(503)
      id = await notifyOne(before, event)
      await before.messageWhen(id, 'delivering')
    }
    other.script = [say(503)]
    await using after = await startGateway(towards(other, { SVIX_RETRY_SCHEDULE: '10ms,20ms' }), directory.path)
    const message = await after.messageWhen(id, 'delivered')
    expect(outcomes(message)).toEqual(['failed_attempt', 'failed_attempt', 'success'])
    expect(svixDelivery(message)).toMatchObject({ target_url: other.url })
    expect(message.attempts.map((attempt) => attempt.target_url)).toEqual([other.url, other.url, svix.url])
    expect(other.messages).toMatchObject([{ eventId: event.id }])
    expect(inSvix(event.id)).toEqual([])
  })
})
