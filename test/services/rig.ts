/** A dispatcher between a queue, endpoints and receivers that do what the test says. */
import { createEndpointCache, type EndpointCache } from '../../src/cache/endpoint-cache.ts'
import type { DeliveryKey } from '../../src/domain/delivery.ts'
import { blankEndpoint, type Endpoint } from '../../src/domain/endpoint.ts'
import type { AppId, EndpointId, MessageId } from '../../src/domain/ids.ts'
import type { Recorded } from '../../src/flow/record.ts'
import { Dispatcher } from '../../src/services/dispatch/dispatcher.ts'
import type { DispatchLimits } from '../../src/services/dispatch/limits.ts'
import { Expunged } from '../../src/services/dispatch/expunged.ts'
import { Pacing } from '../../src/services/dispatch/pacing.ts'
import type { SharedRate } from '../../src/services/dispatch/shared-rate.ts'
import type { Claimed, ClaimRequest, LeasedDelivery, Queue } from '../../src/store/port/queue.ts'
import type { Lease } from '../../src/store/port/lease.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'

export const APP: AppId = 'app_test'
export const OWNER = 'node_test'

export const DONE: Recorded = { dueAgainAt: null, gotNoAnswer: false, pausedUntil: null, restMs: 0 }

/** An attempt under way; it ends when the test says so. */
export interface Attempt {
  readonly delivery: LeasedDelivery
  readonly at: number
  /** The destination has it; that is not on record yet. */
  succeed(): void
  end(recorded?: Partial<Recorded>): void
  fail(error: Error): void
}

type Waiting = { delivery: LeasedDelivery; dueAt: number }

/** What waits in the store, and what the dispatcher asked of it. Plain and slow. */
export class ScriptedQueue {
  pending: Waiting[] = []
  readonly claims: (ClaimRequest & { took: number })[] = []
  readonly released: { keys: readonly DeliveryKey[]; dueAt: number }[] = []
  readonly renewed: { keys: readonly DeliveryKey[]; lease: Lease }[] = []
  /** Replaces the answer to a claim, or fails. */
  onClaim: ((request: ClaimRequest) => Promise<Claimed>) | null = null
  onRelease: () => Promise<void> = () => Promise.resolve()
  /** Deliveries whose lease another node has taken. */
  lost: readonly LeasedDelivery[] = []
  /** Message ids of deliveries that are not leased to this node: to give them back does nothing. */
  readonly final = new Set<string>()
  /** By message id: what there is to give back. */
  readonly known = new Map<string, LeasedDelivery>()

  async claim(request: ClaimRequest): Promise<Claimed> {
    const claimed = this.onClaim === null ? this.#take(request) : await this.onClaim(request)
    this.claims.push({ ...request, took: claimed.deliveries.length })
    return claimed
  }

  async renew(held: readonly DeliveryKey[], lease: Lease): Promise<DeliveryKey[]> {
    this.renewed.push({ keys: held, lease })
    return held.filter((key) => this.lost.some((one) => one.msgId === key.msgId && one.endpointId === key.endpointId))
  }

  async release(held: readonly DeliveryKey[], _owner: string, dueAt: number): Promise<void> {
    await this.onRelease()
    this.released.push({ keys: held, dueAt })
    for (const { msgId } of held)
      if (!this.final.has(msgId)) this.pending.push({ delivery: this.known.get(msgId)!, dueAt })
  }

  #take(request: ClaimRequest): Claimed {
    const taken: LeasedDelivery[] = []
    const skip = new Set<string>([...request.skip, ...request.skipApplications])
    const countOf = new Map<string, number>()
    let bytes = 0
    const left = this.pending
      .sort((a, b) => a.dueAt - b.dueAt)
      .filter(({ delivery, dueAt }) => {
        const count = countOf.get(delivery.endpointId) ?? 0
        if (dueAt > request.now || taken.length >= request.max || bytes >= request.payloadBytesMax) return true
        const ofApplication = countOf.get(delivery.appId) ?? 0
        if (count >= request.perEndpointMax || ofApplication >= request.perApplicationMax) return true
        if (skip.has(delivery.endpointId) || skip.has(delivery.appId)) return true
        countOf.set(delivery.endpointId, count + 1)
        countOf.set(delivery.appId, ofApplication + 1)
        bytes += delivery.payload.byteLength
        taken.push({ ...delivery, leaseUntil: request.lease.until })
        return false
      })
    this.pending = left
    const next = left.find(({ delivery }) => !skip.has(delivery.endpointId) && !skip.has(delivery.appId))
    return { deliveries: taken, nextDueAt: next?.dueAt ?? null }
  }
}

export interface Rig {
  readonly clock: FakeClock
  readonly queue: ScriptedQueue
  readonly cache: EndpointCache
  readonly dispatcher: Dispatcher
  readonly expunged: Expunged
  /** All attempts that were started, oldest first. */
  readonly attempts: readonly Attempt[]
  readonly troubles: readonly string[]
  /** When what it put back at its end is due. */
  readonly leftBehind: readonly number[]
  /** Adds an endpoint, or changes it; the cache learns of that. */
  endpoint(id: string, settings?: Partial<Endpoint>): Endpoint
  /** The endpoint is deleted. */
  remove(id: string): void
  /** A delivery as the store hands it out. */
  delivery(id: string, given?: Partial<LeasedDelivery>): LeasedDelivery
  /** Accepts a message for an endpoint: into memory, or else into the store. True when it went into memory. */
  accept(id: string, bytes?: number): boolean
  /** Puts a delivery into the store without a hint to the dispatcher. */
  store(id: string, given?: Partial<LeasedDelivery> & { dueAt?: number }): LeasedDelivery
  attemptsOf(id: string): Attempt[]
  /** Starts to claim. */
  run(): void
  /** Stops to claim; rejects when claiming had ended with an error. */
  stop(): Promise<void>
}

