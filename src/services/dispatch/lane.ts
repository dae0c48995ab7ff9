import type { EndpointCache } from '../../cache/endpoint-cache.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { AppId, EndpointId } from '../../domain/ids.ts'
import { RETRY_SHARE } from '../../domain/retry-share.ts'
import { Fifo } from '../../lib/fifo.ts'
import type { LeasedDelivery } from '../../store/port/queue.ts'
import { Pacer } from './rate.ts'
import { SharedPacer } from './shared-rate.ts'

/** One endpoint's deliveries in this node's memory. It exists only while there are some. */
export class Lane {
  readonly application: ApplicationLoad
  readonly endpointId: EndpointId
  readonly firsts = new Fifo<LeasedDelivery>()
  readonly retries = new Fifo<LeasedDelivery>()
  readonly pacer = new Pacer()
  readonly sharedPacer = new SharedPacer()
  /** Attempts under way. */
  inFlight = 0
  /** Attempts under way, or over and about to be recorded. */
  unrecorded = 0
  /** Room promised to deliveries that are being committed. */
  reserved = 0
  /** Payload bytes of all that it holds and has reserved. */
  bytes = 0
  /** The line in which it waits for its turn. */
  line: Rank | null = null
  /** A timer or a load will bring it back into line. */
  isAsleep = false
  /** Its endpoint is deleted. */
  isGone = false
  /** Its last attempt got no answer. Null as long as none of its attempts has ended. */
  isSuspect: boolean | null = null
  /** How often the clock had been put back when its pacers were begun. */
  clockSteps = 0
  #taken = 0

  constructor(application: ApplicationLoad, endpointId: EndpointId) {
    this.application = application
    this.endpointId = endpointId
  }

  get appId(): AppId {
    return this.application.appId
  }

  /** The clock was put back for the nth time: what the pacers remember is of a time ahead. */
  pacesAnew(clockSteps: number): void {
    this.clockSteps = clockSteps
    this.pacer.reset()
    this.sharedPacer.reset()
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

  /** First attempts go first, but every eighth time it is a retry: they must not wait until there is no news any more. */
  shift(): LeasedDelivery | undefined {
    const isRetrysTurn = ++this.#taken % RETRY_SHARE === 0
    return isRetrysTurn ? (this.retries.shift() ?? this.firsts.shift()) : (this.firsts.shift() ?? this.retries.shift())
  }

  /** Takes out what waits and is meant; the rest stays, in its order. */
  drain(isMeant: (one: LeasedDelivery) => boolean = () => true): LeasedDelivery[] {
    const taken: LeasedDelivery[] = []
    for (const one of [...this.firsts.drain(), ...this.retries.drain()])
      if (isMeant(one)) taken.push(one)
      else this.push(one)
    return taken
  }

  /** The endpoint's settings if they are at hand. */
  settings(cache: EndpointCache): Candidate | undefined {
    return cache.peek(this.appId, this.endpointId)
  }
}

/** What this node has of one application, all of its lanes together. It exists only while there are some. */
export class ApplicationLoad {
  readonly appId: AppId
  lanes = 0
  /** Deliveries held and reserved, what of them was claimed, and the payload bytes of all. */
  size = 0
  claimed = 0
  bytes = 0
  readonly turns = new ApplicationTurns()

  constructor(appId: AppId) {
    this.appId = appId
  }
}

/** An application's place among the others. `Turns` alone changes it. */
export class ApplicationTurns {
  /** Attempts under way. */
  underWay = 0
  readonly underWayOf: Record<Rank, number> = { first: 0, more: 0, retry: 0, suspect: 0 }
  /** It has so few of them that what is kept back is for it. */
  isLight = true
  /** Its lanes that wait for their turn. Sets, because they keep the order and a lane can leave from the middle. */
  readonly lines: Readonly<Record<Rank, Set<Lane>>> = {
    first: new Set(),
    more: new Set(),
    retry: new Set(),
    suspect: new Set(),
  }
}

/** Deliveries of one endpoint that may be held in memory: `max`, and for a slow one no more than it takes in a few seconds. */
export function laneCapacity(rateLimit: number | null, max: number): number {
  return rateLimit === null ? max : Math.min(max, Math.ceil(rateLimit * SECONDS_AHEAD))
}

const SECONDS_AHEAD = 5

/** What the next attempt of a lane is to the node. */
export type Rank =
  /** A first attempt of a lane that has little in flight: less than half of its share of the node. */
  | 'first'
  /** One of a lane that has that much already. */
  | 'more'
  | 'retry'
  /** Any attempt of a lane whose last one got no answer: it is likely to hold its slot for the whole time-out. */
  | 'suspect'

/** What the node risks least comes first. */
export const RANKS = ['first', 'more', 'retry', 'suspect'] as const satisfies readonly Rank[]

export function rankOf(
  lane: { isSuspect: boolean | null; hasFirsts: boolean; inFlight: number },
  node: { concurrency: number; lanes: number },
): Rank {
  if (lane.isSuspect === true) return 'suspect'
  if (!lane.hasFirsts) return 'retry'
  // Half, because all lanes with their whole share would fill the node: eight endpoints that hang are enough for that.
  const little = Math.max(1, Math.floor(node.concurrency / (2 * Math.max(1, node.lanes))))
  return lane.inFlight < little ? 'first' : 'more'
}
