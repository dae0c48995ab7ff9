import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { healthy, limitRate, refusal, say, startFakeSvix, SVIX_TOKEN } from './fake-svix.ts'
import { type Gateway, type LogLine, type MessageStatus, soon, startGateway, temporaryDirectory } from './gateway.ts'
import { metrics } from './inbox-gateway.ts'
import { notify, notifyOne, plainEvent, svixDelivery, towards } from './notification-gateway.ts'
import { startReceiver } from './receiver.ts'

const svix = await startFakeSvix()
const receiver = await startReceiver()
afterAll(async () => {
  await receiver[Symbol.asyncDispose]()
  await svix[Symbol.asyncDispose]()
})
afterEach(() => {
  svix.otherwise = healthy
})

const inSvix = (id: string) => svix.messages.filter((message) => message.payload['id'] === id)
const events = (count: number) => Array.from({ length: count }, () => plainEvent())
const outcomes = (message: MessageStatus) => message.attempts.map((attempt) => attempt.outcome).toReversed()
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
    await limited.subscribe({ target_url: hook.url, event_types: ['*'] })
    await notifyOne(limited, plainEvent())
    await soon(() => pauses(limited)).toHaveLength(1)
    const later = await notifyOne(limited, plainEvent())
    await soon(() => hook.received).toHaveLength(2)
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
      // So long that a slow machine does not use it up before the rate limit pauses everything.
      const SVIX_RETRY_SCHEDULE = Array.from({ length: 20 }, () => '300ms').join()
      await using before = await startGateway(towards(svix, { SVIX_RETRY_SCHEDULE }), directory.path)
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
      for (const id of ids)
        expect(svixDelivery(await without.message(id))).toMatchObject({ next_attempt_at: null, held: 'not configured' })
      // Nobody asks for them, however many there are.
      expect(pauses(without)).toEqual([])
      expect(await notify(without, [tried])).toMatchObject({ duplicates: 1, svix: 'not configured' })
    }
    expect(svix.requests).toHaveLength(requests)
    await using again = await startGateway(towards(svix, { SVIX_RETRY_SCHEDULE: '300ms,300ms' }), directory.path)
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
