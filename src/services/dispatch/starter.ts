/**
 * Decides which attempt starts now. Applications and their lanes take turns (`turns.ts`). A lane waits while it is at
 * its concurrency cap or ahead of its rate (`pacing.ts`). While it is paused, it gives back its deliveries. Waiting
 * costs no attempt.
 */
import type { EndpointCache } from '../../cache/endpoint-cache.ts'
import { pauseEnd } from '../../domain/endpoint.ts'
import type { Recorded } from '../../flow/record.ts'
import type { Clock } from '../../lib/clock.ts'
import type { LeasedDelivery } from '../../store/port/queue.ts'
import type { Expunged } from './expunged.ts'
import type { Lane } from './lane.ts'
import type { Lanes } from './lanes.ts'
import type { Pacing } from './pacing.ts'
import { type Turn, Turns } from './turns.ts'

export interface StarterOptions {
  cache: EndpointCache
  clock: Clock
  /** Attempts that may be in flight: of the node, and of one endpoint. */
  concurrency: number
  endpointConcurrency: number
  /**
   * Makes one attempt and records it. `succeeded` is called when the destination has the message, before the attempt is
   * on record.
   */
  carryOut: (delivery: LeasedDelivery, succeeded: () => void) => Promise<Recorded>
  onTrouble: (doing: string, error: unknown) => void
  pacing: Pacing
  expunged: Expunged
}

/** The other parts of the dispatcher, as the starter sees them. */
export interface StarterHooks {
  /**
   * Gives the lane's waiting deliveries for which `isMeant` is true back to the store, which keeps them until `dueAt`.
   */
  giveBack: (lane: Lane, dueAt: number, isMeant?: (one: LeasedDelivery) => boolean) => void
  /** A delivery in the store becomes due at this time. */
  noteDue: (at: number) => void
  /** An attempt of the lane ended, so that there may be room for more of it. */
  ended: (lane: Lane) => void
}

const UNREADABLE_PAUSE_MS = 1_000

export class Starter {
  readonly #lanes: Lanes
  readonly #options: StarterOptions
  readonly #hooks: StarterHooks
  readonly #turns: Turns
  #pumpScheduled = false
  #isStopping = false

  constructor(lanes: Lanes, options: StarterOptions, hooks: StarterHooks) {
    this.#lanes = lanes
    this.#options = options
    this.#hooks = hooks
    this.#turns = new Turns(options.concurrency)
  }

  /** Number of attempts in flight. */
  get inFlight(): number {
    return this.#turns.inFlight
  }

