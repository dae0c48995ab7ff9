import type { EndpointCache } from '../../cache/endpoint-cache.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { AppId, EndpointId } from '../../domain/ids.ts'
import { RETRY_SHARE } from '../../domain/retry-share.ts'
import { Fifo } from '../../lib/fifo.ts'
import type { LeasedDelivery } from '../../store/port/queue.ts'
import { Pacer } from './rate.ts'
import { SharedPacer } from './shared-rate.ts'

/** The deliveries of one endpoint in this node's memory. A lane exists only while there are some. */
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
  /** Payload bytes of all deliveries that the lane holds and has reserved. */
  bytes = 0
  /** The line in which it waits for its turn. */
  line: Rank | null = null
  /** A timer or a load will bring it back into line. */
  isAsleep = false
  /** Its endpoint is deleted. */
  isGone = false
  /** True when the last attempt got no answer. Null as long as none of its attempts has ended. */
  isSuspect: boolean | null = null
  /** The number of clock steps back that there had been when the pacers of this lane were begun. */
  clockSteps = 0
  #taken = 0

  constructor(application: ApplicationLoad, endpointId: EndpointId) {
    this.application = application
    this.endpointId = endpointId
  }

  get appId(): AppId {
    return this.application.appId
  }

  /** Begins new pacers after the nth clock step back: the old ones remember times that are ahead. */
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

  /**
   * Takes the next delivery: first attempts go first, but every eighth one is a retry. Retries must not wait until
   * there are no first attempts left.
   */
  shift(): LeasedDelivery | undefined {
    const isRetrysTurn = ++this.#taken % RETRY_SHARE === 0
    return isRetrysTurn ? (this.retries.shift() ?? this.firsts.shift()) : (this.firsts.shift() ?? this.retries.shift())
  }

  /** Takes out the waiting deliveries for which `isMeant` is true; the others stay, in their order. */
  drain(isMeant: (one: LeasedDelivery) => boolean = () => true): LeasedDelivery[] {
    const taken: LeasedDelivery[] = []
    for (const one of [...this.firsts.drain(), ...this.retries.drain()])
      if (isMeant(one)) taken.push(one)
      else this.push(one)
    return taken
  }

  /** The endpoint's settings if the cache has them in memory. */
  settings(cache: EndpointCache): Candidate | undefined {
    return cache.peek(this.appId, this.endpointId)
  }
}

/** The load of one application at this node, over all of its lanes. It exists only while there are some. */
export class ApplicationLoad {
  readonly appId: AppId
  lanes = 0
  /**
   * The number of deliveries held and reserved, the number of claimed ones among them, and the payload bytes of all.
   */
  size = 0
  claimed = 0
  bytes = 0
  readonly turns = new ApplicationTurns()

  constructor(appId: AppId) {
    this.appId = appId
  }
}

/** The position of an application among the others. `Turns` alone changes it. */
export class ApplicationTurns {
  /** Attempts under way. */
  underWay = 0
  readonly underWayOf: Record<Rank, number> = { first: 0, more: 0, retry: 0, suspect: 0 }
  /** True while the application has few attempts under way; the part of the node that is kept back is for such ones. */
  isLight = true
  /**
   * The lanes that wait for their turn. They are sets, because sets keep the order and a lane can leave from the
   * middle.
   */
  readonly lines: Readonly<Record<Rank, Set<Lane>>> = {
    first: new Set(),
    more: new Set(),
    retry: new Set(),
    suspect: new Set(),
  }
}

/**
 * The number of deliveries of one endpoint that may be held in memory: `max`; for a slow endpoint no more than it takes
 * in a few seconds.
 */
export function laneCapacity(rateLimit: number | null, max: number): number {
  return rateLimit === null ? max : Math.min(max, Math.ceil(rateLimit * SECONDS_AHEAD))
}

const SECONDS_AHEAD = 5

/** The priority class of a lane's next attempt. */
export type Rank =
  /** A first attempt of a lane that has little in flight: less than half of its share of the node. */
  | 'first'
  /** A first attempt of a lane that has that much in flight already. */
  | 'more'
  | 'retry'
  /** Any attempt of a lane whose last one got no answer: it is likely to hold its slot for the whole time-out. */
  | 'suspect'

/** The ranks in order: the attempt with the least risk for the node comes first. */
export const RANKS = ['first', 'more', 'retry', 'suspect'] as const satisfies readonly Rank[]

export function rankOf(
  lane: { isSuspect: boolean | null; hasFirsts: boolean; inFlight: number },
  node: { concurrency: number; lanes: number },
): Rank {
  if (lane.isSuspect === true) return 'suspect'
  if (!lane.hasFirsts) return 'retry'
  // The half, because all lanes with their whole share would fill the node: eight endpoints that hang are enough for
  // that.
  const little = Math.max(1, Math.floor(node.concurrency / (2 * Math.max(1, node.lanes))))
  return lane.inFlight < little ? 'first' : 'more'
}
