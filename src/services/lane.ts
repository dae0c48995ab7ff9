import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import { Fifo } from '../lib/fifo.ts'
import type { LeasedDelivery } from '../store/store.ts'
import { Pacer } from './rate.ts'

/** One endpoint's deliveries in this node's memory. It exists only while there are some. */
export class Lane {
  readonly appId: AppId
  readonly endpointId: EndpointId
  readonly firsts = new Fifo<LeasedDelivery>()
  readonly retries = new Fifo<LeasedDelivery>()
  readonly pacer = new Pacer()
  /** Attempts under way. */
  inFlight = 0
  /** Attempts under way, or over and about to be recorded. */
  unrecorded = 0
  /** Room promised to deliveries that are being committed. */
  reserved = 0
  /** It stands in the line of lanes that want a turn. */
  isQueued = false
  /** A timer or a load will queue it again. */
  isAsleep = false
  /** Its last attempt got no answer: it is likely to hold a slot for the whole time-out. */
  isSuspect = false

  constructor(appId: AppId, endpointId: EndpointId) {
    this.appId = appId
    this.endpointId = endpointId
  }

  get waiting(): number {
    return this.firsts.length + this.retries.length
  }

  get size(): number {
    return this.waiting + this.unrecorded + this.reserved
  }

  push(delivery: LeasedDelivery): void {
    if (delivery.tries === 0) this.firsts.push(delivery)
    else this.retries.push(delivery)
  }

  shift(): LeasedDelivery | undefined {
    return this.firsts.shift() ?? this.retries.shift()
  }

  drain(): LeasedDelivery[] {
    return [...this.firsts.drain(), ...this.retries.drain()]
  }

  /** The endpoint's settings if they are at hand. */
  settings(cache: EndpointCache): Endpoint | undefined {
    return cache.peek(this.appId, this.endpointId)
  }
}

/** Deliveries of one endpoint that may be held in memory: for a slow one no more than it takes in a few seconds. */
export function laneCapacity(rateLimit: number | null): number {
  const max = LIMITS.deliveriesInMemoryPerEndpoint
  return rateLimit === null ? max : Math.min(max, Math.ceil(rateLimit * SECONDS_AHEAD))
}

const SECONDS_AHEAD = 5

/**
 * How many attempts the node may have in flight for this lane to start one more. Endpoints that just timed out leave
 * half of the node to the others; retries, and lanes that hold more than their share, leave a quarter.
 * With that a first attempt to a healthy endpoint finds room however many others hang.
 */
export function startLimit(
  lane: { isSuspect: boolean; inFlight: number; hasFirsts: boolean },
  node: { concurrency: number; lanes: number },
): number {
  const share = Math.max(1, Math.floor(node.concurrency / Math.max(1, node.lanes)))
  const fraction = lane.isSuspect
    ? 1 / 2
    : !lane.hasFirsts || lane.inFlight >= share
      ? node.lanes === 1
        ? 1
        : 3 / 4
      : 1
  return Math.max(1, Math.floor(node.concurrency * fraction))
}
