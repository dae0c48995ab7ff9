import { describe, expect, test } from 'vitest'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { OutcomeUnknown } from '../../src/domain/errors.ts'
import { createIds } from '../../src/domain/ids.ts'
import { accept, acceptAll, type AcceptContext, type NewEvent } from '../../src/flow/accept.ts'
import { fanOut } from '../../src/telemetry/fan-out.ts'
import type { Acceptance, Accepted } from '../../src/store/port/accept.ts'
import type { LeasedDelivery, Queue } from '../../src/store/port/queue.ts'
import { APP, endpoint } from '../conformance/builders.ts'

const NOW = Date.UTC(2035, 0, 1)
const HOUR = 3_600_000

/** A dispatcher that has room for the endpoints in `room`, and a store that answers as it is told. */
function scripted(room: readonly Endpoint[], answer?: (acceptances: readonly Acceptance[]) => Promise<Accepted[]>) {
  const calls: string[] = []
  const started: LeasedDelivery[] = []
  const stored: Acceptance[] = []
  const context: AcceptContext = {
    queue: {
      async accept(acceptances: readonly Acceptance[]) {
        calls.push('accept')
        const accepted = answer
          ? await answer(acceptances)
          : acceptances.map(({ message, deliveries }) => ({
              duplicate: false,
              replayed: false,
              messageId: message.id,
              deliveries: deliveries.length,
            }))
        stored.push(...acceptances)
        return accepted
      },
    } as Partial<Queue> as Queue,
    handoff: {
      owner: 'node_a',
      reserve(one, bytes) {
        const hasRoom = room.some(({ id }) => id === one.id)
        if (hasRoom) calls.push(`reserve ${bytes}`)
        return hasRoom
      },
      start(delivery) {
        calls.push('start')
        started.push(delivery)
      },
      unreserve: (_, bytes) => void calls.push(`unreserve ${bytes}`),
      doubt: (leases) => void calls.push(`doubt ${leases.map(({ endpointId }) => endpointId).join()}`),
      noteDue: (at) => void calls.push(`due ${at - NOW}`),
    },
    ids: createIds({ now: () => NOW, randomBytes: (n) => new Uint8Array(n) }),
    observer: fanOut([]),
    messageRetentionMs: HOUR,
  }
  return { context, calls, started, stored }
}

const eventFor = (...endpoints: Endpoint[]): NewEvent => ({
  appId: APP,
  eventType: 'user.created',
  channels: null,
  audience: 'all',
  contentType: 'application/json',
  eventId: null,
  body: Buffer.from('{"a":1}'),
  hops: 0,
  idempotency: null,
  endpoints,
})

