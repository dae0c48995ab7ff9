/** What the Svix server of 1.100.0 loses, drops or doubles, and this one does not. The clock is the test's. */
import type { ServerResponse } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, describe, expect, test } from 'vitest'
import { soon, startGateway, temporaryDirectory } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'
import { Caller, JWT_SECRET, newTenant, orgToken, startSvixGateway } from './sdk-gateway.ts'

const SECOND = 1_000
const DAY = 86_400 * SECOND
const SCHEDULE = { RETRY_SCHEDULE: '10s,60s' }
/** Waits vary by a tenth: after these times each is over. */
const FIRST_WAIT = 11 * SECOND
const SECOND_WAIT = 66 * SECOND

const clock = createFakeClock()
const receiver = await startReceiver()
const gateway = await startSvixGateway(SCHEDULE, undefined, { clock })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

/** What will be true within a few seconds of the test's time. */
const within =
  (time: FakeClock) =>
  <T>(probe: () => T | Promise<T>) =>
    soon(async () => {
      await time.advance(50)
      return probe()
    })
const later = within(clock)
const byText = (a: string | undefined, b: string | undefined) => String(a).localeCompare(String(b))
/** Moves the time to just before this moment. */
const advanceTo = (ms: number) => clock.advance(ms - 1 - clock.now())

async function scene(...replies: Parameters<typeof receiver.hook>) {
  const tenant = newTenant(gateway)
  const { svix } = tenant
  const { id: app } = await svix.application.create({ name: 'Customer', uid: 'customer' })
  const hook = receiver.hook(...replies)
  const { id: endpoint } = await svix.endpoint.create(app, { url: hook.url })
  return {
    svix,
    org: tenant.org,
    caller: new Caller(gateway, orgToken(tenant.org)),
    app,
    endpoint,
    hook,
    send: (given: object = {}) => svix.message.create(app, { eventType: 'order.paid', payload: { n: 1 }, ...given }),
    /** What the endpoint's log says of a message. */
    status: async (msgId: string, expandedStatuses = true) => {
      const { data } = await svix.messageAttempt.listAttemptedMessages(app, endpoint, { expandedStatuses })
      const found = data.find(({ id }) => id === msgId)
      return found && { status: found.statusText, next: found.nextAttempt?.getTime() ?? null }
    },
    attempts: async (msgId: string) => (await svix.messageAttempt.listByMsg(app, msgId)).data.toReversed(),
    stats: () => svix.endpoint.getStats(app, endpoint),
  }
}

