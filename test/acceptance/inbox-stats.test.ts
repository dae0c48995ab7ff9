import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { startGateway } from './gateway.ts'
import { inboxMessage, type InboxMessage, post, SECRET, stats, take } from './inbox-gateway.ts'
import { countOf } from './inbox-model.ts'

const open = () => startGateway({ WEBHOOK_SECRET: SECRET })

const EMPTY = {
  total_messages: 0,
  senders_count: 0,
  messages_per_sender: [],
  first_message_ts: null,
  last_message_ts: null,
}

describe('/stats', () => {
  test('of an empty inbox has zeros and nulls, also after requests that were refused', async () => {
    await using gateway = await open()
    expect(await stats(gateway)).toEqual(EMPTY)
    await post(gateway, inboxMessage(), { 'x-signature': 'no' })
    await post(gateway, inboxMessage({ from: '1' }))
    expect(await stats(gateway)).toEqual(EMPTY)
  })

  test('of one message is all about that', async () => {
    await using gateway = await open()
    await take(gateway, inboxMessage({ from: '+7', ts: '2025-01-15T10:00:00.500Z', text: null }))
    expect(await stats(gateway)).toEqual({
      total_messages: 1,
      senders_count: 1,
      messages_per_sender: [{ from: '+7', count: 1 }],
      first_message_ts: '2025-01-15T10:00:00.500Z',
      last_message_ts: '2025-01-15T10:00:00.500Z',
    })
  })

  test('lists the ten senders with the most messages, and those with as many by their number', async () => {
    await using gateway = await open()
    // +16 sent nine, +17 eight; then twelve senders sent two and some one.
    const counts = new Map([
      ['+17', 8],
      ['+16', 9],
      ...['+9', '+10', '+100', '+2', '+20', '+3', '+1', '+11', '+8', '+21', '+30', '+4'].map(
        (from) => [from, 2] as const,
      ),
      ['+5', 1],
      ['+0', 1],
    ])
    const messages = Array.from(counts, ([from, count]) =>
      Array.from({ length: count }, () => inboxMessage({ from })),
    ).flat()
    await take(gateway, ...messages)
    const twos = ['+1', '+10', '+100', '+11', '+2', '+20', '+21', '+3'].map((from) => ({ from, count: 2 }))
    expect(await stats(gateway)).toMatchObject({
      total_messages: 43,
      senders_count: 16,
      messages_per_sender: [{ from: '+16', count: 9 }, { from: '+17', count: 8 }, ...twos],
    })

    await take(gateway, inboxMessage({ from: '+9' }), inboxMessage({ from: '+5' }), inboxMessage({ from: '+5' }))
    const { messages_per_sender: top } = await stats(gateway)
    expect(top.slice(2, 5)).toEqual([
      { from: '+5', count: 3 },
      { from: '+9', count: 3 },
      { from: '+1', count: 2 },
    ])
  })

  test('has the first and the last instant as they were written, whatever came when', async () => {
    await using gateway = await open()
    const times = [
      '2025-01-15T10:00:00.5Z',
      '2025-01-15T10:00:00.50Z',
      '2025-01-15T10:00:00Z',
      '2025-01-15T10:00:00.45Z',
    ]
    const expected = [
      ['2025-01-15T10:00:00.5Z', '2025-01-15T10:00:00.5Z'],
      ['2025-01-15T10:00:00.5Z', '2025-01-15T10:00:00.50Z'],
      ['2025-01-15T10:00:00Z', '2025-01-15T10:00:00.50Z'],
      ['2025-01-15T10:00:00Z', '2025-01-15T10:00:00.50Z'],
    ]
    for (const [i, ts] of times.entries()) {
      await take(gateway, inboxMessage({ message_id: `t${i}`, ts }))
      const { first_message_ts: first, last_message_ts: last } = await stats(gateway)
      expect([first, last]).toEqual(expected[i])
    }
  })

  test('counts a message once, however often and however it is sent', async () => {
    await using gateway = await open()
    const message = inboxMessage({ from: '+1' })
    await take(gateway, message, message, { ...message, from: '+2', ts: '2030-01-01T00:00:00Z' })
    await take(gateway, { ...message, from: '+3', ts: '2020-01-01T00:00:00Z' })
    const counted = await stats(gateway)
    expect(counted).toMatchObject({ total_messages: 1, senders_count: 1 })
    expect(counted.messages_per_sender).toHaveLength(1)
    expect(counted.first_message_ts).toBe(counted.last_message_ts)
  })

  test('is what a recount of the messages gives, after any batch of new, repeated and wrong ones', async () => {
    await using gateway = await open()
    const taken = new Map<string, InboxMessage>()
    const from = fc.nat({ max: 24 }).map((n) => `+${Math.floor((n * n) / 24)}`)
    const ts = fc
      .tuple(
        fc.constantFrom('2025-01-15T10:00:0', '2024-02-29T23:59:5'),
        fc.nat({ max: 9 }),
        fc.constantFrom('', '.5', '.50', '.05'),
      )
      .map(([start, second, fraction]) => `${start}${second}${fraction}Z`)
    const id = fc.nat({ max: 400 }).map((n) => `m${n}`)
    const message = fc.record({ message_id: id, from, to: from, ts, text: fc.constantFrom('a', null) })
    const wrong = message.map((one) => ({ ...one, from: one.from.slice(1) }))

    const batch = fc.array(fc.oneof({ weight: 9, arbitrary: message }, wrong), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(batch, async (messages) => {
        for (const one of messages) {
          const { status } = await post(gateway, one)
          expect(status).toBe(one.from.startsWith('+') ? 200 : 422)
          if (status === 200 && !taken.has(one.message_id)) taken.set(one.message_id, one)
        }
        expect(await stats(gateway)).toEqual(countOf([...taken.values()]))
      }),
    )
    expect(taken.size).toBeGreaterThan(50)
  })
})
