/** Nodes as they are put together in the product, on a real store. */
import * as fc from 'fast-check'
import { afterAll, expect, test, vi } from 'vitest'
import { DEFAULT_APP } from '../../src/domain/application.ts'
import type { Outcome } from '../../src/domain/delivery.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { OutcomeUnknown } from '../../src/domain/errors.ts'
import type { EndpointId, MessageId } from '../../src/domain/ids.ts'
import { LIMITS } from '../../src/domain/limits.ts'
import { DISPATCH_LIMITS } from '../../src/services/dispatch/limits.ts'
import { acceptance, acceptFor, T0 } from '../conformance/builders.ts'
import { openTempStore, storePool } from '../store/temp-store.ts'
import { createWorld, type Node, type Seen, statesOf, stored, type World } from './world.ts'

const SECOND = 1_000
const MINUTE = 60_000
const SCHEDULE = [10 * SECOND, 30 * SECOND, MINUTE]

const stores = storePool()
afterAll(() => stores[Symbol.asyncDispose]())

const accepted: Outcome = { kind: 'accepted', statusCode: 200, response: null }
const refused: Extract<Outcome, { kind: 'refused' }> = {
  kind: 'refused',
  statusCode: 500,
  response: null,
  error: 'answered 500',
  isOverload: false,
  retryAfterMs: null,
}
const unreachable: Outcome = { kind: 'unreachable', error: 'timed out' }
const gone: Outcome = { kind: 'gone', statusCode: 410, response: null, error: 'answered 410' }

test('each delivery of a message goes its own way to its end, and is tried when its schedule says', async () => {
  await using opened = await stores.open()
  const reactions = new Map<EndpointId, Outcome[]>()
  const { clock, store, seen, node, deliveries } = createWorld(opened.store, ({ endpoint: { id } }, attempt) => ({
    outcome: reactions.get(id)?.[attempt - 1] ?? reactions.get(id)!.at(-1)!,
    ms: 5,
  }))
  const endpointThat = async (...outcomes: Outcome[]) => {
    const one = await stored(store)
    reactions.set(one.id, outcomes)
    return one
  }
  const works = await endpointThat(accepted)
  const recovers = await endpointThat(refused, unreachable, accepted)
  const fails = await endpointThat(refused)
  const asksToWait = await endpointThat(
    { ...refused, statusCode: 503, isOverload: true, retryAfterMs: 2 * MINUTE },
    accepted,
  )
  const isGone = await endpointThat(gone)
  const gateway = node('node_a')
  const msgId = await gateway.accept([works, recovers, fails, asksToWait, isGone])
  await clock.advance(10 * MINUTE)

  expect(statesOf(await deliveries(msgId))).toEqual({
    [works.id]: 'delivered 1',
    [recovers.id]: 'delivered 3',
    [fails.id]: 'failed 4',
    [asksToWait.id]: 'delivered 2',
    [isGone.id]: 'cancelled 1',
  })
  const timesOf = ({ id }: Endpoint) => seen.filter(({ endpointId }) => endpointId === id).map(({ at }) => at - T0)
  expect(timesOf(works)).toEqual([0])
  // Each wait begins when the attempt before has ended, 5 ms after it began.
  expect(timesOf(recovers)).toEqual([0, 10_005, 40_010])
  expect(timesOf(fails)).toEqual([0, 10_005, 40_010, 100_015])
  expect(timesOf(asksToWait)).toEqual([0, 120_005])
  expect((await store.getEndpoint(DEFAULT_APP, isGone.id))?.disabledReason).toBe('gone')
  expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
  expect([gateway.dispatcher.inMemory, gateway.dispatcher.inFlight, gateway.dispatcher.lanes]).toEqual([0, 0, 0])
  await gateway.stop()
})

test('what finds no room in memory is delivered all the same, once', async () => {
  await using opened = await stores.open()
  const { clock, store, seen, node } = createWorld(opened.store, () => ({ outcome: accepted, ms: 5 }))
  const busy = await stored(store)
  const gateway = node('node_a')
  const count = DISPATCH_LIMITS.deliveriesInMemoryPerEndpoint + 300
  for (let i = 0; i < count; i += 100) {
    const sending = Promise.all(Array.from({ length: Math.min(100, count - i) }, () => gateway.accept([busy])))
    await clock.settle()
    await sending
  }
  expect((await store.backlog(clock.now())).pending).toBeGreaterThan(0)
  await clock.advance(3 * SECOND)
  expect(seen).toHaveLength(count)
  expect(new Set(seen.map(({ msgId }) => msgId)).size).toBe(count)
  expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
  await gateway.stop()
})