describe('a message that failed and will be tried again', () => {
  test('keeps its schedule when somebody resends it', async () => {
    const { svix, app, endpoint, hook, send, status, attempts } = await scene(500)
    const { id } = await send()
    await later(async () => (await status(id))?.status).toBe('sending')
    const planned = (await status(id))!.next!
    for (let n = 2; n <= 3; n++) {
      await svix.messageAttempt.resend(app, id, endpoint)
      await later(async () => (await attempts(id)).length).toBe(n)
    }
    expect(await status(id)).toEqual({ status: 'sending', next: planned })
    await advanceTo(planned)
    expect(hook.received).toHaveLength(3)
    await later(async () => (await attempts(id)).length).toBe(4)
    const [first, , , second] = (await attempts(id)).map(({ timestamp }) => timestamp.getTime())
    expect(second! - first!).toBeGreaterThanOrEqual(9 * SECOND)
    expect(second).toBeGreaterThanOrEqual(planned)
    expect(second! - planned).toBeLessThan(2 * SECOND)
    expect((await status(id))?.status).toBe('sending')
    await clock.advance(SECOND_WAIT)
    await later(() => status(id)).toEqual({ status: 'fail', next: null })
    expect((await attempts(id)).map(({ triggerType }) => triggerType)).toEqual([0, 1, 1, 0, 0])
  })

  test('is tried again although the endpoint would not want it any more', async () => {
    const { svix, app, endpoint, send, status, hook } = await scene(500, 200)
    const { id } = await send()
    await later(async () => (await status(id))?.status).toBe('sending')
    await svix.eventType.create({ name: 'another', description: '' })
    await svix.endpoint.patch(app, endpoint, { eventTypes: ['another'], channels: ['nobody'] })
    await send()
    await clock.advance(FIRST_WAIT)
    await later(async () => (await status(id))?.status).toBe('success')
    expect(hook.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id])
  })

  test('goes to no other endpoint again', async () => {
    const { svix, app, send, status } = await scene(500)
    const [fine, alsoFine] = [receiver.hook(), receiver.hook()]
    for (const { url } of [fine, alsoFine]) await svix.endpoint.create(app, { url })
    const { id } = await send()
    await later(async () => (await status(id))?.status).toBe('sending')
    await clock.advance(FIRST_WAIT)
    await later(async () => (await svix.messageAttempt.listByMsg(app, id)).data.length).toBe(4)
    await clock.advance(SECOND_WAIT)
    await later(async () => (await status(id))?.status).toBe('fail')
    expect([fine, alsoFine].map(({ received }) => received.length)).toEqual([1, 1])
  })

  test('is cancelled when its endpoint is disabled, and that is told in every list', async () => {
    const { svix, app, endpoint, send, status, caller, stats, hook } = await scene(500)
    const { id } = await send()
    await later(async () => (await status(id))?.status).toBe('sending')
    await svix.endpoint.patch(app, endpoint, { disabled: true })
    await later(() => status(id)).toEqual({ status: 'canceled', next: null })

    expect(await status(id, false)).toEqual({ status: 'fail', next: null })
    const ofEndpoint = async (query: string) =>
      (await caller.ask<{ data: { id: string }[] }>(`/app/${app}/endpoint/${endpoint}/msg?${query}`)).data.length
    const counts = [
      'status=2',
      'status=4',
      'status=3',
      'expanded_statuses=true&status=2',
      'expanded_statuses=true&status=4',
    ]
    expect(await Promise.all(counts.map(ofEndpoint))).toEqual([1, 1, 0, 0, 1])
    const ofMessage = async (query: string) =>
      (await caller.ask<{ data: object[] }>(`/app/${app}/msg/${id}/endpoint?${query}`)).data
    expect(await ofMessage('')).toMatchObject([{ status: 2, statusText: 'fail', nextAttempt: null }])
    expect(await ofMessage('expanded_statuses=true')).toMatchObject([{ status: 4, statusText: 'canceled' }])
    expect(await stats()).toEqual({ success: 0, pending: 0, sending: 0, fail: 0, canceled: 1 })

    await svix.endpoint.patch(app, endpoint, { disabled: false })
    await clock.advance(SECOND_WAIT)
    expect(await status(id)).toEqual({ status: 'canceled', next: null })
    expect(hook.received).toHaveLength(1)
    // Not for ever: whoever wants it can have it.
    hook.replies.unshift(200)
    await svix.messageAttempt.resend(app, id, endpoint)
    await later(async () => (await status(id))?.status).toBe('success')
  })

  test('is cancelled when its application is deleted, which takes no message any more', async () => {
    const { svix, app, send, status, hook, org } = await scene(500)
    const { id } = await send()
    await later(async () => (await status(id))?.status).toBe('sending')
    await svix.application.delete(app)
    for (const name of [app, 'customer'])
      await expect(svix.message.create(name, { eventType: 'a', payload: {} })).rejects.toMatchObject({
        code: 404,
        body: { code: 'not_found', detail: 'Application not found' },
      })
    using database = new DatabaseSync(gateway.databasePath, { readOnly: true })
    const states = () => database.prepare('SELECT state FROM delivery WHERE app_id = ?').all(app)
    await later(states).toEqual([{ state: 'cancelled' }])
    await clock.advance(FIRST_WAIT)
    expect(hook.received).toHaveLength(1)
    const again = await newTenant(gateway, org).svix.application.create({ name: 'Again', uid: 'customer' })
    expect((await svix.message.list(again.id)).data).toEqual([])
  })
})

