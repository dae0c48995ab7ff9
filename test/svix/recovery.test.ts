/** What is done again in the background, and the counts by which one sees that it is needed. */
import { BackgroundTaskStatus } from 'svix'
import { afterAll, describe, expect, test } from 'vitest'
import { DEFAULT_APP, DEFAULT_ORG } from '../../src/domain/application.ts'
import { soon } from '../acceptance/gateway.ts'
import { type Hook, type Reply, startReceiver } from '../acceptance/receiver.ts'
import { createFakeClock } from '../fake-clock.ts'
import { Caller, newTenant, orgToken, startSvixGateway } from './sdk-gateway.ts'

const DAY = 86_400_000
const receiver = await startReceiver()
/** Every message is tried once. */
const gateway = await startSvixGateway({ RETRY_SCHEDULE: '' })
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const NONE = { success: 0, pending: 0, sending: 0, fail: 0, canceled: 0 }

async function scene(reply?: Reply) {
  const tenant = newTenant(gateway)
  const { svix } = tenant
  const { id: app } = await svix.application.create({ name: 'Customer' })
  const hook = receiver.hook(...(reply === undefined ? [] : [reply]))
  const { id: endpoint } = await svix.endpoint.create(app, { url: hook.url })
  return { svix, org: tenant.org, app, endpoint, hook, ...actions(tenant, app, endpoint) }
}

const actions = ({ svix }: Pick<Caller, 'svix'>, app: string, endpoint: string) => ({
  send: (given: object = {}) => svix.message.create(app, { eventType: 'order.paid', payload: {}, ...given }),
  stats: (window: { since?: Date; until?: Date } = {}) => svix.endpoint.getStats(app, endpoint, window),
  /** How many messages the task made due, once it is done. */
  done: async (task: Promise<{ id: string }>): Promise<number> => {
    const { id } = await task
    await soon(async () => (await svix.backgroundTask.get(id)).status).toBe(BackgroundTaskStatus.Finished)
    return ((await svix.backgroundTask.get(id)).data as { messages: number }).messages
  },
})

/** How often each message came, by its id. */
function timesReceived({ received }: Hook): Record<string, number> {
  const times: Record<string, number> = {}
  for (const { headers } of received) {
    const id = String(headers['webhook-id'])
    times[id] = (times[id] ?? 0) + 1
  }
  return times
}

/** Ids tell times apart by four milliseconds: what follows is later than what was. */
async function moment(): Promise<Date> {
  const before = Date.now()
  await soon(() => Date.now() - before).toBeGreaterThan(8)
  const now = new Date()
  await soon(() => Date.now() - now.getTime()).toBeGreaterThan(8)
  return now
}

