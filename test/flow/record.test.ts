import { describe, expect, test } from 'vitest'
import type { Next, Outcome } from '../../src/domain/delivery.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { GatewayError, type ErrorCode } from '../../src/domain/errors.ts'
import { cancel, effectOn, record, type Recorded } from '../../src/flow/record.ts'
import type { EndpointEffect, LeasedDelivery, Settlement } from '../../src/store/port/queue.ts'
import { endpoint } from '../conformance/builders.ts'
import {
  accepted,
  deferred,
  lack,
  DISABLE_AFTER,
  gone,
  HOUR,
  NOW,
  PAUSE,
  refusedWith,
  rejected,
  scripted,
  SECOND,
  tried,
  unreachable,
} from './record-rig.ts'

describe('what an outcome means for its endpoint', () => {
  const none: EndpointEffect = { failure: null, disable: null, pausedUntil: null }
  const well: Partial<Endpoint> = { failingSince: null }
  const failing: Partial<Endpoint> = { failingSince: NOW - HOUR, givenUpSince: NOW - HOUR }
  const once: EndpointEffect = { ...none, failure: { gaveUp: false, disableAfterMs: DISABLE_AFTER } }
  const forGood: EndpointEffect = { ...none, failure: { gaveUp: true, disableAfterMs: DISABLE_AFTER } }
  const retry: Next = { do: 'retry', at: NOW + SECOND, isSpared: false }
  const giveUp: Next = { do: 'giveUp' }

  test.each<[string, Partial<Endpoint>, [Outcome, Next], EndpointEffect | null]>([
    ['a success, which speaks for itself', well, [accepted, { do: 'finish' }], null],
    ['a success after failures', failing, [accepted, { do: 'finish' }], null],
    ['a first refusal', well, [refusedWith(null), retry], once],
    ['another refusal', failing, [refusedWith(null), retry], null],
    ['a first time without an answer', well, [unreachable, retry], once],
    ['another time without an answer', failing, [unreachable, retry], null],
    ['a last refusal', well, [refusedWith(null), giveUp], forGood],
    ['another last refusal', failing, [refusedWith(null), giveUp], forGood],
    ['a last time without an answer', failing, [unreachable, giveUp], forGood],
    ['a first refusal that asks to wait', well, [refusedWith(9_000), retry], { ...once, pausedUntil: NOW + 9_000 }],
    ['another refusal that asks to wait', failing, [refusedWith(9_000), retry], { ...none, pausedUntil: NOW + 9_000 }],
    [
      'the last refusal that asks to wait',
      failing,
      [refusedWith(9_000), giveUp],
      { ...forGood, pausedUntil: NOW + 9_000 },
    ],
    ['410', well, [gone, { do: 'disableEndpoint' }], { ...none, disable: 'gone' }],
    ['410 after failures', failing, [gone, { do: 'disableEndpoint' }], { ...none, disable: 'gone' }],
    ['a message that it will never take', failing, [rejected, giveUp], null],
    ['nothing now', well, [deferred, { do: 'defer', until: NOW + 5_000 }], { ...none, pausedUntil: NOW + 5_000 }],
    ['a lack of this node', well, [lack, { do: 'defer', until: NOW + SECOND }], null],
    ['a lack of this node, while it fails', failing, [lack, { do: 'defer', until: NOW + SECOND }], null],
  ])('%s', (_, settings, [outcome, next], effect) => {
    const asked = outcome.kind === 'refused' ? outcome.retryAfterMs : null
    const overload = asked === null ? null : { pausedUntil: NOW + asked, isTaking: false }
    const given = { outcome, next, overload, now: NOW, disableAfterMs: DISABLE_AFTER }
    expect(effectOn(endpoint(settings), { ...given, trigger: 'scheduled' })).toEqual(effect)
    const byHand = effectOn(endpoint(settings), { ...given, trigger: 'manual' })
    expect(byHand?.failure ?? null).toBeNull()
    expect(byHand?.pausedUntil ?? null).toBe(effect?.pausedUntil ?? null)
  })
})