describe('a payload that is taken away', () => {
  test('is gone for good, and what waits for it is cancelled and not silently dropped', async () => {
    const { svix, caller, app, endpoint, send, status, hook, stats } = await scene(500)
    const { id } = await send({ payload: { secret: 'of the customer' } })
    await later(async () => (await status(id))?.status).toBe('sending')
    await svix.message.expungeContent(app, id)
    expect(await status(id)).toEqual({ status: 'canceled', next: null })
    expect(await caller.ask(`/app/${app}/msg/${id}?with_content=true`)).toMatchObject({
      id,
      payload: { expired: true },
    })
    expect((await caller.send(`/app/${app}/msg?with_content=true`)).text).not.toContain('of the customer')
    expect((await svix.message.get(app, id, { withContent: true })).payload).toEqual({ expired: true })
    expect((await svix.message.get(app, id, { withContent: false })).payload).toEqual({})
    await expect(svix.messageAttempt.resend(app, id, endpoint)).rejects.toMatchObject({
      code: 400,
      body: { code: 'missing_payload' },
    })
    await clock.advance(FIRST_WAIT)
    expect(hook.received).toHaveLength(1)
    expect(await stats()).toMatchObject({ sending: 0, canceled: 1 })
  })

  test('is not delivered from memory either, where it waits for its turn', async () => {
    const { svix, app, endpoint, send, hook, stats } = await scene(200)
    await svix.endpoint.patch(app, endpoint, { throttleRate: 1 })
    await send()
    const { id } = await send({ payload: { secret: 'of the customer' } })
    await svix.message.expungeContent(app, id)
    await later(async () => (await stats()).success).toBe(1)
    await clock.advance(10 * SECOND)
    await later(async () => (await stats()).canceled).toBe(1)
    expect(hook.received).toHaveLength(1)
  })

  test('while it is on its way arrives or not, and is not tried again', async () => {
    const held: ServerResponse[] = []
    const { svix, app, send, status, hook } = await scene((response) => void held.push(response))
    const [first, second] = [await send(), await send()]
    await later(() => held.length).toBe(2)
    for (const { id } of [first, second]) await svix.message.expungeContent(app, id)
    held[0]!.writeHead(200).end()
    held[1]!.writeHead(500).end()
    await later(async () =>
      [(await status(first.id))?.status, (await status(second.id))?.status].toSorted(byText),
    ).toEqual(['sending', 'success'])
    await clock.advance(FIRST_WAIT)
    await later(async () =>
      [(await status(first.id))?.status, (await status(second.id))?.status].toSorted(byText),
    ).toEqual(['canceled', 'success'])
    expect(hook.received).toHaveLength(2)
  })

  test('of an attempt is what the receiver said, and the rest of the attempt stays', async () => {
    const { svix, app, send, attempts } = await scene({ status: 200, body: 'a card number' })
    const { id } = await send()
    await later(async () => (await attempts(id)).length).toBe(1)
    const before = (await svix.messageAttempt.listByMsg(app, id, { withContent: true })).data[0]!
    expect(before.response).toBe('a card number')
    await svix.messageAttempt.expungeContent(app, id, before.id)
    const expunged = { ...before, response: 'EXPUNGED' }
    expect((await svix.messageAttempt.listByMsg(app, id, { withContent: true })).data).toStrictEqual([expunged])
    expect(await svix.messageAttempt.get(app, id, before.id)).toStrictEqual(expunged)
    await expect(svix.messageAttempt.expungeContent(app, id, 'atmpt_unknown')).rejects.toMatchObject({
      code: 404,
      body: { detail: 'Message attempt not found' },
    })
  })
})

describe('a message for later', () => {
  test('is not delivered before its time, nor long after it', async () => {
    const { send, status, hook, attempts } = await scene()
    const deliverAt = new Date(clock.now() + 3_600 * SECOND)
    const [delayed, atOnce] = [await send({ deliverAt }), await send()]
    await later(async () => (await status(atOnce.id))?.status).toBe('success')
    await advanceTo(deliverAt.getTime())
    expect(hook.received).toHaveLength(1)
    expect(await status(delayed.id)).toBeUndefined()
    await later(async () => (await status(delayed.id))?.status).toBe('success')
    const [attempt] = await attempts(delayed.id)
    expect(attempt?.timestamp.getTime()).toBeGreaterThanOrEqual(deliverAt.getTime())
    expect(attempt!.timestamp.getTime() - deliverAt.getTime()).toBeLessThan(2 * SECOND)
  })

  test('waits in the store, through a restart', async () => {
    using directory = temporaryDirectory()
    const time = createFakeClock()
    const deliverAt = new Date(time.now() + DAY)
    const hook = receiver.hook()
    const start = () => startGateway({ ...SCHEDULE, JWT_SECRET }, directory.path, { clock: time })
    {
      await using first = await start()
      const { svix } = new Caller(first, orgToken('org_later'))
      const { id } = await svix.application.create({ name: 'Customer' })
      await svix.endpoint.create(id, { url: hook.url })
      await svix.message.create(id, { eventType: 'a', payload: {}, deliverAt })
    }
    await time.advance(DAY - 3 * SECOND)
    await using again = await start()
    const { svix } = new Caller(again, orgToken('org_later'))
    const { id } = (await svix.application.list()).data[0]!
    const sent = async () =>
      (await svix.messageAttempt.listByEndpoint(id, (await svix.endpoint.list(id)).data[0]!.id)).data
    await within(time)(async () => (await sent()).length).toBe(1)
    expect((await sent())[0]?.timestamp.getTime()).toBeGreaterThanOrEqual(deliverAt.getTime())
    expect(hook.received).toHaveLength(1)
  })

  test('whose time is over goes at once, and one of next month is refused', async () => {
    const { send, status } = await scene()
    const { id } = await send({ deliverAt: new Date(clock.now() - DAY) })
    await later(async () => (await status(id))?.status).toBe('success')
    await expect(send({ deliverAt: new Date(clock.now() + 31 * DAY) })).rejects.toMatchObject({
      code: 422,
      body: { detail: [{ loc: ['body', 'deliverAt'] }] },
    })
  })
})