describe('recovering', () => {
  test('tries all that failed in the window again, each once, and nothing else, over many steps', async () => {
    let isWell = false
    const isBad = (n: number) => n % 3 === 0
    const { svix, app, endpoint, hook, send, stats, done } = await scene((response) =>
      response.writeHead(isWell ? 200 : 500).end(),
    )
    const sendMany = (count: number) => Promise.all(Array.from({ length: count }, () => send()))
    const early = await sendMany(3)
    await soon(stats).toEqual({ ...NONE, fail: 3 })
    const since = await moment()
    const failed: string[] = []
    const fine: string[] = []
    for (let part = 0; part < 9; part++) {
      isWell = !isBad(part)
      const ids = (await sendMany(75)).map(({ id }) => id)
      ;(isWell ? fine : failed).push(...ids)
      await soon(async () => {
        const { success, fail } = await stats()
        return success + fail
      }).toBe(3 + 75 * (part + 1))
    }
    const until = await moment()
    isWell = false
    const late = await sendMany(3)
    await soon(stats).toEqual({ ...NONE, success: fine.length, fail: failed.length + 6 })
    expect([failed.length, fine.length]).toEqual([225, 450])

    isWell = true
    expect(await done(svix.endpoint.recover(app, endpoint, { since, until }))).toBe(225)
    await soon(stats).toEqual({ ...NONE, success: 675, fail: 6 })
    const expected = [
      ...failed.map((id) => [id, 2]),
      ...[...fine, ...early.map(({ id }) => id), ...late.map(({ id }) => id)].map((id) => [id, 1]),
    ]
    expect(timesReceived(hook)).toEqual(Object.fromEntries(expected))
    const manual = (await svix.messageAttempt.listByMsg(app, failed[0]!)).data[0]
    expect(manual).toMatchObject({ triggerType: 1, statusText: 'success' })

    expect(await done(svix.endpoint.recover(app, endpoint, { since, until }))).toBe(0)
    expect(await done(svix.endpoint.recover(app, endpoint, { since: new Date(since.getTime() - DAY) }))).toBe(6)
    await soon(stats).toEqual({ ...NONE, success: 681 })
  })

  test('leaves alone what will be tried again anyway', async () => {
    const owner = new Caller(gateway, orgToken(DEFAULT_ORG))
    const hook = receiver.hook(500)
    const { id } = await gateway.subscribe({ target_url: hook.url, retry_schedule: ['1h'] })
    const { send, stats, done } = actions(owner, DEFAULT_APP, id)
    await send()
    await soon(stats).toEqual({ ...NONE, sending: 1 })
    expect(await done(owner.svix.endpoint.recover(DEFAULT_APP, id, { since: new Date(Date.now() - DAY) }))).toBe(0)
    expect(hook.received).toHaveLength(1)
  })

  test('brings back what was cancelled with a disabled endpoint, and not what has no payload any more', async () => {
    const { svix, app, endpoint, hook, send, stats, done } = await scene(500)
    const [kept, expunged] = [await send(), await send()]
    await soon(stats).toEqual({ ...NONE, fail: 2 })
    await svix.endpoint.patch(app, endpoint, { throttleRate: 1 })
    const waiting = await send({ deliverAt: new Date(Date.now() + DAY) })
    expect(await stats()).toEqual({ ...NONE, fail: 2, pending: 1 })
    await svix.endpoint.patch(app, endpoint, { disabled: true, throttleRate: null })
    await soon(stats).toEqual({ ...NONE, fail: 2, canceled: 1 })
    await svix.message.expungeContent(app, expunged.id)
    const since = new Date(Date.now() - DAY)
    expect(await done(svix.endpoint.recover(app, endpoint, { since }))).toBe(0)
    await svix.endpoint.patch(app, endpoint, { disabled: false })
    hook.replies.unshift(200)
    hook.replies.pop()
    expect(await done(svix.endpoint.recover(app, endpoint, { since }))).toBe(2)
    await soon(stats).toEqual({ ...NONE, success: 2, fail: 1 })
    expect(timesReceived(hook)).toEqual({ [kept.id]: 2, [expunged.id]: 1, [waiting.id]: 1 })
  })

  test('that fails again is a failed attempt by hand, and may be repeated', async () => {
    const { svix, app, endpoint, hook, send, stats, done } = await scene(500)
    const { id } = await send()
    await soon(stats).toEqual({ ...NONE, fail: 1 })
    const since = new Date(Date.now() - DAY)
    for (let times = 2; times <= 3; times++) {
      expect(await done(svix.endpoint.recover(app, endpoint, { since }))).toBe(1)
      await soon(async () => (await svix.messageAttempt.listByMsg(app, id)).data.length).toBe(times)
    }
    expect(await stats()).toEqual({ ...NONE, fail: 1 })
    expect(hook.received).toHaveLength(3)
  })

  test('reaches back fourteen days, and says what it will do', async () => {
    const { svix, app, endpoint, org } = await scene()
    const days = (n: number) => new Date(Date.now() - n * DAY)
    for (const since of [days(15), days(-1)])
      await expect(svix.endpoint.recover(app, endpoint, { since })).rejects.toMatchObject({
        code: 422,
        body: { detail: [{ loc: ['body', 'since'] }] },
      })
    const until = days(20)
    const task = await svix.endpoint.recover(app, endpoint, { since: days(30), until })
    expect(task).toMatchObject({ task: 'endpoint.recover', status: 'running' })
    const replay = await svix.endpoint.replayMissing(app, endpoint, { since: days(14) })
    expect(replay).toMatchObject({ task: 'endpoint.replay', status: 'running' })
    const { data } = await svix.backgroundTask.list()
    expect(data.map(({ id }) => id)).toEqual([replay.id, task.id])
    expect(data[1]?.data).toMatchObject({ appId: app, endpointId: endpoint, until: until.toISOString() })
    await expect(newTenant(gateway).svix.backgroundTask.get(task.id)).rejects.toMatchObject({ code: 404 })
    expect((await newTenant(gateway, org).svix.backgroundTask.get(task.id)).id).toBe(task.id)
  })
})

