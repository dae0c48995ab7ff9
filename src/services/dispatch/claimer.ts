/**
 * Claims deliveries from the store: retries, deliveries that found no room in memory, and those that a dead node left.
 */
import { LIMITS } from '../../domain/limits.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Lease } from '../../store/port/lease.ts'
import type { LeasedDelivery, Queue } from '../../store/port/queue.ts'
import { pause, type Service } from '../service.ts'
import { Alarm } from './alarm.ts'
import type { Lanes } from './lanes.ts'
import type { LooseLeases } from './loose-leases.ts'
import type { Overflow } from './overflow.ts'
import type { Starter } from './starter.ts'

/**
 * Pause after a claim that brought nothing although something was due: another node was faster, or the lane is locked.
 */
const EMPTY_CLAIM_PAUSE_MS = 50
/**
 * Pause after a claim that brought little, and while there is no room for one: few claims with much in them cost least.
 */
const SMALL_CLAIM_PAUSE_MS = 5

export interface ClaimerOptions {
  queue: Pick<Queue, 'claim'>
  clock: Clock
  owner: string
}

export interface ClaimerParts {
  lanes: Lanes
  overflow: Overflow
  loose: LooseLeases
  starter: Starter
}

export class Claimer implements Service {
  readonly name = 'dispatcher'
  readonly #options: ClaimerOptions
  readonly #parts: ClaimerParts
  readonly #alarm = new Alarm()

  constructor(options: ClaimerOptions, parts: ClaimerParts) {
    this.#options = options
    this.#parts = parts
  }

  /** Notes that a delivery in the store becomes due at this time. */
  noteDue(at: number): void {
    this.#alarm.note(at)
  }

  /** Looks at the state at once, instead of sleeping. */
  wake(): void {
    this.#alarm.wake()
  }

  /** Claims due deliveries, as soon as they are due and there is room. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const { starter, overflow } = this.#parts
    const wakeUp = () => this.#alarm.wake()
    signal.addEventListener('abort', wakeUp)
    try {
      let pollAt = clock.monotonic()
      while (!signal.aborted) {
        const now = clock.now()
        // The poll is the truth; the due time only makes it earlier.
        const claimAt = Math.min(this.#alarm.dueAt ?? Infinity, now + pollAt - clock.monotonic())
        const hasRoom = !starter.isStopping && overflow.claimRoom().deliveries > 0
        if (claimAt > now) await this.#alarm.sleep(clock, Math.min(claimAt - now, LIMITS.claimPollMs))
        else if (!hasRoom) await pause(clock, SMALL_CLAIM_PAUSE_MS, signal)
        else {
          pollAt = clock.monotonic() + LIMITS.claimPollMs
          const pauseMs = await this.#claim(now)
          if (pauseMs > 0) await pause(clock, pauseMs, signal)
        }
      }
    } finally {
      signal.removeEventListener('abort', wakeUp)
    }
  }

  /** Claims once. Returns how long the next claim should wait, ms. */
  async #claim(now: number): Promise<number> {
    const { loose, overflow } = this.#parts
    await loose.giveBack(now)
    // Anything that is noted as due before the answer arrives is news.
    this.#alarm.clear()
    const lease: Lease = { owner: this.#options.owner, until: now + LIMITS.leaseMs }
    const { deliveries, nextDueAt } = await this.#options.queue.claim({ lease, now, ...overflow.choose() })
    if (nextDueAt !== null) this.noteDue(nextDueAt)
    for (const delivery of deliveries) this.#take(delivery)
    if (deliveries.length >= this.#parts.lanes.limits.claimMax / 4) return 0
    const isStillDue = nextDueAt !== null && nextDueAt <= now
    return deliveries.length === 0 && isStillDue ? EMPTY_CLAIM_PAUSE_MS : SMALL_CLAIM_PAUSE_MS
  }

  #take(delivery: LeasedDelivery): void {
    const { lanes, loose, starter } = this.#parts
    const held = lanes.get(delivery)
    if (held === undefined) starter.arrived(lanes.keepClaimed(delivery), delivery)
    // The count says that the attempt before is on record: it is about to let go of the delivery.
    else if (delivery.tries > held.tries) lanes.keepNext(held, delivery)
    // Its lease ended while the delivery was still being attempted here: that attempt settles it, or it is given back.
    else loose.note([delivery])
  }
}