export function createRig({
  concurrency = 512,
  endpointConcurrency = 64,
  onAttempt = (): void => {},
  sharedRate = null,
  recentlyExpunged = null,
  limits = {},
}: {
  concurrency?: number
  endpointConcurrency?: number
  /** Decides how an attempt goes; by default the test ends it. */
  onAttempt?: (attempt: Attempt, clock: FakeClock) => void
  sharedRate?: SharedRate | null
  /** What the store says was expunged; null when there is no other node. */
  recentlyExpunged?: ((withinMs: number) => Promise<MessageId[]>) | null
  /** Bounds of its own. */
  limits?: Partial<DispatchLimits>
} = {}): Rig {
  const clock = createFakeClock()
  const queue = new ScriptedQueue()
  const endpoints = new Map<EndpointId, Endpoint>()
  const cache = createEndpointCache({
    getEndpoint: (_appId, id) => Promise.resolve(endpoints.get(id) ?? null),
    endpointsOf: () => Promise.resolve([...endpoints.values()]),
  })
  const attempts: Attempt[] = []
  const troubles: string[] = []
  const leftBehind: number[] = []

  const carryOut = (delivery: LeasedDelivery, succeed: () => void) =>
    new Promise<Recorded>((resolve, fail) => {
      const end = (recorded: Partial<Recorded> = {}) => resolve({ ...DONE, ...recorded })
      const attempt = { delivery, at: clock.now(), succeed, end, fail }
      attempts.push(attempt)
      onAttempt(attempt, clock)
    })
  const expunged = new Expunged({ clock, recent: recentlyExpunged })
  const dispatcher = new Dispatcher({
    queue: queue as Pick<Queue, 'claim' | 'renew' | 'release'> as Queue,
    cache,
    clock,
    owner: OWNER,
    concurrency,
    endpointConcurrency,
    limits,
    carryOut,
    onTrouble: (doing, error) => troubles.push(`${doing}: ${(error as Error).message}`),
    pacing: new Pacing(clock, sharedRate, null),
    expunged,
    onLeftBehind: (dueAt) => leftBehind.push(dueAt),
  })

  let messages = 0
  const delivery: Rig['delivery'] = (id, given = {}) => {
    const made: LeasedDelivery = {
      appId: endpoints.get(`ep_${id}`)?.appId ?? APP,
      msgId: `msg_${++messages}`,
      endpointId: `ep_${id}`,
      run: 0,
      tries: 0,
      spared: 0,
      lastAttemptAt: null,
      leaseUntil: clock.now() + 60_000,
      eventId: null,
      eventType: 'user.created',
      contentType: 'application/json',
      receivedAt: clock.now(),
      payload: payloadOf(10),
      hops: 0,
      ...given,
    }
    queue.known.set(made.msgId, made)
    return made
  }
  const store: Rig['store'] = (id, { dueAt = clock.now(), ...given } = {}) => {
    const stored = delivery(id, given)
    queue.pending.push({ delivery: stored, dueAt })
    return stored
  }

  let stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()
  return {
    clock,
    queue,
    cache,
    dispatcher,
    expunged,
    attempts,
    troubles,
    leftBehind,
    delivery,
    store,
    endpoint(id, settings = {}) {
      const endpoint: Endpoint = { ...plainEndpoint(id, clock.now()), ...endpoints.get(`ep_${id}`), ...settings }
      endpoints.set(endpoint.id, endpoint)
      cache.forget(endpoint.appId, endpoint.id)
      return endpoint
    },
    remove(id) {
      endpoints.delete(`ep_${id}`)
      cache.forget(APP, `ep_${id}`)
    },
    accept(id, bytes = 10) {
      const endpoint = endpoints.get(`ep_${id}`)
      if (endpoint === undefined) throw new Error(`there is no endpoint ${id}`)
      const payload = payloadOf(bytes)
      const isInMemory = dispatcher.reserve(endpoint, bytes)
      if (isInMemory) dispatcher.start(delivery(id, { payload }))
      else {
        const dueAt = Math.max(clock.now(), endpoint.pausedUntil ?? 0)
        store(id, { payload, dueAt })
        dispatcher.noteDue(dueAt)
      }
      return isInMemory
    },
    attemptsOf: (id) => attempts.filter((attempt) => attempt.delivery.endpointId === `ep_${id}`),
    run() {
      stopping = new AbortController()
      running = dispatcher.claimer.run(stopping.signal)
      // Whoever awaits stop() sees the error; until then it is not unhandled.
      running.catch(() => {})
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** Nobody writes to payloads, so that all of one size can be one. */
const payloads = new Map<number, Uint8Array>()
function payloadOf(bytes: number): Uint8Array {
  const payload = payloads.get(bytes) ?? new Uint8Array(bytes)
  payloads.set(bytes, payload)
  return payload
}

/** Ends every attempt with success after `ms`. */
export const answerAfter =
  (ms: number) =>
  (attempt: Attempt, clock: FakeClock): void =>
    void clock.after(ms, () => attempt.end())

const plainEndpoint = (id: string, now: number): Endpoint => ({
  ...blankEndpoint({ appId: APP, id: `ep_${id}`, now }),
  url: `https://${id}.example/hooks`,
})
