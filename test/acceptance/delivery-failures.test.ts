import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { afterAll, describe, expect, test } from 'vitest'
import { type Attempt, type Gateway, soon, startGateway, type Subscription, temporaryDirectory } from './gateway.ts'
import { type Hook, type Reply, silence, startReceiver } from './receiver.ts'
import { systemClock } from '../../src/lib/clock.ts'

const receiver = await startReceiver()
const gateway = await startGateway({
  ENDPOINT_CONCURRENCY: '2',
  SIGNATURE_HEADERS: 'webhook-*',
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const read = (subscription: { id: string }) => gateway.ask<Subscription>(`/subscriptions/${subscription.id}`)
const patch = (subscription: { id: string }, json: unknown) =>
  gateway.ask<Subscription>(`/subscriptions/${subscription.id}`, { method: 'PATCH', json })

/** The one attempt of an event that is sent to a target. */
async function onlyAttempt(
  settings: { target_url: string; timeout?: string },
  at: Gateway = gateway,
): Promise<Attempt> {
  const subscription = await at.subscribe({ ...settings, retry_schedule: [] })
  const { id } = await at.ingest(subscription)
  await soon(async () => (await at.message(id)).attempts.length).toBe(1)
  return (await at.message(id)).attempts[0]!
}

const attemptAt = (reply: Reply, timeout = '5s') => onlyAttempt({ target_url: receiver.hook(reply).url, timeout })

async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('an attempt fails in words', () => {
  test.each<[string, Reply, number | null, RegExp]>([
    ['another answer than 2xx', { status: 418, body: 'short and stout' }, 418, /^answered 418$/],
    ['a reset', (response) => void response.socket?.resetAndDestroy(), null, /^connection reset by 127\.0\.0\.1:\d+ /],
    [
      'a closed connection',
      (response) => void response.socket?.destroy(),
      null,
      /^connection closed by 127\.0\.0\.1:\d+ /,
    ],
  ])('on %s', async (_name, reply, status, words) => {
    const attempt = await attemptAt(reply)
    expect(attempt).toMatchObject({ outcome: 'failure', status_code: status, error: expect.stringMatching(words) })
    expect(attempt.response_body).toBe(status === null ? null : 'short and stout')
  })

  test('on a refused connection', async () => {
    const port = await closedPort()
    const attempt = await onlyAttempt({ target_url: `http://127.0.0.1:${port}/` })
    expect(attempt).toMatchObject({ status_code: null, error: `connection refused by 127.0.0.1:${port}` })
  })

  // The words for these two are there, but the client's errors carry other codes than they are listed under.
  test('on something else than HTTP, and on a port that does not speak TLS', async () => {
    const noHttp = await attemptAt((response) => void response.socket?.end('hello\r\n\r\n'))
    expect(noHttp.error).toMatch(/answered with something that is not HTTP\/1\.1/)
    const noTls = await onlyAttempt({ target_url: `https://127.0.0.1:${receiver.port}/` })
    expect(noTls.error).toContain('does not speak TLS')
  })

  test('on silence, once the time-out of the subscription is over', async () => {
    const attempt = await attemptAt(silence, '100ms')
    expect(attempt).toMatchObject({ outcome: 'failure', status_code: null, error: 'timed out after 100ms' })
    expect(attempt.duration_ms).toBeGreaterThanOrEqual(99)
    expect(attempt.duration_ms).toBeLessThan(10_000)
  })

  test('on silence after DELIVERY_TIMEOUT where the subscription has no time-out', async () => {
    await using hasty = await startGateway({ DELIVERY_TIMEOUT: '120ms' })
    const attempt = await onlyAttempt({ target_url: receiver.hook(silence).url }, hasty)
    expect(attempt.error).toBe('timed out after 120ms')
  })

  test('on headers that drip until the time-out', async () => {
    const attempt = await attemptAt((response) => {
      const { socket } = response
      socket?.write('HTTP/1.1 500 X\r\nx-drops: ')
      const drops = setInterval(() => socket?.write('x'), 20)
      socket?.once('close', () => clearInterval(drops))
    }, '150ms')
    expect(attempt).toMatchObject({ status_code: 500, error: 'answered 500; then: timed out after 150ms' })
  })

  test('on an address that is no longer allowed, without a connection', async () => {
    using directory = temporaryDirectory()
    const hook = receiver.hook()
    const targets = [hook.url, hook.url.replace('127.0.0.1', 'localhost')]
    const subscriptions: Subscription[] = []
    {
      await using before = await startGateway({ ALLOWED_SUBNETS: '127.0.0.0/8,::1' }, directory.path)
      for (const target of targets)
        subscriptions.push(await before.subscribe({ target_url: target, retry_schedule: [] }))
    }
    await using after = await startGateway({ ALLOWED_SUBNETS: '10.0.0.0/8' }, directory.path)
    for (const subscription of subscriptions) {
      const { id } = await after.ingest(subscription)
      const [attempt] = (await after.messageWhen(id, 'failed')).attempts
      expect(attempt).toMatchObject({
        status_code: null,
        error: expect.stringMatching(
          /^blocked: (the address 127\.0\.0\.1 is .*ALLOWED_SUBNETS|localhost does not resolve to)/,
        ),
      })
    }
    expect(hook.received).toEqual([])
  })
})

describe('a response', () => {
  test('without an end is read to a bound and cut off; its status counts, and its first 4 KB are kept', async () => {
    let isClosed = false
    const attempt = await attemptAt((response) => {
      const endless = new Readable({ read: () => void endless.push(Buffer.alloc(16_384, 'é')) })
      response.once('close', () => {
        isClosed = true
        endless.destroy()
      })
      endless.pipe(response.writeHead(200))
    })
    expect(attempt).toMatchObject({ outcome: 'success', status_code: 200, error: null })
    expect(Buffer.byteLength(attempt.response_body ?? '')).toBe(4_096)
    expect(attempt.duration_ms).toBeLessThan(3_000)
    await soon(() => isClosed).toBe(true)
  })

  test('of 10 MB that is sent whole is cut off as well', async () => {
    const attempt = await attemptAt({ status: 500, body: Buffer.alloc(10 * 1_048_576, 'x') })
    expect(attempt).toMatchObject({ outcome: 'failure', status_code: 500, error: 'answered 500' })
    expect(attempt.response_body).toBe('x'.repeat(4_096))
  })

  test.each([
    [200, 'success'],
    [500, 'failure'],
  ])('whose body drips is waited for until the time-out; %i stays a %s', async (status, outcome) => {
    const attempt = await attemptAt((response) => {
      response.writeHead(status)
      const drops = setInterval(() => response.write('x'), 20)
      response.once('close', () => clearInterval(drops))
    }, '150ms')
    expect(attempt).toMatchObject({ outcome, status_code: status })
    expect(attempt.duration_ms).toBeLessThan(10_000)
    expect(attempt.response_body).toMatch(/^x+$/)
  })

  test('that redirects is a failed attempt and is not followed', async () => {
    const elsewhere = receiver.hook()
    for (const status of [301, 302, 307, 308]) {
      const attempt = await attemptAt({ status, headers: { location: elsewhere.url } })
      const error = `answered ${status}: redirects are not followed, and this one points to ${elsewhere.url}`
      expect(attempt).toMatchObject({ status_code: status, error })
    }
    expect(elsewhere.received).toEqual([])
  })
})

test('410 disables the subscription and cancels what waits for it', async () => {
  const hook = receiver.hook(500, 410)
  const subscription = await gateway.subscribe({ target_url: hook.url, retry_schedule: ['1h'] })
  const waiting = await gateway.ingest(subscription)
  await gateway.messageWhen(waiting.id, 'delivering')
  const gone = await gateway.ingest(subscription)
  const { attempts, deliveries } = await gateway.messageWhen(gone.id, 'cancelled')
  expect(attempts).toMatchObject([{ outcome: 'failure', status_code: 410, error: expect.stringContaining('410 Gone') }])
  expect(deliveries[0]?.next_attempt_at).toBeNull()
  await gateway.messageWhen(waiting.id, 'cancelled')
  expect(await read(subscription)).toMatchObject({ enabled: false, disabled_reason: 'gone' })
  expect(await gateway.ingest(subscription)).toMatchObject({ status: 'disabled' })

  hook.replies = [200]
  expect(await patch(subscription, { enabled: true })).toMatchObject({ enabled: true, disabled_reason: null })
  await gateway.messageWhen((await gateway.ingest(subscription)).id, 'delivered')
  expect(hook.received).toHaveLength(3)
})

describe('a subscription that fails for days', () => {
  const DAY_MS = 86_400_000

  /** A gateway that disables after five days, and whose time the test moves on. */
  async function startPatient() {
    let ahead = 0
    const clock = { ...systemClock, now: () => systemClock.now() + ahead }
    const patient = await startGateway({ ENDPOINT_DISABLE_AFTER: '5d' }, undefined, { clock })
    const isEnabled = async ({ id }: Subscription) => {
      const { enabled, disabled_reason } = await patient.ask<Subscription>(`/subscriptions/${id}`)
      return { enabled, disabled_reason }
    }
    return { patient, isEnabled, pass: (ms: number) => void (ahead += ms) }
  }

  test('is disabled by the first event that is given up more than ENDPOINT_DISABLE_AFTER after another', async () => {
    const { patient, isEnabled, pass } = await startPatient()
    await using _ = patient
    const subscription = await patient.subscribe({ target_url: receiver.hook(500).url, retry_schedule: [] })
    await patient.messageWhen((await patient.ingest(subscription)).id, 'failed')
    pass(4 * DAY_MS)
    await patient.messageWhen((await patient.ingest(subscription)).id, 'failed')
    expect(await isEnabled(subscription)).toEqual({ enabled: true, disabled_reason: null })
    pass(2 * DAY_MS)
    await patient.messageWhen((await patient.ingest(subscription)).id, 'failed')
    await soon(() => isEnabled(subscription)).toEqual({ enabled: false, disabled_reason: 'failing' })
    expect(patient.log).toContainEqual(expect.objectContaining({ subscription_id: subscription.id, reason: 'failing' }))
  })

  test('is not disabled by one failed attempt after a quiet time, and its event arrives with the next', async () => {
    const { patient, isEnabled, pass } = await startPatient()
    await using _ = patient
    const hook = receiver.hook(500, 500, 500, 200)
    const subscription = await patient.subscribe({ target_url: hook.url, retry_schedule: ['10ms'] })
    await patient.messageWhen((await patient.ingest(subscription)).id, 'failed')
    pass(6 * DAY_MS)
    const { attempts } = await patient.messageWhen((await patient.ingest(subscription)).id, 'delivered')
    expect(attempts.map(({ status_code }) => status_code)).toEqual([200, 500])
    expect(await isEnabled(subscription)).toEqual({ enabled: true, disabled_reason: null })
  })

  test('is not disabled by attempts that somebody asks for', async () => {
    const { patient, isEnabled, pass } = await startPatient()
    await using _ = patient
    const subscription = await patient.subscribe({ target_url: receiver.hook(500).url, retry_schedule: [] })
    const { id } = await patient.ingest(subscription)
    await patient.messageWhen(id, 'failed')
    pass(6 * DAY_MS)
    await patient.ask(`/deliveries/${id}/retry`, { method: 'POST' })
    await soon(async () => (await patient.message(id)).attempts.length).toBe(2)
    expect(await isEnabled(subscription)).toEqual({ enabled: true, disabled_reason: null })
  })
})

test('a subscription that recovers is not failing any more', async () => {
  const shaky = receiver.hook(500, 500, 200, 500, 500, 200)
  const subscription = await gateway.subscribe({ target_url: shaky.url, retry_schedule: ['10ms', '10ms'] })
  for (let n = 0; n < 2; n++) await gateway.messageWhen((await gateway.ingest(subscription)).id, 'delivered')
  expect(await read(subscription)).toMatchObject({ enabled: true, failing_since: null })
})

test.each([
  ['429 and seconds', () => ({ status: 429, headers: { 'retry-after': '1' } }), 1_000],
  [
    '503 and a date',
    () => ({ status: 503, headers: { 'retry-after': new Date(Date.now() + 2_000).toUTCString() } }),
    900,
  ],
])('Retry-After with %s pauses the whole subscription', async (_name, reply, leastMs) => {
  const hook: Hook = receiver.hook((response) => {
    const { status, headers } = reply()
    response.writeHead(status, headers).end()
  })
  const subscription = await gateway.subscribe({ target_url: hook.url })
  const asked = Date.now()
  const first = await gateway.ingest(subscription)
  await gateway.messageWhen(first.id, 'delivering')
  hook.replies = [200]
  const others = [await gateway.ingest(subscription), await gateway.ingest(subscription)]
  expect(others).toMatchObject([{ status: 'queued' }, { status: 'queued' }])
  expect(Date.parse((await read(subscription)).paused_until ?? '')).toBeGreaterThanOrEqual(asked + leastMs)
  for (const { id } of [first, ...others]) await gateway.messageWhen(id, 'delivered')
  expect(hook.received).toHaveLength(4)
  for (const request of hook.received.slice(1)) expect(request.at).toBeGreaterThanOrEqual(asked + leastMs)
})

test('Retry-After counts with 429 and 503 only', async () => {
  const hook = receiver.hook({ status: 500, headers: { 'retry-after': '3600' } }, 200)
  const subscription = await gateway.subscribe({ target_url: hook.url })
  await gateway.messageWhen((await gateway.ingest(subscription)).id, 'delivered')
  expect((await read(subscription)).paused_until).toBeNull()
})

test('rate_limit holds at the receiver', async () => {
  const hook = receiver.hook()
  const subscription = await gateway.subscribe({ target_url: hook.url, rate_limit: 20 })
  const messages = await Promise.all(Array.from({ length: 12 }, (_, n) => gateway.ingest(subscription, n)))
  for (const { id } of messages) await gateway.messageWhen(id, 'delivered')
  const times = hook.received.map((request) => request.at).sort((a, b) => a - b)
  // Eleven pauses of 50 ms, and what a late timer may catch up.
  expect(times.at(-1)! - times[0]!).toBeGreaterThanOrEqual(11 * 50 - 30)
  for (const [n, at] of times.entries())
    expect(times.filter((one) => one >= at && one < at + 200).length, `${n}`).toBeLessThanOrEqual(6)
})

test('no more attempts of a subscription are under way than ENDPOINT_CONCURRENCY, and others are not held up', async () => {
  let [open, most] = [0, 0]
  const released = Promise.withResolvers<void>()
  const answer = (response: ServerResponse) => {
    open--
    response.writeHead(200).end()
  }
  const slow = receiver.hook((response) => {
    most = Math.max(most, ++open)
    // Long enough for others to begin, if they may.
    void released.promise.then(() => setTimeout(answer, 10, response))
  })
  const quick = receiver.hook()
  const subscription = await gateway.subscribe({ target_url: slow.url })
  const messages = await Promise.all(Array.from({ length: 10 }, (_, n) => gateway.ingest(subscription, n)))
  const other = await gateway.ingest(await gateway.subscribe({ target_url: quick.url }))
  await gateway.messageWhen(other.id, 'delivered')
  await soon(() => open).toBe(2)
  released.resolve()
  for (const { id } of messages) await gateway.messageWhen(id, 'delivered')
  expect(most).toBe(2)
})

test.each([
  ['deleted', (subscription: Subscription) => gateway.send(`/subscriptions/${subscription.id}`, { method: 'DELETE' })],
  ['disabled', (subscription: Subscription) => patch(subscription, { enabled: false })],
])('what waits for a subscription that is %s is cancelled', async (how, act) => {
  const hook = receiver.hook(500)
  const subscription = await gateway.subscribe({ target_url: hook.url, retry_schedule: ['1h'] })
  const messages = [await gateway.ingest(subscription), await gateway.ingest(subscription)]
  for (const { id } of messages) await gateway.messageWhen(id, 'delivering')
  await act(subscription)
  for (const { id } of messages) expect((await gateway.messageWhen(id, 'cancelled')).attempts).toHaveLength(1)

  // By hand an attempt can still be made, as long as there is a subscription.
  const answer = await gateway.send(`/deliveries/${messages[0]?.id}/retry`, { method: 'POST' })
  expect(answer.status).toBe(how === 'deleted' ? 404 : 202)
  if (how === 'disabled') await soon(() => hook.received.length).toBe(3)
})

test('SIGNATURE_HEADERS chooses the family of headers', async () => {
  const hook = receiver.hook()
  await gateway.ingest(await gateway.subscribe({ target_url: hook.url }))
  await soon(() => hook.received.length).toBe(1)
  const names = Object.keys(hook.received[0]?.headers ?? {}).filter((name) => /^(webhook|svix)-/.test(name))
  expect(names).toEqual(['webhook-id', 'webhook-timestamp'])
})

test('retries that follow at once all end: none waits for its lease to end', async () => {
  const schedule = Array.from({ length: 20 }, () => '1ms')
  await using busy = await startGateway()
  const subscription = await busy.subscribe({
    target_url: `http://127.0.0.1:${await closedPort()}/`,
    retry_schedule: schedule,
  })
  const ids: string[] = []
  for (let n = 0; n < 150; n++) ids.push((await busy.ingest(subscription, { n })).id)
  const statuses = () => Promise.all(ids.map(async (id) => (await busy.message(id)).status))
  await soon(async () => new Set(await statuses())).toEqual(new Set(['failed']))
  expect((await busy.message(ids[0]!)).attempts).toHaveLength(1 + schedule.length)
})
