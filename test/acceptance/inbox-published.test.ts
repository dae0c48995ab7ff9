import { afterAll, describe, expect, test } from 'vitest'
import { soon, startGateway } from './gateway.ts'
import { inboxMessage, post, SECRET, take } from './inbox-gateway.ts'
import { type Hook, startReceiver } from './receiver.ts'

const receiver = await startReceiver()
afterAll(() => receiver[Symbol.asyncDispose]())

describe('a first-time message', () => {
  const bodies = (hook: Hook) => hook.received.map((request) => request.body.toString())

  test('reaches the subscriptions that name message.received as the bytes that were posted, and reaches them once', async () => {
    await using other = await startGateway({ WEBHOOK_SECRET: SECRET })
    const [all, exact, pattern, unwanted, disabled, nameless] = Array.from({ length: 6 }, () => receiver.hook())
    await other.subscribe({ target_url: all!.url, event_types: ['*'] })
    await other.subscribe({ target_url: nameless!.url })
    await other.subscribe({ target_url: exact!.url, event_types: ['message.received'] })
    await other.subscribe({ target_url: pattern!.url, event_types: ['order.created', 'message.*'] })
    await other.subscribe({ target_url: unwanted!.url, event_types: ['message.sent', 'message'] })
    await other.subscribe({ target_url: disabled!.url, event_types: ['*'], enabled: false })

    const message = inboxMessage()
    const body = ` ${JSON.stringify({ ...message, text: 'ünïcode\u0000 "😀"', extra: [1] }, null, 3)}\n`
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(other, body)))
    answers.push(await post(other, { ...message, text: 'another text' }))
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200))

    // A marker behind it: what else there was to deliver would have come before.
    const marker = JSON.stringify(inboxMessage())
    await take(other, marker)
    for (const hook of [all!, exact!, pattern!]) {
      await soon(() => bodies(hook)).toEqual([body, marker])
      expect(hook.received[0]?.headers).toMatchObject({
        'content-type': 'application/json',
        'x-event-type': 'message.received',
      })
    }
    expect([unwanted!.received, disabled!.received, nameless!.received]).toEqual([[], [], []])
    expect(other.rows()).toMatchObject({ msg: 2, delivery: 6 })
  })

  test('is kept without a subscription, and a refused one is published nowhere', async () => {
    await using other = await startGateway({ WEBHOOK_SECRET: SECRET })
    await take(other, inboxMessage())
    const hook = receiver.hook()
    await other.subscribe({ target_url: hook.url, event_types: ['message.received'] })
    await post(other, inboxMessage({ ts: '' }))
    await post(other, inboxMessage(), { 'x-signature': '' })
    const body = JSON.stringify(inboxMessage())
    await take(other, body)
    await soon(() => bodies(hook)).toEqual([body])
    expect(other.rows()).toMatchObject({ msg: 2, delivery: 1 })
  })
})
