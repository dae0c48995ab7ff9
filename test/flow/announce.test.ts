/** What the owners of an application are told of its attempts, together with the record of the attempt. */
import { describe, expect, test } from 'vitest'
import { MANAGEMENT_ORG, type OperationalEvent } from '../../src/domain/operational.ts'
import { announcements } from '../../src/flow/announce.ts'
import { record } from '../../src/flow/record.ts'
import type { Settlement } from '../../src/store/port/queue.ts'
import { APP, ORG } from '../conformance/builders.ts'
import {
  accepted,
  deferred,
  DISABLE_AFTER,
  gone,
  HOUR,
  NOW,
  OWNED,
  refusedWith,
  scripted,
  TOLD,
  tried,
  unreachable,
} from './record-rig.ts'

const eventOf = ({ acceptance }: Settlement['announce'][number]): OperationalEvent =>
  JSON.parse(Buffer.from(acceptance.message.payload).toString()) as OperationalEvent

/** When each thing is told, and its type. */
const told = (settlement: Settlement | undefined) =>
  (settlement?.announce ?? []).map((one) => `${one.when}: ${eventOf(one).type}`)

const FIVE_WAITS = [1, 1, 1, 1, 1]

describe('of an attempt', () => {
  test.each([
    ['the first failure', { tries: 0 }, unreachable, []],
    ['the third failure', { tries: 2 }, unreachable, []],
    ['the fourth failure', { tries: 3 }, unreachable, ['held: message.attempt.failing']],
    ['the fifth failure', { tries: 4 }, unreachable, []],
    // The store knows whether this disables the endpoint, and tells it only then.
    [
      'the last failure',
      { tries: 5 },
      refusedWith(null),
      ['held: message.attempt.exhausted', 'disabled: endpoint.disabled'],
    ],
    ['a success at once', { tries: 0 }, accepted, []],
    ['a success at the fourth attempt', { tries: 3 }, accepted, []],
    ['a success at the fifth attempt', { tries: 4 }, accepted, ['held: message.attempt.recovered']],
    ['a success at the last attempt', { tries: 5 }, accepted, ['held: message.attempt.recovered']],
    ['a failure by hand, whatever came before', { tries: 3, run: 1 }, unreachable, []],
    ['a success by hand, whatever came before', { tries: 5, run: 2 }, accepted, []],
    ['what was put off', { tries: 3 }, deferred, []],
    ['410 Gone', { tries: 0 }, gone, ['disabled: endpoint.disabled']],
    ['410 Gone to a manual attempt', { tries: 0, run: 1 }, gone, ['disabled: endpoint.disabled']],
    [
      '410 Gone at the fourth attempt',
      { tries: 3 },
      gone,
      ['held: message.attempt.failing', 'disabled: endpoint.disabled'],
    ],
  ])('%s tells what it should', async (_, given, outcome, expected) => {
    const { context, settlements, receiver, held, listen } = scripted()
    listen()
    await record({ ...context, retryScheduleMs: FIVE_WAITS }, held(given), receiver, tried(outcome))
    expect(told(settlements[0])).toEqual(expected)
  })

  test('the fourth and last one, both things are told', async () => {
    const { context, settlements, receiver, held, listen } = scripted()
    listen()
    await record({ ...context, retryScheduleMs: [1, 1, 1] }, held({ tries: 3 }), receiver, tried(unreachable))
    expect(told(settlements[0]).slice(0, 2)).toEqual([
      'held: message.attempt.failing',
      'held: message.attempt.exhausted',
    ])
  })

  test('the message says whose it is, and which attempt is meant', async () => {
    const { context, settlements, receiver, held, listen } = scripted()
    const listener = listen()
    const delivery = held({ tries: 1, eventId: 'order-1' })
    await record(context, delivery, receiver, tried(refusedWith(null)))
    const [one] = settlements[0]?.announce ?? []
    expect(eventOf(one!)).toEqual({
      type: 'message.attempt.exhausted',
      data: {
        appId: OWNED.id,
        appUid: 'customer',
        msgId: delivery.msgId,
        msgEventId: 'order-1',
        endpointId: receiver.id,
        lastAttempt: {
          id: settlements[0]?.attempt?.id,
          responseStatusCode: 503,
          timestamp: new Date(NOW - 40).toISOString(),
        },
      },
    })
    expect(one?.acceptance).toMatchObject({
      message: { appId: TOLD.id, eventType: 'message.attempt.exhausted', eventId: null, expiresAt: NOW + HOUR },
      deliveries: [{ endpointId: listener.id, lease: null, dueAt: NOW }],
      answer: null,
      idempotency: null,
    })
  })

  test('without an answer the status is 0', async () => {
    const { context, settlements, receiver, held, listen } = scripted()
    listen()
    await record(context, held({ tries: 1 }), receiver, tried(unreachable))
    expect(eventOf(settlements[0]!.announce[0]!).data).toMatchObject({ lastAttempt: { responseStatusCode: 0 } })
  })

  test('the dispatcher is to look at once, for what is told is due', async () => {
    const { context, receiver, held, listen } = scripted()
    listen()
    const recorded = await record(
      { ...context, retryScheduleMs: FIVE_WAITS },
      held({ tries: 3 }),
      receiver,
      tried(unreachable),
    )
    expect(recorded.dueAgainAt).toBe(NOW)
  })

  test('nothing is told while nobody listens', async () => {
    const { context, settlements, receiver, held } = scripted()
    await record(context, held({ tries: 3 }), receiver, tried(gone))
    expect(settlements[0]?.announce).toEqual([])
  })
})

