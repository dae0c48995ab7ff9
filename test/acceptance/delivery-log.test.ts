import { afterAll, describe, expect, test } from 'vitest'
import { type Accepted, type MessageStatus, soon, startGateway } from './gateway.ts'
import { startReceiver } from './receiver.ts'

const receiver = await startReceiver()
const gateway = await startGateway()
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const retry = (message: { id: string }, query = '') =>
  gateway.send(`/deliveries/${message.id}/retry${query}`, { method: 'POST' })

const only = (message: MessageStatus) => {
  expect(message.deliveries).toHaveLength(1)
  return message.deliveries[0]!
}

describe('a manual retry', () => {
  test('of a failed delivery makes it delivered when it succeeds', async () => {
    const hook = receiver.hook(500, 500, 200)
    const { id } = await gateway.ingest(await gateway.subscribe({ target_url: hook.url, retry_schedule: [] }))
    await gateway.messageWhen(id, 'failed')
    const answer = await retry({ id }, '/')
    expect([answer.status, answer.json()]).toEqual([202, { id, status: 'queued', deliveries: 1 }])
    await soon(async () => (await gateway.message(id)).attempts.length).toBe(2)
    expect((await gateway.message(id)).status).toBe('failed')
    await retry({ id })
    const { attempts } = await gateway.messageWhen(id, 'delivered')
    expect(attempts.map(({ trigger, outcome, attempt }) => [trigger, outcome, attempt])).toEqual([
      ['manual', 'success', 3],
      ['manual', 'failure', 2],
      ['scheduled', 'failure', 1],
    ])
  })

  test('of a delivered one delivers it again, and its failure takes nothing back', async () => {
    const hook = receiver.hook(200, 200, 500)
    const { id } = await gateway.ingest(await gateway.subscribe({ target_url: hook.url }))
    await gateway.messageWhen(id, 'delivered')
    for (const attempts of [2, 3]) {
      await retry({ id })
      await soon(async () => only(await gateway.message(id))).toMatchObject({
        status: 'delivered',
        attempts,
        next_attempt_at: null,
      })
    }
    expect(new Set(hook.received.map((request) => request.headers['webhook-id']))).toEqual(new Set([id]))
  })

  test('of a waiting one is extra: the schedule stays as it was', async () => {
    const hook = receiver.hook(500, 500, 200)
    const { id } = await gateway.ingest(await gateway.subscribe({ target_url: hook.url, retry_schedule: ['1h', '2h'] }))
    const before = only(await gateway.messageWhen(id, 'delivering'))
    for (const attempts of [2, 3]) {
      await retry({ id })
      await soon(async () => only(await gateway.message(id)).attempts).toBe(attempts)
    }
    const message = await gateway.message(id)
    expect(message.attempts.map((attempt) => attempt.outcome)).toEqual(['success', 'failed_attempt', 'failed_attempt'])
    expect(only(message)).toMatchObject({ status: 'delivering', next_attempt_at: before.next_attempt_at })
  })

  test('goes to one subscription when it is named', async () => {
    await gateway.unsubscribeAll()
    const [a, b] = [receiver.hook(), receiver.hook()]
    const first = await gateway.subscribe({ target_url: a.url, event_types: ['two'] })
    await gateway.subscribe({ target_url: b.url, event_types: ['two'] })
    const { id } = await gateway.ask<Accepted>('/ingest?event_type=two', { json: {} })
    await gateway.messageWhen(id, 'delivered')
    expect((await retry({ id }, `?subscription_id=${first.id}`)).json()).toMatchObject({ deliveries: 1 })
    await soon(() => [a, b].map((hook) => hook.received.length)).toEqual([2, 1])
    expect((await retry({ id })).json()).toMatchObject({ deliveries: 2 })
    await soon(() => [a, b].map((hook) => hook.received.length)).toEqual([3, 2])
  })

  test('makes the delivery that is missing because the subscription was disabled when the event came', async () => {
    await gateway.unsubscribeAll()
    const [hook, other] = [receiver.hook(), receiver.hook()]
    const subscription = await gateway.subscribe({ target_url: hook.url, enabled: false })
    await gateway.subscribe({ target_url: other.url })
    const { id, status } = await gateway.ingest(subscription, { late: true })
    expect(status).toBe('disabled')
    await gateway.send(`/subscriptions/${subscription.id}`, { method: 'PATCH', json: { enabled: true } })
    // It came in for one subscription: it is nothing for those that take whatever is ingested for them.
    expect((await retry({ id })).status).toBe(404)
    expect((await retry({ id }, `?subscription_id=${subscription.id}`)).json()).toMatchObject({ deliveries: 1 })
    await gateway.messageWhen(id, 'delivered')
    expect(hook.received.map((request) => request.body.toString())).toEqual(['{"late":true}'])
    expect((await retry({ id }, '?subscription_id=svix')).status).toBe(404)
    expect(other.received).toEqual([])
  })

  test('of an event that nobody wanted goes to those that name its type now', async () => {
    await gateway.unsubscribeAll()
    const { id } = await gateway.ask<Accepted>('/ingest?event_type=news.late', { json: {} })
    const [named, nameless] = [receiver.hook(), receiver.hook()]
    await gateway.subscribe({ target_url: named.url, event_types: ['news.*'] })
    await gateway.subscribe({ target_url: nameless.url })
    expect((await retry({ id })).json()).toMatchObject({ deliveries: 1 })
    await gateway.messageWhen(id, 'delivered')
    expect([named.received.length, nameless.received.length]).toEqual([1, 0])
  })

  test('of what is unknown is a 404', async () => {
    const subscription = await gateway.subscribe({ target_url: receiver.hook().url, enabled: false })
    const { id } = await gateway.ingest(subscription)
    await gateway.send(`/subscriptions/${subscription.id}`, { method: 'DELETE' })
    const codeOf = async (answer: ReturnType<typeof retry>) => [
      (await answer).status,
      (await answer).json<{ code: string }>().code,
    ]
    expect(await codeOf(retry({ id }))).toEqual([404, 'delivery_not_found'])
    expect(await codeOf(retry({ id }, `?subscription_id=${subscription.id}`))).toEqual([404, 'delivery_not_found'])
    expect(await codeOf(retry({ id: 'msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG' }))).toEqual([404, 'message_not_found'])
    expect(await codeOf(retry({ id: 'nonsense' }))).toEqual([404, 'message_not_found'])
    expect(await codeOf(retry({ id }, '?subscription_id=a&subscription_id=b'))).toEqual([422, 'validation'])
  })
})

