/** The official JavaScript client, unchanged: what delivers again, what counts, and what tells operators. */
import { BackgroundTaskStatus, BackgroundTaskType, type Svix, Webhook } from 'svix'
import { afterAll, describe, expect, test } from 'vitest'
import { soon } from '../acceptance/gateway.ts'
import { startReceiver } from '../acceptance/receiver.ts'
import { newTenant, refusal, startSvixGateway } from './sdk-gateway.ts'

const receiver = await startReceiver()
const gateway = await startSvixGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const idsOf = (hook: ReturnType<typeof receiver.hook>) => hook.received.map(({ headers }) => headers['svix-id'])

describe('background tasks', () => {
  const finished = (svix: Svix, id: string) =>
    soon(async () => (await svix.backgroundTask.get(id)).status).toBe(BackgroundTaskStatus.Finished)

  test('recover delivers again what failed, and replayMissing what was never sent', async () => {
    const { svix } = newTenant(gateway)
    const { id: app } = await svix.application.create({ name: 'Tasks' })
    const since = new Date()
    const early = await svix.message.create(app, { eventType: 'early', payload: {} })
    const hook = receiver.hook(500)
    const { id } = await svix.endpoint.create(app, { url: hook.url })
    const failing = await svix.message.create(app, { eventType: 'failing', payload: {} })
    await soon(async () => (await svix.endpoint.getStats(app, id)).fail).toBe(1)
    hook.replies = [200]
    const fine = await svix.message.create(app, { eventType: 'fine', payload: {} })
    await soon(async () => (await svix.endpoint.getStats(app, id)).success).toBe(1)
    hook.received.length = 0

    const recovery = await svix.endpoint.recover(app, id, { since })
    expect(recovery).toEqual({
      id: expect.stringMatching(/^qtask_[0-9A-Za-z]{27}$/),
      status: BackgroundTaskStatus.Running,
      task: BackgroundTaskType.EndpointRecover,
      updatedAt: expect.any(Date),
    })
    await finished(svix, recovery.id)
    await soon(() => idsOf(hook)).toEqual([failing.id])

    const replay = await svix.endpoint.replayMissing(app, id, { since, until: new Date() })
    expect(replay).toMatchObject({ status: BackgroundTaskStatus.Running, task: BackgroundTaskType.EndpointReplay })
    await finished(svix, replay.id)
    await soon(() => idsOf(hook)).toEqual([failing.id, early.id])
    expect(idsOf(hook)).not.toContain(fine.id)

    const tasks = await svix.backgroundTask.list()
    expect(tasks.data.map((one) => one.id)).toEqual([replay.id, recovery.id])
    expect(tasks.data[0]).toStrictEqual(await svix.backgroundTask.get(replay.id))
    const filtered = await svix.backgroundTask.list({
      task: BackgroundTaskType.EndpointRecover,
      status: BackgroundTaskStatus.Finished,
    })
    expect(filtered.data.map((one) => one.id)).toEqual([recovery.id])
    expect((await svix.backgroundTask.list({ task: BackgroundTaskType.SdkGenerate })).data).toEqual([])
    await expect(svix.backgroundTask.get('qtask_unknown')).rejects.toEqual(refusal(404))
  })

  test('look back for two weeks at most', async () => {
    const { svix } = newTenant(gateway)
    const { id: app } = await svix.application.create({ name: 'Tasks' })
    const { id } = await svix.endpoint.create(app, { url: receiver.hook().url })
    const since = new Date(Date.now() - 15 * 86_400_000)
    await expect(svix.endpoint.recover(app, id, { since })).rejects.toEqual(
      refusal(422, {
        detail: [{ loc: ['body', 'since'], msg: 'Cannot recover more than 14 days of messages', type: 'value_error' }],
      }),
    )
  })
})

test('sendExample sends the example of an event type to one endpoint alone', async () => {
  const { svix } = newTenant(gateway)
  const { id: app } = await svix.application.create({ name: 'Examples' })
  const examples = [{ n: 1 }, { n: 2 }]
  await svix.eventType.create({ name: 'with', description: '', schemas: { 1: { type: 'object', examples } } })
  await svix.eventType.create({ name: 'without', description: '' })
  const [hook, other] = [receiver.hook(), receiver.hook()]
  const { id } = await svix.endpoint.create(app, { url: hook.url, eventTypes: ['without'] })
  await svix.endpoint.create(app, { url: other.url })

  const sent = [
    await svix.endpoint.sendExample(app, id, { eventType: 'with' }),
    await svix.endpoint.sendExample(app, id, { eventType: 'with', exampleIndex: 1 }),
    await svix.endpoint.sendExample(app, id, { eventType: 'svix.ping' }),
  ]
  expect(sent.map(({ eventType, payload }) => [eventType, payload])).toEqual([
    ['with', {}],
    ['with', {}],
    ['svix.ping', {}],
  ])
  await soon(() => hook.received.length).toBe(3)
  const bodies = new Map(hook.received.map(({ headers, body }) => [headers['svix-id'], body.toString()]))
  expect(sent.map((one) => bodies.get(one.id))).toEqual(['{"n":1}', '{"n":2}', '{"success":true}'])
  expect(other.received).toEqual([])
  await expect(svix.endpoint.sendExample(app, id, { eventType: 'unknown' })).rejects.toEqual(refusal(404))
  await expect(svix.endpoint.sendExample(app, id, { eventType: 'without' })).rejects.toEqual(
    refusal(400, { code: 'invalid_scheme', detail: expect.any(String) }),
  )
})