describe('replaying what is missing', () => {
  test('delivers what an endpoint was not there to get, each once, over many steps', async () => {
    const { svix, app, hook, send, stats } = await scene()
    const before = await Promise.all(Array.from({ length: 230 }, () => send()))
    await soon(stats).toEqual({ ...NONE, success: 230 })
    const late = receiver.hook()
    const { id: endpoint } = await svix.endpoint.create(app, { url: late.url })
    const { stats: lateStats, done } = actions({ svix }, app, endpoint)
    const seen = await send()
    await soon(lateStats).toEqual({ ...NONE, success: 1 })

    const since = new Date(Date.now() - DAY)
    expect(await done(svix.endpoint.replayMissing(app, endpoint, { since }))).toBe(230)
    await soon(lateStats).toEqual({ ...NONE, success: 231 })
    expect(timesReceived(late)).toEqual(Object.fromEntries([...before, seen].map(({ id }) => [id, 1])))
    expect(await done(svix.endpoint.replayMissing(app, endpoint, { since }))).toBe(0)
    expect(hook.received).toHaveLength(231)
  })

  test('keeps to the filters of the endpoint, to the window, and to what has a payload', async () => {
    const { svix, app, send, stats } = await scene()
    await svix.eventType.create({ name: 'wanted', description: '' })
    const wanted = { eventType: 'wanted', channels: ['eu', 'us'] }
    await send(wanted)
    const since = await moment()
    const [match, expunged] = [await send(wanted), await send(wanted)]
    await send({ ...wanted, channels: ['us'] })
    await send({ eventType: 'wanted' })
    await send({ channels: ['eu'] })
    const until = await moment()
    await send(wanted)
    await soon(stats).toEqual({ ...NONE, success: 7 })
    await svix.message.expungeContent(app, expunged.id)
    const late = receiver.hook()
    const { id } = await svix.endpoint.create(app, { url: late.url, eventTypes: ['wanted'], channels: ['eu'] })
    const { done } = actions({ svix }, app, id)
    expect(await done(svix.endpoint.replayMissing(app, id, { since, until }))).toBe(1)
    await soon(() => timesReceived(late)).toEqual({ [match.id]: 1 })
  })

  test('leaves what failed to recovering, and a disabled endpoint alone', async () => {
    const { svix, app, endpoint, send, stats, done } = await scene(500)
    await send()
    await soon(stats).toEqual({ ...NONE, fail: 1 })
    const since = new Date(Date.now() - DAY)
    expect(await done(svix.endpoint.replayMissing(app, endpoint, { since }))).toBe(0)
    await svix.endpoint.patch(app, endpoint, { disabled: true })
    await send()
    expect(await done(svix.endpoint.replayMissing(app, endpoint, { since }))).toBe(0)
    await svix.endpoint.patch(app, endpoint, { disabled: false })
    expect(await done(svix.endpoint.replayMissing(app, endpoint, { since }))).toBe(1)
    await soon(stats).toEqual({ ...NONE, fail: 2 })
  })
})