test('a pause that a receiver asked for holds for everything that waits for it', async () => {
  await using opened = await stores.open()
  const { clock, store, seen, node } = createWorld(opened.store, (_, attempt) =>
    attempt === 1 && clock.now() < T0 + SECOND
      ? { outcome: { ...refused, isOverload: true, retryAfterMs: MINUTE }, ms: 5 }
      : { outcome: accepted, ms: 5 },
  )
  const one = await stored(store)
  const gateway = node('node_a')
  const sending = Promise.all(Array.from({ length: 50 }, () => gateway.accept([one])))
  await clock.advance(500)
  await sending
  await gateway.accept([one])
  const asked = seen.length
  expect(asked).toBe(8)
  await clock.advance(59 * SECOND)
  expect(seen).toHaveLength(asked)
  await clock.advance(2 * MINUTE)
  expect(seen).toHaveLength(51 + asked)
  // Not all at once: that would end in the next pause.
  expect(seen.filter(({ at }) => at > T0 + SECOND && at < T0 + 61 * SECOND).length).toBeLessThan(5)
  await gateway.stop()
})

test('a node that dies leaves nothing behind: another one takes over when its leases have ended', async () => {
  await using opened = await stores.open()
  let isHanging = true
  const { clock, store, seen, node, deliveries } = createWorld(opened.store, () =>
    isHanging ? 'hang' : { outcome: accepted, ms: 5 },
  )
  const one = await stored(store)
  const first = node('node_a')
  const msgIds = await Promise.all(Array.from({ length: 20 }, () => first.accept([one])))
  await clock.settle()
  expect(seen).toHaveLength(8)
  first.kill()
  isHanging = false
  const second = node('node_b')
  await clock.advance(LIMITS.leaseMs - SECOND)
  expect(seen).toHaveLength(8)
  await clock.advance(LIMITS.sweepEveryMs + 2 * SECOND)
  expect(seen).toHaveLength(28)
  for (const msgId of msgIds) expect(statesOf(await deliveries(msgId))).toEqual({ [one.id]: 'delivered 1' })
  await second.stop()
})

test('a node that stops gives back what waits, and another one goes on at once', async () => {
  await using opened = await stores.open()
  const { clock, store, seen, node } = createWorld(opened.store, () => ({ outcome: accepted, ms: SECOND }))
  const one = await stored(store)
  const first = node('node_a')
  await Promise.all(Array.from({ length: 20 }, () => first.accept([one])))
  await clock.settle()
  const stopped = first.stop()
  await clock.settle()
  const second = node('node_b')
  await clock.advance(4 * SECOND)
  await stopped
  expect(seen).toHaveLength(20)
  expect(new Set(seen.map(({ msgId }) => msgId)).size).toBe(20)
  expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
  await second.stop()
})

test('an event of which nobody knows whether it was stored is attempted soon if it was, not when its lease has ended', async () => {
  await using opened = await stores.open()
  const real = opened.store
  let isCut = true
  const cut = new Proxy(real, {
    get: (target, name) =>
      name !== 'accept'
        ? (Reflect.get(target, name) as unknown)
        : async (acceptances: Parameters<typeof real.accept>[0]) => {
            const accepted = await target.accept(acceptances)
            if (isCut) throw new OutcomeUnknown('The connection was lost')
            return accepted
          },
  })
  const { clock, store, seen, node } = createWorld(cut, () => ({ outcome: accepted, ms: 5 }))
  const one = await stored(store)
  const gateway = node('node_a')
  await clock.advance(SECOND)
  const refusal = gateway.accept([one]).catch((error: unknown) => error)
  await clock.settle()
  expect(await refusal).toMatchObject({ code: 'store_unavailable' })
  isCut = false
  await clock.advance(2 * LIMITS.claimPollMs)
  expect(seen).toHaveLength(1)
  await clock.advance(2 * LIMITS.leaseMs)
  expect(seen).toHaveLength(1)
  expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
  await gateway.stop()
})

test('an attempt that cannot be recorded is made again when its lease has ended', async () => {
  await using opened = await openTempStore()
  const { clock, store, seen, node, deliveries } = createWorld(opened.store, () => ({ outcome: accepted, ms: 5 }))
  const one = await stored(store)
  vi.spyOn(opened.store, 'settle').mockRejectedValueOnce(new Error('a bug'))
  const gateway = node('node_a')
  const msgId = await gateway.accept([one])
  await clock.advance(SECOND)
  expect(gateway.dispatcher.inMemory).toBe(0)
  expect(statesOf(await deliveries(msgId))).toEqual({ [one.id]: 'leased 0' })
  await clock.advance(LIMITS.leaseMs + LIMITS.sweepEveryMs)
  expect(seen).toHaveLength(2)
  expect(statesOf(await deliveries(msgId))).toEqual({ [one.id]: 'delivered 1' })
  await gateway.stop()
})

test('deliveries to an endpoint that is deleted while they wait are cancelled without an attempt', async () => {
  await using opened = await stores.open()
  const { clock, store, seen, node, deliveries } = createWorld(opened.store, () => ({ outcome: refused, ms: 5 }))
  const one = await stored(store)
  const gateway = node('node_a')
  const msgId = await gateway.accept([one])
  await clock.advance(SECOND)
  await store.deleteEndpoint({ appId: DEFAULT_APP, id: one.id }, clock.now())
  await clock.advance(MINUTE)
  expect(seen).toHaveLength(1)
  expect(statesOf(await deliveries(msgId))).toEqual({ [one.id]: 'cancelled 1' })
  await gateway.stop()
})