describe('an attempt', () => {
  test('that succeeded is written with what was seen, under the lease it was made with', async () => {
    const { context, settlements, receiver, held } = scripted()
    const delivery = held({ tries: 1 })
    const recorded = await record(context, delivery, receiver, tried(accepted))
    const { appId, msgId, endpointId } = delivery
    expect(settlements).toEqual([
      {
        key: { appId, msgId, endpointId, run: 0 },
        owner: 'node_a',
        tries: 1,
        attempt: {
          id: expect.stringMatching(/^atmpt_/),
          url: receiver.url,
          at: NOW - 40,
          trigger: 'scheduled',
          outcome: 'success',
          statusCode: 204,
          error: null,
          durationMs: 40,
          response: null,
        },
        to: { state: 'delivered', at: NOW },
        endpoint: null,
        announce: [],
      },
    ])
    expect(recorded).toEqual({ dueAgainAt: null, gotNoAnswer: false, pausedUntil: null, restMs: 0 })
  })

  interface Case {
    outcome: Outcome
    given?: Partial<LeasedDelivery>
    to: Settlement['to']
    recorded: Recorded
  }
  const final: Recorded = { dueAgainAt: null, gotNoAnswer: false, pausedUntil: null, restMs: 0 }
  test.each<[string, Case]>([
    [
      'that is retried is a failed attempt, and due again',
      {
        outcome: unreachable,
        to: { state: 'pending', dueAt: NOW + 10_000, isSpared: false },
        recorded: { dueAgainAt: NOW + 10_000, gotNoAnswer: true, pausedUntil: null, restMs: 0 },
      },
    ],
    [
      'that asked for a wait says so',
      {
        outcome: refusedWith(60_000),
        to: { state: 'pending', dueAt: NOW + 60_000, isSpared: false },
        recorded: { dueAgainAt: NOW + 60_000, gotNoAnswer: false, pausedUntil: NOW + 60_000, restMs: 0 },
      },
    ],
    [
      'that was the last one is a failure',
      {
        outcome: unreachable,
        given: { tries: 1 },
        to: { state: 'failed', at: NOW },
        recorded: { ...final, gotNoAnswer: true },
      },
    ],
    [
      'by hand ends with the first failure',
      {
        outcome: unreachable,
        given: { run: 3 },
        to: { state: 'failed', at: NOW },
        recorded: { ...final, gotNoAnswer: true },
      },
    ],
    ['that got 410 cancels the delivery', { outcome: gone, to: { state: 'cancelled', at: NOW }, recorded: final }],
  ])('%s', async (_, { outcome, given = {}, to, recorded }) => {
    const { context, settlements, receiver, held } = scripted()
    expect(await record(context, held(given), receiver, tried(outcome))).toEqual(recorded)
    expect(settlements).toMatchObject([{ to }])
    expect(settlements[0]?.attempt).toMatchObject({
      outcome: recorded.dueAgainAt === null ? 'failure' : 'failed_attempt',
      trigger: given.run === undefined ? 'scheduled' : 'manual',
    })
  })

  test('that was put off is none: nothing is written but when it is due', async () => {
    const { context, settlements, lines, receiver, held } = scripted({ number: 0 })
    const recorded = await record(context, held(), receiver, tried(deferred))
    expect(settlements).toMatchObject([{ attempt: null, to: { state: 'pending', dueAt: NOW + 5_000 } }])
    expect(recorded.dueAgainAt).toBe(NOW + 5_000)
    expect(lines.some(({ msg }) => msg === 'attempt')).toBe(false)
  })

  test('that this node lacked the means for leaves the endpoint as it is, and is a line of the log only now and then', async () => {
    const { context, clock, settlements, lines, receiver, held } = scripted({ number: 0 })
    const attemptNow = () => record(context, held(), receiver, tried(lack))
    for (let i = 0; i < 50; i++)
      expect(await attemptNow()).toEqual({
        dueAgainAt: NOW + SECOND,
        gotNoAnswer: false,
        pausedUntil: null,
        restMs: SECOND,
      })
    await clock.advance(10 * SECOND)
    await attemptNow()
    expect(settlements).toHaveLength(51)
    expect(settlements[0]).toMatchObject({ attempt: null, tries: 0, endpoint: null, to: { state: 'pending' } })
    expect(lines.map(({ level, error, attempts }) => ({ level, error, attempts }))).toEqual([
      { level: 'ERROR', error: 'EMFILE', attempts: 1 },
      { level: 'ERROR', error: 'EMFILE', attempts: 50 },
    ])
  })

  test('follows the schedule of its endpoint before that of the gateway', async () => {
    const { context, settlements, receiver, held } = scripted()
    await record(context, held(), { ...receiver, retryScheduleMs: [77 * SECOND] }, tried(unreachable))
    await record(context, held(), { ...receiver, retryScheduleMs: [] }, tried(unreachable))
    expect(settlements.map(({ to }) => to)).toEqual([
      { state: 'pending', dueAt: NOW + 77 * SECOND, isSpared: false },
      { state: 'failed', at: NOW },
    ])
  })

  test('is one line of the log, without secrets and payload', async () => {
    const { context, lines, receiver, held } = scripted({ number: 2 })
    const delivery = held()
    await record(context, delivery, receiver, tried(refusedWith(null)))
    expect(lines.filter(({ msg }) => msg === 'attempt')).toHaveLength(1)
    expect(JSON.stringify(lines)).toContain(delivery.msgId)
    expect(JSON.stringify(lines)).not.toContain('of the customer')
  })

  test.each([
    [true, Infinity],
    [false, DISABLE_AFTER],
  ])('that is the last one, to a managed endpoint (%s), disables after %s ms', async (managed, disableAfterMs) => {
    const { context, settlements, receiver, held } = scripted()
    const failing = { ...receiver, managed, retryScheduleMs: [], failingSince: 0, givenUpSince: 0 }
    await record(context, held(), failing, tried(unreachable))
    expect(settlements[0]?.endpoint).toMatchObject({ failure: { gaveUp: true, disableAfterMs } })
  })
})