describe('an accepted event', () => {
  test('starts from memory after the commit, leased to this node by it', async () => {
    const one = endpoint()
    const { context, calls, started, stored } = scripted([one])
    const receipt = await accept(context, eventFor(one), NOW)
    expect(calls).toEqual(['reserve 7', 'accept', 'start'])
    expect(stored[0]?.deliveries).toEqual([
      { endpointId: one.id, lease: { owner: 'node_a', until: started[0]?.leaseUntil }, dueAt: NOW },
    ])
    expect(started).toMatchObject([{ msgId: receipt.messageId, endpointId: one.id, run: 0, tries: 0, receivedAt: NOW }])
    expect(started[0]?.payload).toBe(stored[0]?.message.payload)
    expect(receipt).toMatchObject({ duplicate: false, deliveries: 1 })
  })

  test('without room in memory is due in the store, and the dispatcher is told when', async () => {
    const [one, paused] = [endpoint(), endpoint({ pausedUntil: NOW + 5_000 })]
    const { context, calls, stored } = scripted([])
    await accept(context, eventFor(one, paused), NOW)
    expect(calls).toEqual(['accept', 'due 0', 'due 5000'])
    expect(stored[0]?.deliveries.map(({ lease, dueAt }) => [lease, dueAt - NOW])).toEqual([
      [null, 0],
      [null, 5_000],
    ])
  })

  test('that nobody wants is stored all the same', async () => {
    const { context, calls, stored } = scripted([])
    expect(await accept(context, eventFor(), NOW)).toMatchObject({ deliveries: 0 })
    expect(calls).toEqual(['accept'])
    expect(stored[0]?.message.expiresAt).toBe(NOW + HOUR)
  })

  test('that is a duplicate gives its room back and starts nothing', async () => {
    const [one, other] = [endpoint(), endpoint()]
    const { context, calls } = scripted([one], (acceptances) =>
      Promise.resolve(
        acceptances.map(() => ({ duplicate: true, replayed: false, messageId: 'msg_first', deliveries: 4 })),
      ),
    )
    const receipt = await accept(context, eventFor(one, other), NOW)
    expect(receipt).toMatchObject({ duplicate: true, replayed: false, messageId: 'msg_first', deliveries: 4 })
    expect(calls).toEqual(['reserve 7', 'accept', 'unreserve 7'])
  })

  test('that cannot be stored gives its room back, and the error is the caller’s', async () => {
    const [one, other] = [endpoint(), endpoint()]
    const { context, calls } = scripted([one, other], () => Promise.reject(new Error('disk full')))
    await expect(accept(context, eventFor(one, other), NOW)).rejects.toThrow('disk full')
    expect(calls).toEqual(['reserve 7', 'reserve 7', 'accept', 'unreserve 7', 'unreserve 7'])
  })

  test('of which nobody knows whether it was stored may be leased to this node, which is told so', async () => {
    const [one, other] = [endpoint(), endpoint()]
    const { context, calls } = scripted([one], () => Promise.reject(new OutcomeUnknown('The connection was lost')))
    await expect(accept(context, eventFor(one, other), NOW)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(calls).toEqual(['reserve 7', 'accept', 'unreserve 7', `doubt ${one.id}`])
  })
})

describe('an event of the Svix API', () => {
  const more: NonNullable<NewEvent['more']> = {
    tags: null,
    shownPayload: null,
    retentionMs: null,
    deliverAt: null,
    answer: null,
  }

  test('that is to be delivered later waits in the store, also where there is room', async () => {
    const [one, paused] = [endpoint(), endpoint({ pausedUntil: NOW + 9_000 })]
    const { context, calls, stored } = scripted([one, paused])
    await accept(context, { ...eventFor(one, paused), more: { ...more, deliverAt: NOW + 5_000 } }, NOW)
    expect(calls).toEqual(['accept', 'due 5000', 'due 9000'])
    expect(stored[0]?.deliveries).toMatchObject([{ lease: null }, { lease: null }])
  })

  test('whose time is over is delivered at once', async () => {
    const one = endpoint()
    const { context, calls } = scripted([one])
    await accept(context, { ...eventFor(one), more: { ...more, deliverAt: NOW } }, NOW)
    expect(calls).toEqual(['reserve 7', 'accept', 'start'])
  })

  test('keeps its payload as long as it says, and its answer is made of what is stored', async () => {
    const { context, stored } = scripted([])
    const answer = { orgId: 'org_a', key: 'k', status: 202, body: '', at: NOW, expiresAt: NOW + HOUR } as const
    const { messageId } = await accept(
      context,
      { ...eventFor(), id: 'msg_own', more: { ...more, retentionMs: 5, answer: { ...answer, body: 'kept' } } },
      NOW,
    )
    expect(stored[0]).toMatchObject({ message: { expiresAt: NOW + 5 }, answer: { body: 'kept' } })
    expect(messageId).toBe('msg_own')
  })

  test('that was answered before gives its room back and starts nothing', async () => {
    const one = endpoint()
    const { context, calls } = scripted([one], ([first]) =>
      Promise.resolve([{ duplicate: true, replayed: true, messageId: first!.message.id, deliveries: 0 }]),
    )
    expect(await accept(context, eventFor(one), NOW)).toMatchObject({ replayed: true, duplicate: true })
    expect(calls).toEqual(['reserve 7', 'accept', 'unreserve 7'])
  })
})

test('several events are one write, and each of them goes its own way', async () => {
  const one = endpoint()
  const { context, calls, started } = scripted([one], ([first, second]) =>
    Promise.resolve([
      { duplicate: true, replayed: false, messageId: first!.message.id, deliveries: 1 },
      { duplicate: false, replayed: false, messageId: second!.message.id, deliveries: 1 },
    ]),
  )
  const receipts = await acceptAll(context, [eventFor(one), eventFor(one)], NOW)
  expect(calls).toEqual(['reserve 7', 'reserve 7', 'accept', 'unreserve 7', 'start'])
  expect(started.map(({ msgId }) => msgId)).toEqual([receipts[1]?.messageId])
})