describe('the counts of an endpoint', () => {
  test('count messages and not attempts, each of them once, by what became of it', async () => {
    const { svix, app, endpoint, send, stats, hook } = await scene()
    await send()
    await soon(stats).toEqual({ ...NONE, success: 1 })
    hook.replies.push(500)
    const failed = await send()
    await soon(stats).toEqual({ ...NONE, success: 1, fail: 1 })
    for (let n = 0; n < 3; n++) {
      await svix.messageAttempt.resend(app, failed.id, endpoint)
      await soon(() => hook.received.length).toBe(3 + n)
    }
    const later = await send({ deliverAt: new Date(Date.now() + DAY) })
    await send({ deliverAt: new Date(Date.now() + DAY) })
    await soon(stats).toEqual({ ...NONE, success: 1, fail: 1, pending: 2 })
    await svix.message.expungeContent(app, later.id)
    await soon(stats).toEqual({ ...NONE, success: 1, fail: 1, pending: 1, canceled: 1 })
    await svix.endpoint.create(app, { url: receiver.hook(500).url })
    await send()
    const counted = { ...NONE, success: 1, fail: 2, pending: 1, canceled: 1 }
    await soon(stats).toEqual(counted)
    expect(await stats()).toEqual(counted)
  })

  test('count within a window of at most 28 days that is not in the future', async () => {
    const { send, stats } = await scene()
    await send()
    const between = await moment()
    await send()
    await send()
    await soon(stats).toEqual({ ...NONE, success: 3 })
    expect(await stats({ since: between })).toEqual({ ...NONE, success: 2 })
    expect(await stats({ until: between })).toEqual({ ...NONE, success: 1 })
    const days = (n: number) => new Date(Date.now() - n * DAY)
    for (const window of [
      { since: days(29) },
      { since: days(1), until: days(2) },
      { until: days(-1) },
      { since: days(40), until: days(10) },
    ])
      await expect(stats(window)).rejects.toMatchObject({ code: 400, body: { code: 'invalid_range' } })
    expect(await stats({ since: days(60), until: days(40) })).toEqual(NONE)
  })

  test('hold what was accepted this very moment', async () => {
    const clock = createFakeClock()
    await using still = await startSvixGateway({}, undefined, { clock })
    const { svix } = newTenant(still)
    const { id: app } = await svix.application.create({ name: 'Customer' })
    const { id: endpoint } = await svix.endpoint.create(app, { url: receiver.hook().url })
    const { send, stats } = actions({ svix }, app, endpoint)
    for (let n = 1; n <= 5; n++) {
      const { timestamp } = await send({ deliverAt: new Date(clock.now() + DAY) })
      expect(await stats()).toEqual({ ...NONE, pending: n })
      expect(await stats({ until: timestamp })).toEqual({ ...NONE, pending: n })
      await clock.advance(1)
    }
  })
})

test('of one kind an endpoint has few tasks that are not finished, and those are done one after the other', async () => {
  const { svix, org, app, endpoint } = await scene()
  const caller = new Caller(gateway, orgToken(org))
  const since = new Date(Date.now() - DAY).toISOString()
  const ask = (kind: string) =>
    caller.send(`/app/${app}/endpoint/${endpoint}/${kind}`, { method: 'POST', json: { since } })
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask('replay-missing')))
  const refused = answers.filter(({ status }) => status !== 202)
  expect(refused.length).toBeGreaterThan(0)
  for (const one of refused)
    expect([one.status, one.json()]).toEqual([
      409,
      { code: 'conflict', detail: expect.stringContaining('endpoint.replay') },
    ])
  // Another kind is not in their way.
  expect((await ask('recover')).status).toBe(202)
  const open = async () => (await svix.backgroundTask.list({ status: BackgroundTaskStatus.Running })).data.length
  await soon(open).toBe(0)
  expect((await ask('replay-missing')).status).toBe(202)
})