test('an endpoint gets no more in a second than its throttle rate', async () => {
  const { svix, app, endpoint, send, stats } = await scene()
  await svix.endpoint.patch(app, endpoint, { throttleRate: 2 })
  for (let n = 0; n < 8; n++) await send()
  await later(async () => (await stats()).success).toBe(8)
  const { data } = await svix.messageAttempt.listByEndpoint(app, endpoint)
  const times = data.map(({ timestamp }) => timestamp.getTime()).sort((a, b) => a - b)
  const gaps = times.slice(1).map((time, i) => time - times[i]!)
  // A timer that rings late may catch up by a few milliseconds.
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(495)
})

describe('an example', () => {
  const schemas = { '1': { type: 'object', examples: [{ user: 'a' }, { user: 'b' }] } }

  test('goes to the endpoint that it was asked for alone, whatever its filters are', async () => {
    const { svix, app, endpoint, hook, send, status } = await scene()
    const other = receiver.hook()
    await svix.endpoint.create(app, { url: other.url })
    await svix.eventType.create({ name: 'user.created', description: '', schemas })
    await svix.eventType.create({ name: 'another', description: '' })
    await svix.endpoint.patch(app, endpoint, { eventTypes: ['another'], channels: ['eu'] })
    const sent = await svix.endpoint.sendExample(app, endpoint, { eventType: 'user.created' })
    const second = await svix.endpoint.sendExample(app, endpoint, { eventType: 'user.created', exampleIndex: 1 })
    const ping = await svix.endpoint.sendExample(app, endpoint, { eventType: 'svix.ping' })
    await later(() => hook.received.length).toBe(3)
    const bodyOf = (id: string) => hook.received.find(({ headers }) => headers['webhook-id'] === id)?.body.toString()
    expect([sent, second, ping].map(({ id }) => bodyOf(id))).toEqual([
      '{"user":"a"}',
      '{"user":"b"}',
      '{"success":true}',
    ])
    expect(sent).toMatchObject({ eventType: 'user.created', payload: {} })
    await later(async () => (await status(sent.id))?.status).toBe('success')
    const { id } = await send()
    await later(() => other.received.map(({ headers }) => headers['webhook-id'])).toEqual([id])
  })

  test('is not sent to a disabled endpoint, and there has to be one', async () => {
    const { svix, app, endpoint, hook, stats } = await scene()
    await svix.eventType.create({ name: 'bare', description: '' })
    await expect(svix.endpoint.sendExample(app, endpoint, { eventType: 'bare' })).rejects.toMatchObject({
      code: 400,
      body: { code: 'invalid_scheme' },
    })
    await expect(svix.endpoint.sendExample(app, endpoint, { eventType: 'unknown' })).rejects.toMatchObject({
      code: 404,
    })
    await svix.endpoint.patch(app, endpoint, { disabled: true })
    await svix.endpoint.sendExample(app, endpoint, { eventType: 'svix.ping' })
    expect(await stats()).toEqual({ success: 0, pending: 0, sending: 0, fail: 0, canceled: 0 })
    expect(hook.received).toEqual([])
  })
})