describe('an endpoint that has too much', () => {
  const scene = (given: Partial<LeasedDelivery> = {}) => {
    const rig = scripted()
    const delivery = rig.held(given)
    const attempt = (retryAfterMs: number | null) =>
      record(rig.context, delivery, rig.receiver, tried(refusedWith(retryAfterMs)))
    return { ...rig, delivery, attempt }
  }

  test('is paused for a time of our own where it names none', async () => {
    const { settlements, attempt } = scene()
    expect((await attempt(null)).pausedUntil).toBe(NOW + PAUSE)
    expect((await attempt(0)).pausedUntil).toBe(NOW + PAUSE)
    expect(settlements.map(({ endpoint: effect }) => effect?.pausedUntil)).toEqual([NOW + PAUSE, NOW + PAUSE])
  })

  test('leaves the schedule alone if it took something since the event was accepted', async () => {
    const { settlements, attempt, taken, delivery } = scene()
    taken(delivery.receivedAt)
    expect((await attempt(null)).dueAgainAt).toBe(NOW + PAUSE)
    expect(settlements[0]).toMatchObject({ to: { isSpared: true }, attempt: { outcome: 'failed_attempt' } })
  })

  test('leaves the schedule alone if it took something since the previous attempt, and only then', async () => {
    const previous = { tries: 1, lastAttemptAt: NOW - 5 * SECOND }
    const { settlements, attempt, taken } = scene(previous)
    taken(NOW - 5 * SECOND - 1)
    await attempt(null)
    taken(NOW - 5 * SECOND)
    await attempt(60_000)
    expect(settlements.map(({ to }) => to)).toEqual([
      { state: 'failed', at: NOW },
      { state: 'pending', dueAt: NOW + 60_000, isSpared: true },
    ])
  })

  test('has the steps of the schedule counted without the spared attempts', async () => {
    const { settlements, attempt } = scene({ tries: 7, spared: 7 })
    await attempt(null)
    expect(settlements[0]?.to).toEqual({ state: 'pending', dueAt: NOW + 10 * SECOND, isSpared: false })
  })

  test('uses up the schedule of an event that it has refused for days', async () => {
    const { settlements, attempt, taken } = scene({
      tries: 1,
      receivedAt: NOW - DISABLE_AFTER - 1,
      lastAttemptAt: NOW - 9,
    })
    taken(NOW)
    await attempt(null)
    expect(settlements[0]?.to).toEqual({ state: 'failed', at: NOW })
  })
})

