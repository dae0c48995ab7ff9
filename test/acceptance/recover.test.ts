import { afterAll, describe, expect, test } from 'vitest'
import { healthy, html, say, startFakeSvix } from './fake-svix.ts'
import { eventually, type Issue, startGateway } from './gateway.ts'
import { notifyOne, plainEvent, SVIX_ENDPOINT, svixDelivery, towards } from './notification-gateway.ts'
import { startReceiver } from './receiver.ts'

const svix = await startFakeSvix()
const receiver = await startReceiver()
const gateway = await startGateway(towards(svix))
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await svix[Symbol.asyncDispose]()
})

interface Task {
  id: string
  kind: string
  status: string
  subscription_id: string
  since: string
  until: string
  messages: number
  created_at: string
  updated_at: string
}

const DAY_MS = 86_400_000
const ago = (ms: number) => new Date(Date.now() - ms).toISOString()
const recover = (id: string, json: unknown) => gateway.send(`/subscriptions/${id}/recover`, { json })
const finished = async ({ id }: Task): Promise<Task> => {
  const read = () => gateway.ask<Task>(`/tasks/${id}`)
  await eventually(async () => (await read()).status === 'finished')
  return read()
}
/** A subscription whose only delivery failed. */
async function failing() {
  const hook = receiver.hook(500)
  const subscription = await gateway.subscribe({ target_url: hook.url, retry_schedule: [] })
  const { id } = await gateway.ingest(subscription)
  await gateway.messageWhen(id, 'failed')
  return { hook, subscription, id }
}

describe('recovering a subscription', () => {
  test('tries its failed deliveries again, as a task that can be read', async () => {
    const { hook, subscription, id } = await failing()
    hook.replies = [200]
    const since = ago(60_000)
    const answer = await recover(subscription.id, { since })
    const task = answer.json<Task>()
    expect(answer.status).toBe(202)
    expect(answer.headers.location).toBe(`/tasks/${task.id}`)
    expect(task).toEqual({
      id: expect.stringMatching(/^qtask_/) as string,
      kind: 'endpoint.recover',
      status: 'running',
      subscription_id: subscription.id,
      since,
      until: task.created_at,
      messages: 0,
      created_at: expect.any(String) as string,
      updated_at: task.created_at,
    })
    const { attempts } = await gateway.messageWhen(id, 'delivered')
    expect(attempts[0]).toMatchObject({ trigger: 'manual', outcome: 'success' })
    const { updated_at, ...rest } = await finished(task)
    expect(updated_at >= task.created_at).toBe(true)
    expect({ ...rest, updated_at: task.updated_at }).toEqual({ ...task, status: 'finished', messages: 1 })
  })

  test('leaves what was accepted outside of the stretch', async () => {
    const { hook, subscription, id } = await failing()
    hook.replies = [200]
    const answer = await recover(subscription.id, { since: ago(2 * DAY_MS), until: ago(DAY_MS) })
    expect(await finished(answer.json<Task>())).toMatchObject({ messages: 0 })
    expect((await gateway.message(id)).status).toBe('failed')
  })

  test('brings failed notifications to Svix, which `svix` stands for', async () => {
    svix.otherwise = say(html(502))
    const id = await notifyOne(gateway, plainEvent())
    await gateway.messageWhen(id, 'failed')
    svix.otherwise = healthy
    const task = (await recover('svix', { since: ago(60_000) })).json<Task>()
    expect(task.subscription_id).toBe(SVIX_ENDPOINT)
    expect(svixDelivery(await gateway.messageWhen(id, 'delivered'))).toMatchObject({ status: 'delivered' })
    expect(await finished(task)).toMatchObject({ messages: 1 })
  })
})

describe('a request to recover is refused', () => {
  test.each([
    ['without since', {}, 'since'],
    ['with a time that is none', { since: 'yesterday' }, 'since'],
    ['with a stretch that ends before it begins', { since: ago(1_000), until: ago(60_000) }, 'since'],
    ['with a stretch that is too long', { since: ago(15 * DAY_MS) }, 'since'],
  ])('%s', async (_name, body, place) => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url, event_types: ['x'] })
    const answer = await recover(id, body)
    const { detail } = answer.json<{ detail: Issue[] }>()
    expect([answer.status, detail.map(({ loc }) => loc)]).toEqual([422, [['body', place]]])
  })

  test('with a member that is not known, and told which one may be meant', async () => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url, event_types: ['x'] })
    const answer = await recover(id, { since: ago(1_000), untill: ago(0) })
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('Did you mean \\"until\\"?')])
  })

  test('while as many tasks as there may be are not finished', async () => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url, event_types: ['x'] })
    const answers = await Promise.all(Array.from({ length: 60 }, () => recover(id, { since: ago(1_000) })))
    const refused = answers.filter(({ status }) => status !== 202)
    expect(refused.length).toBeGreaterThan(0)
    for (const answer of refused)
      expect([answer.status, answer.json<{ code: string }>().code]).toEqual([409, 'tasks_unfinished'])
  })

  test('for a subscription that is not there, and so is reading a task that is not there', async () => {
    const { id } = await gateway.subscribe({ target_url: receiver.hook().url, event_types: ['x'] })
    await gateway.send(`/subscriptions/${id}`, { method: 'DELETE' })
    for (const unknown of [id, 'ep_none'])
      expect((await recover(unknown, { since: ago(1_000) })).json()).toMatchObject({ code: 'subscription_not_found' })
    const answer = await gateway.send('/tasks/qtask_none')
    expect([answer.status, answer.json<{ code: string }>().code]).toEqual([404, 'task_not_found'])
  })
})
