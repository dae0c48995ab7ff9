/** Nodes as they are put together in the product, on a real store; only time and the destinations are the test's. */
import { randomBytes } from 'node:crypto'
import { createApplicationCache } from '../../src/cache/application-cache.ts'
import { createEndpointCache } from '../../src/cache/endpoint-cache.ts'
import type { DeliveryRequest, Driver } from '../../src/destinations/driver.ts'
import { DEFAULT_APP } from '../../src/domain/application.ts'
import type { DeliveryInfo, Outcome } from '../../src/domain/delivery.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { createIds, type EndpointId, type MessageId } from '../../src/domain/ids.ts'
import { accept } from '../../src/flow/accept.ts'
import { carryOut } from '../../src/flow/flow.ts'
import { fanOut } from '../../src/telemetry/fan-out.ts'
import { createCanceller } from '../../src/services/canceller.ts'
import { createClockWatch } from '../../src/services/clock-watch.ts'
import { Dispatcher } from '../../src/services/dispatch/dispatcher.ts'
import { Expunged } from '../../src/services/dispatch/expunged.ts'
import { Pacing } from '../../src/services/dispatch/pacing.ts'
import { runServices } from '../../src/services/service.ts'
import { createSweeper } from '../../src/services/sweeper.ts'
import type { Store } from '../../src/store/store.ts'
import { createEndpoint, endpoint, T0 } from '../conformance/builders.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'

const SECOND = 1_000

/** What a destination does with an attempt: an outcome after some time, or nothing for ever. */
export type Reaction = { outcome: Outcome; ms: number } | 'hang'
export type React = (request: DeliveryRequest, attempt: number) => Reaction

export interface Seen {
  msgId: MessageId
  endpointId: EndpointId
  at: number
  outcome: Outcome | null
}

export interface World {
  clock: FakeClock
  store: Store
  seen: Seen[]
  node: (owner: string) => Node
  deliveries: (msgId: MessageId) => Promise<DeliveryInfo[]>
}

export interface Node {
  dispatcher: Dispatcher
  accept: (to: readonly Endpoint[]) => Promise<MessageId>
  /** As SIGTERM does. */
  stop: () => Promise<void>
  /** As `kill -9` does: nothing more comes from it. */
  kill: () => void
}

export interface WorldOptions {
  random?: () => number
  scheduleMs?: readonly number[]
}

const SCHEDULE = [10 * SECOND, 30 * SECOND, 60 * SECOND]

export function createWorld(
  real: Store,
  react: React,
  { random = () => 0.5, scheduleMs = SCHEDULE }: WorldOptions = {},
): World {
  let underWay = 0
  const store = new Proxy(real, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]): unknown => {
        underWay++
        return (method.apply(target, args) as Promise<unknown>).finally(() => underWay--)
      }
    },
  })
  const clock = createFakeClock({ start: T0, isBusy: () => underWay > 0 })
  const ids = createIds({ now: () => clock.now(), randomBytes })
  const observer = fanOut([])
  const seen: Seen[] = []
  const countOf = new Map<string, number>()

  const node = (owner: string): Node => {
    let isKilled = false
    const http: Driver = {
      kind: 'http',
      deliver(request) {
        const { id: endpointId } = request.endpoint
        const key = `${request.message.id}/${endpointId}`
        countOf.set(key, (countOf.get(key) ?? 0) + 1)
        const reaction = react(request, countOf.get(key)!)
        const one: Seen = { msgId: request.message.id, endpointId, at: clock.now(), outcome: null }
        seen.push(one)
        return new Promise((resolve) => {
          if (reaction === 'hang') return
          clock.after(reaction.ms, () => {
            if (isKilled) return
            one.outcome = reaction.outcome
            resolve(reaction.outcome)
          })
        })
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
    const cache = createEndpointCache(store)
    const canceller = createCanceller({ queue: store, cache, clock })
    const pacing = new Pacing(clock, null, null)
    const dispatcher = new Dispatcher({
      queue: store,
      cache,
      clock,
      pacing,
      expunged: new Expunged({ clock, recent: null }),
      owner,
      concurrency: 64,
      endpointConcurrency: 8,
      carryOut: (delivery, succeeded) =>
        carryOut(
          {
            drivers: new Map([['http', http]]),
            cancelWaiting: canceller.cancelWaiting,
            clock,
            deliveryTimeoutMs: 10 * SECOND,
            queue: store,
            cache,
            applications: createApplicationCache(store),
            messageRetentionMs: 3_600 * SECOND,
            ids,
            observer,
            pressure: pacing,
            random,
            owner,
            retryScheduleMs: scheduleMs,
            endpointDisableAfterMs: 3_600 * SECOND,
          },
          delivery,
          succeeded,
        ),
      onTrouble: () => {},
    })
    const running = runServices(
      [
        ...dispatcher.services,
        canceller,
        createSweeper({ queue: store, clock, observer, onFound: (now) => dispatcher.noteDue(now) }),
        createClockWatch({
          queue: store,
          clock,
          observer,
          onPutRight(step) {
            cache.forgetAllHere()
            pacing.putClockBack(step)
            dispatcher.noteDue(step.now)
          },
        }),
      ],
      clock,
      () => {},
    )
    return {
      dispatcher,
      async accept(endpoints) {
        const receipt = await accept(
          { queue: store, handoff: dispatcher, ids, observer, messageRetentionMs: 3_600 * SECOND },
          {
            appId: DEFAULT_APP,
            audience: 'all',
            eventType: 'user.created',
            channels: null,
            contentType: 'application/json',
            eventId: null,
            body: Buffer.from('{}'),
            hops: 0,
            idempotency: null,
            endpoints,
          },
          clock.now(),
        )
        return receipt.messageId
      },
      async stop() {
        const stopped = running[Symbol.asyncDispose]().then(() => dispatcher.drain(performance.now() + 8 * SECOND))
        await clock.advance(10 * SECOND)
        await stopped
      },
      kill() {
        isKilled = true
        void running[Symbol.asyncDispose]()
      },
    }
  }
  return { clock, store, seen, node, deliveries: (msgId) => store.deliveriesOf(DEFAULT_APP, msgId) }
}

/** An endpoint that is in the store. */
export async function stored(store: Store, given: Partial<Endpoint> = {}): Promise<Endpoint> {
  const created = endpoint(given)
  await createEndpoint(store, created)
  return created
}

export const statesOf = (infos: readonly DeliveryInfo[]) =>
  Object.fromEntries(infos.map(({ endpointId, state, attempts }) => [endpointId, `${state} ${attempts}`]))