test('the payload route gives the accepted bytes, as data and never as a page', async () => {
  const { id } = await gateway.subscribe({ target_url: receiver.hook().url, enabled: false })
  const body = '"<script>alert(1)</script>" \n'
  const message = await gateway.ask<Accepted>(`/ingest/${id}`, { body, headers: { 'content-type': 'text/html+json' } })
  const answer = await gateway.send(`/deliveries/${message.id}/payload`)
  expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([200, body, 'text/html+json'])
  expect(answer.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'content-security-policy': 'sandbox' })
  for (const path of ['', '/payload']) {
    const unknown = await gateway.send(`/deliveries/msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG${path}`)
    expect([unknown.status, unknown.json<{ code: string }>().code]).toEqual([404, 'message_not_found'])
  }
})

test('the attempts of a subscription are listed newest first, by outcome and up to a limit', async () => {
  const hook = receiver.hook(500, 500, 200)
  const subscription = await gateway.subscribe({ target_url: hook.url })
  const first = await gateway.ingest(subscription)
  await gateway.messageWhen(first.id, 'delivered')
  hook.replies = [400]
  const second = await gateway.ingest(subscription)
  await gateway.messageWhen(second.id, 'failed')
  const outcomes = async (query: string) =>
    (await gateway.attempts(subscription, query)).map((attempt) => attempt.outcome)
  const all = ['failure', 'failed_attempt', 'failed_attempt', 'success', 'failed_attempt', 'failed_attempt']
  expect(await outcomes('')).toEqual(all)
  expect(await outcomes('?limit=4')).toEqual(all.slice(0, 4))
  expect(await outcomes('?outcome=success')).toEqual(['success'])
  expect(await outcomes('?outcome=failure&limit=5')).toEqual(['failure'])
  expect(await outcomes('?outcome=failed_attempt&limit=3')).toEqual(Array(3).fill('failed_attempt'))
  for (const query of ['?outcome=bad', '?limit=0', '?limit=251'])
    expect((await gateway.send(`/subscriptions/${subscription.id}/attempts${query}`)).status).toBe(422)
  for (let n = 0; n < 20; n++) await gateway.ingest(subscription, n)
  await soon(async () => (await gateway.attempts(subscription, '?limit=250')).length).toBe(66)
  expect(await outcomes('')).toHaveLength(20)
})