test('an endpoint that is disabled for failing says since when', async () => {
  const { context, settlements, receiver, held, listen } = scripted()
  listen()
  const givenUpSince = NOW - DISABLE_AFTER
  const failing = { ...receiver, failingSince: givenUpSince - HOUR, givenUpSince }
  await record(context, held({ tries: 1 }), failing, tried(unreachable))
  expect(told(settlements[0])).toEqual(['held: message.attempt.exhausted', 'disabled: endpoint.disabled'])
  expect(eventOf(settlements[0]!.announce[1]!).data).toEqual({
    appId: OWNED.id,
    appUid: 'customer',
    endpointId: receiver.id,
    endpointUid: 'ours',
    failSince: new Date(givenUpSince).toISOString(),
  })
})

describe('an organization', () => {
  const event: OperationalEvent = { type: 'endpoint.created', data: {} }

  test('is told at the endpoints that want the event, paused ones later', async () => {
    const { context, listen } = scripted()
    const listener = listen()
    const told = async () => (await announcements(context, ORG, [event], { now: NOW }))[0]?.deliveries
    listener.pausedUntil = NOW + 5_000
    expect(await told()).toEqual([{ endpointId: listener.id, lease: null, dueAt: NOW + 5_000 }])
    listener.eventTypes = ['endpoint.deleted']
    expect(await told()).toEqual([])
    listener.eventTypes = ['endpoint.*']
    expect(await told()).toHaveLength(1)
    listener.channels = ['a']
    expect(await told()).toEqual([])
  })

  test('that does not listen is told nothing, and no more is the management itself', async () => {
    const { context, listen } = scripted()
    expect(await announcements(context, ORG, [event], { now: NOW })).toEqual([])
    listen()
    expect(await announcements(context, ORG, [event], { now: NOW })).toHaveLength(1)
    expect(await announcements(context, 'org_another', [event], { now: NOW })).toEqual([])
    expect(await announcements(context, MANAGEMENT_ORG, [event], { now: NOW })).toEqual([])
    expect(await announcements(context, ORG, [], { now: NOW })).toEqual([])
  })
})

test('what is told of a delivery has come as far as the delivery, so that telling is no way out of the count', async () => {
  const { context, settlements, receiver, held, listen } = scripted()
  listen()
  await record(context, held({ tries: 3, hops: 4 }), receiver, tried(gone))
  expect(settlements[0]?.announce.map(({ acceptance }) => acceptance.message.hops)).toEqual([4, 4])
})

test('of a delivery whose application was deleted nothing is told', async () => {
  const { context, settlements, receiver, held, listen } = scripted()
  listen()
  await record(context, held({ appId: APP, tries: 3 }), receiver, tried(gone))
  expect(settlements[0]?.announce).toEqual([])
})