describe('the endpoint', () => {
  test('is forgotten by the cache when the store changed it, and only then', async () => {
    for (const endpointChanged of [true, false]) {
      const { context, receiver, held } = scripted({ endpointChanged })
      await context.cache.get(receiver.appId, receiver.id)
      await record(context, held(), receiver, tried(unreachable))
      expect(context.cache.peek(receiver.appId, receiver.id) === undefined).toBe(endpointChanged)
    }
  })

  test('that was disabled just now has all that waits for it cancelled, for which nobody waits', async () => {
    const { context, lines, receiver, held, toCancel } = scripted({ endpointChanged: true, disabled: 'gone' })
    await record(context, held(), receiver, tried(gone))
    expect(toCancel).toEqual([`${receiver.appId} ${receiver.id} all`])
    expect(lines).toMatchObject([{}, { msg: 'subscription disabled', reason: 'gone', level: 'ERROR' }])
  })
})

describe('while the store is away', () => {
  const away = (code: ErrorCode) => new GatewayError(code)

  test('an attempt is recorded once it is back, tried ever more seldom', async () => {
    const { context, clock, settlements, lines, receiver, held } = scripted(
      away('store_unavailable'),
      away('overloaded'),
      away('store_unavailable'),
      {},
    )
    const times: number[] = []
    let recorded: unknown = null
    void record(context, held(), receiver, tried(accepted)).then((value) => (recorded = value))
    for (let ms = 0; ms <= 800; ms += 50) {
      await clock.settle()
      while (times.length < settlements.length) times.push(ms)
      await clock.advance(50)
    }
    expect(times).toEqual([0, 100, 300, 700])
    expect(recorded).not.toBeNull()
    expect(new Set(settlements.map((one) => JSON.stringify(one))).size).toBe(1)
    expect(lines.filter(({ msg }) => msg === 'attempt')).toHaveLength(1)
    // Said once: what is tried again within ten seconds is only counted.
    expect(lines.filter(({ doing }) => doing === 'record an attempt')).toHaveLength(1)
    expect(clock.timers).toBe(0)
  })

  test('for a long time, it is asked every five seconds', async () => {
    const { context, clock, settlements, receiver, held } = scripted(away('store_unavailable'))
    void record(context, held(), receiver, tried(accepted))
    await clock.advance(60 * SECOND)
    const before = settlements.length
    await clock.advance(50 * SECOND)
    expect(settlements.length - before).toBe(10)
  })

  test('any other error is not tried again', async () => {
    for (const error of [away('internal'), away('shutting_down'), new Error('a bug')]) {
      const { context, clock, settlements, receiver, held } = scripted(error)
      await expect(record(context, held(), receiver, tried(accepted))).rejects.toBe(error)
      expect(settlements).toHaveLength(1)
      expect(clock.timers).toBe(0)
    }
  })
})

test('a delivery whose endpoint is deleted is cancelled without an attempt, and that is logged', async () => {
  const { context, settlements, lines, held } = scripted({ number: 0 })
  const recorded = await cancel(context, held({ tries: 2 }))
  expect(settlements).toMatchObject([{ tries: 2, attempt: null, to: { state: 'cancelled', at: NOW }, endpoint: null }])
  expect(recorded).toEqual({ dueAgainAt: null, gotNoAnswer: false, pausedUntil: null, restMs: 0 })
  expect(lines).toMatchObject([{ msg: 'delivery cancelled' }])
})