  /** True when no attempt starts any more. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  stop(): void {
    this.#isStopping = true
  }

  /** Called when a delivery begins to wait in the lane. */
  arrived(lane: Lane, delivery: LeasedDelivery): void {
    this.place(lane)
    const { clock, expunged } = this.#options
    // The delivery came with a payload that was taken away meanwhile.
    if (expunged.has(delivery.msgId)) this.#hooks.giveBack(lane, clock.now(), (one) => one.msgId === delivery.msgId)
    // Too late: the shutdown began while the delivery was being committed or attempted.
    if (this.#isStopping) this.#hooks.giveBack(lane, clock.now())
  }

  /** Puts a lane where it belongs: in line, out of line while it cannot start an attempt, or away when it is empty. */
  place(lane: Lane): void {
    if (lane.isAsleep) return
    if (lane.waiting > 0 && lane.inFlight < this.#options.endpointConcurrency) {
      this.#turns.stand(lane, this.#lanes.count)
      this.#schedulePump()
      return
    }
    this.#turns.leave(lane)
    if (lane.size > 0) return
    // A lane that comes and goes must not forget when its next attempt may start.
    const waitMs = lane.pacer.aheadMs(this.#options.clock.now())
    if (waitMs > 0) this.#sleep(lane, Math.min(waitMs, this.#lanes.limits.rateSleepMaxMs))
    else this.#lanes.remove(lane)
  }

  /** Runs once for all events of one turn of the event loop, so that lanes that become ready together take turns. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    while (!this.#isStopping) {
      const turn = this.#turns.next({ lanes: this.#lanes.count, isShared: this.#lanes.isShared })
      if (turn === undefined) return
      this.#startNext(turn)
      this.place(turn.lane)
    }
  }

  /**
   * Starts one attempt of the lane if it may; otherwise the lane sleeps, gives back its deliveries, or changes its
   * line.
   */
  #startNext(turn: Turn): void {
    const { lane, rank } = turn
    // A deleted endpoint has no settings to keep to: its deliveries go on, to be cancelled.
    if (!lane.isGone) {
      const now = this.#options.clock.now()
      const { cache, expunged, pacing } = this.#options
      if (!expunged.isCurrent(now)) return this.#sleepUntil(lane, expunged.soon(), 'ask what was expunged')
      const settings = lane.settings(cache)
      if (settings === undefined) return this.#sleepUntilLoaded(lane)
      if ((settings.pausedUntil ?? 0) > now) return this.#hooks.giveBack(lane, pauseEnd(settings, now))
      // A lane that was away does not know the result of its last attempt; the endpoint's record does.
      lane.isSuspect ??= settings.failingSince !== null
      if (lane.isSuspect && rank !== 'suspect') return
      const waitMs = pacing.admit(lane, settings, now)
      if (waitMs === null) return this.#sleepUntil(lane, pacing.ask(lane, settings), 'keep to a shared rate')
      // The sleep is bounded: the limit may be lifted meanwhile.
      if (waitMs > 0) return this.#sleep(lane, Math.min(waitMs, this.#lanes.limits.rateSleepMaxMs))
    }
    const delivery = lane.shift()
    if (delivery === undefined) return
    // The lease was not renewed in time, so any node may have the delivery: a claim finds it in the store.
    if (delivery.leaseUntil <= this.#options.clock.now()) this.letGo(lane, delivery)
    else void this.#attempt(turn, delivery)
  }

  #sleep(lane: Lane, ms: number): void {
    lane.isAsleep = true
    this.#turns.leave(lane)
    this.#options.clock.after(Math.ceil(ms), () => this.#awake(lane))
  }

  #sleepUntilLoaded(lane: Lane): void {
    const loaded = Promise.resolve(this.#options.cache.get(lane.appId, lane.endpointId)).then(
      (endpoint) => void (lane.isGone = endpoint === null),
    )
    this.#sleepUntil(lane, loaded, 'read an endpoint')
  }

  #sleepUntil(lane: Lane, done: Promise<void>, doing: string): void {
    lane.isAsleep = true
    done.then(
      () => this.#awake(lane),
      (error: unknown) => {
        this.#options.onTrouble(doing, error)
        this.#sleep(lane, UNREADABLE_PAUSE_MS)
      },
    )
  }

  #awake(lane: Lane): void {
    lane.isAsleep = false
    this.place(lane)
  }

  async #attempt(turn: Turn, delivery: LeasedDelivery): Promise<void> {
    const { lane } = turn
    this.#lanes.starts(lane)
    this.#turns.started(turn)
    let holdsSlot = true
    const freeSlot = () => {
      if (!holdsSlot) return
      holdsSlot = false
      this.#lanes.answered(lane)
      this.#turns.ended(turn)
      this.place(lane)
      this.#schedulePump()
    }
    let recorded: Recorded | null = null
    try {
      // After a success the next attempt need not wait for the commit. After any other outcome it waits: the record may
      // pause or disable the endpoint.
      recorded = await this.#options.carryOut(delivery, freeSlot)
    } catch (error) {
      // The outcome is not on record. The lease ends by itself, and the delivery becomes due again.
      this.#options.onTrouble('carry out a delivery', error)
    }
    this.#again(lane, this.#lanes.recorded(lane, delivery))
    if (recorded !== null) this.#learn(lane, recorded)
    freeSlot()
    this.place(lane)
    this.#hooks.ended(lane)
  }

  /** Takes over what an attempt on record means for the next attempts of its lane. */
  #learn(lane: Lane, { gotNoAnswer, dueAgainAt, restMs, pausedUntil }: Recorded): void {
    lane.isSuspect = gotNoAnswer
    if (dueAgainAt !== null) this.#hooks.noteDue(dueAgainAt)
    if (restMs > 0 && !lane.isAsleep) this.#sleep(lane, restMs)
    if (pausedUntil !== null) this.#options.pacing.slowDown(lane.endpointId, pausedUntil)
  }

  /** Lets go of a lease with which the node has nothing more to do; the same delivery may wait with another lease. */
  letGo(lane: Lane, delivery: LeasedDelivery): void {
    this.#again(lane, this.#lanes.letGo(lane, delivery))
  }

  #again(lane: Lane, next: LeasedDelivery | undefined): void {
    if (next !== undefined) this.arrived(lane, next)
  }
}