test('statistics count messages by what became of them, within a range of time', async () => {
  const { svix } = newTenant(gateway)
  const { id: app } = await svix.application.create({ name: 'Counted' })
  const hook = receiver.hook()
  const { id } = await svix.endpoint.create(app, { url: hook.url })
  for (let n = 0; n < 3; n++) await svix.message.create(app, { eventType: 'counted', payload: { n } })
  await soon(async () => (await svix.endpoint.getStats(app, id)).success).toBe(3)
  expect(await svix.endpoint.getStats(app, id)).toEqual({ success: 3, pending: 0, sending: 0, fail: 0, canceled: 0 })
  const hours = (n: number) => new Date(Date.now() - n * 3_600_000)
  expect(await svix.endpoint.getStats(app, id, { until: hours(1) })).toMatchObject({ success: 0 })
  for (const range of [{ until: hours(-1) }, { since: hours(29 * 24) }, { since: hours(1), until: hours(2) }])
    await expect(svix.endpoint.getStats(app, id, range)).rejects.toEqual(
      refusal(400, { code: 'invalid_range', detail: expect.any(String) }),
    )
})

describe('operational webhooks', () => {
  test('tell the endpoint that listens, signed like everything else', async () => {
    const { svix } = newTenant(gateway)
    const { endpoint } = svix.operationalWebhook
    const hook = receiver.hook()
    const listener = await endpoint.create({ url: hook.url, eventTypes: ['endpoint.created'], headers: { 'X-A': 'b' } })
    const app = await svix.application.create({ name: 'Told of', uid: 'told' })
    const created = await svix.endpoint.create(app.id, { url: receiver.hook().url, uid: 'new' })
    await svix.endpoint.patch(app.id, created.id, { description: 'not told' })
    await soon(() => hook.received.length).toBe(1)
    const [{ headers, body }] = hook.received as [(typeof hook.received)[0]]
    new Webhook((await endpoint.getSecret(listener.id)).key).verify(body.toString(), headers as Record<string, string>)
    expect(headers['x-a']).toBe('b')
    expect(JSON.parse(body.toString())).toEqual({
      type: 'endpoint.created',
      data: { appId: app.id, appUid: 'told', endpointId: created.id, endpointUid: 'new' },
    })
  })

  test('have endpoints of their own, which each organization sees for itself', async () => {
    const [mine, other] = [newTenant(gateway).svix, newTenant(gateway).svix]
    const { endpoint } = mine.operationalWebhook
    const url = 'http://127.0.0.1:9/operations'
    const created = await endpoint.create({ url, uid: 'ops', description: 'Operators', metadata: { a: 'b' } })
    expect(await endpoint.get('ops')).toStrictEqual(created)
    expect((await endpoint.list()).data).toStrictEqual([created])
    expect((await other.operationalWebhook.endpoint.list()).data).toEqual([])
    await expect(other.operationalWebhook.endpoint.get(created.id)).rejects.toEqual(refusal(404))
    expect((await mine.application.list()).data).toEqual([])

    const replaced = await endpoint.upsert('ops', { url, uid: 'ops', disabled: true })
    expect(replaced).toMatchObject({ id: created.id, description: '', disabled: true, metadata: {} })
    await endpoint.setHeaders('ops', { headers: { 'X-Token': 't' } })
    expect(await endpoint.getHeaders('ops')).toEqual({ headers: { 'X-Token': 't' }, sensitive: [] })
    const { key } = await endpoint.getSecret('ops')
    await endpoint.rotateSecret('ops')
    expect((await endpoint.getSecret('ops')).key).not.toBe(key)
    await endpoint.delete('ops')
    await expect(endpoint.get(created.id)).rejects.toEqual(refusal(404))
    await expect(endpoint.create({ url, eventTypes: ['no.such.type'] })).rejects.toEqual(refusal(422))
  })
})