test('what is left of a cancellation that a crash interrupted is cancelled once the first of it is due', async () => {
  await using opened = await stores.open()
  const { clock, store, seen, node } = createWorld(opened.store, () => ({ outcome: accepted, ms: 5 }))
  const off = await stored(store, { disabled: true })
  const tried = await acceptFor(store, off.id, { dueAt: T0 + SECOND })
  const later = Array.from({ length: 3 * LIMITS.cancelStepRows }, () =>
    acceptance([off.id], { dueAt: T0 + 60 * MINUTE }),
  )
  await store.accept(later)
  const gateway = node('node_a')
  await clock.advance(SECOND / 2)
  expect((await store.backlog(clock.now())).pending).toBe(later.length + 1)
  await clock.advance(4 * SECOND)
  expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
  expect(await store.deliveriesOf(DEFAULT_APP, tried.msgId)).toMatchObject([{ state: 'cancelled' }])
  expect(seen).toEqual([])
  await gateway.stop()
})

test('whatever the destinations do and whichever node dies, every delivery ends, in time, and never too early', async () => {
  const reaction = fc.record({
    ms: fc.constantFrom(1, 20, 900, 9_000),
    outcome: fc.constantFrom<Outcome>(
      accepted,
      accepted,
      refused,
      unreachable,
      { ...refused, statusCode: 429, isOverload: true, retryAfterMs: 45 * SECOND },
      { kind: 'deferred', reason: 'rate_limited', error: 'busy', waitMs: 5 * SECOND },
    ),
  })
  const plan = fc.record({
    reactions: fc.array(reaction, { maxLength: 40 }),
    messages: fc.array(fc.record({ gapMs: fc.nat(3_000), node: fc.nat(1), to: fc.nat(7) }), {
      minLength: 1,
      maxLength: 25,
    }),
    killAfter: fc.nat(25),
    random: fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
  })
  await fc.assert(
    fc.asyncProperty(plan, async ({ reactions, messages, killAfter, random }) => {
      await using opened = await stores.open()
      let reacted = 0
      const world = createWorld(
        opened.store,
        () => reactions[reacted++ % (reactions.length + 1)] ?? { outcome: accepted, ms: 1 },
        { random: () => random.next().value! },
      )
      const { clock, store, seen } = world
      const endpoints = [await stored(store), await stored(store, { rateLimit: 20 }), await stored(store)]
      const alive = [world.node('node_a'), world.node('node_b')]
      const msgIds: MessageId[] = []
      for (const [i, { gapMs, node, to }] of messages.entries()) {
        if (i === killAfter) alive.shift()?.kill()
        msgIds.push(await alive[node % alive.length]!.accept(endpoints.filter((_, n) => (to & (1 << n)) > 0)))
        await clock.advance(gapMs)
      }
      for (let minutes = 0; minutes < 30 && !(await isDone(world, alive)); minutes++) await clock.advance(MINUTE)

      for (const info of (await Promise.all(msgIds.map(world.deliveries))).flat())
        expect(['delivered', 'failed']).toContain(info.state)
      expect(await store.backlog(clock.now())).toEqual({ pending: 0, oldestDueAt: null })
      for (const msgId of msgIds)
        for (const { id } of endpoints) expectInTime(seen.filter((one) => one.msgId === msgId && one.endpointId === id))
      for (const { dispatcher, stop } of alive) {
        expect([dispatcher.inMemory, dispatcher.inFlight]).toEqual([0, 0])
        await stop()
      }
    }),
    { numRuns: 15 },
  )
}, 60_000)

async function isDone({ store, clock }: World, alive: readonly Node[]): Promise<boolean> {
  const { pending } = await store.backlog(clock.now())
  // What a dead node held is nobody's until its leases end.
  return pending === 0 && alive.every(({ dispatcher }) => dispatcher.inMemory === 0) && clock.now() > T0 + 3 * MINUTE
}

/** No attempt after a success, and none earlier than the schedule and the receiver allow. */
function expectInTime(attempts: readonly Seen[]): void {
  let counted = 0
  for (const [i, { at, outcome }] of attempts.entries()) {
    const next = attempts[i + 1]
    if (next === undefined) return
    expect(outcome?.kind).not.toBe('accepted')
    // An overload uses up the schedule or does not; in either case its own wait is kept.
    const isOverload = outcome?.kind === 'refused' && outcome.isOverload
    const asked = outcome?.kind === 'deferred' ? outcome.waitMs : isOverload ? (outcome.retryAfterMs ?? 0) : 0
    const isStep = outcome !== null && outcome.kind !== 'deferred' && !isOverload
    expect(next.at - at).toBeGreaterThanOrEqual(isStep ? SCHEDULE[counted]! * 0.9 - 1 : asked)
    if (isStep) counted++
  }
}
