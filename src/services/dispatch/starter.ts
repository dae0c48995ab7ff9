/**
 * Which attempt starts now. Applications and their lanes take turns (`turns.ts`); a lane waits while it is at its
 * concurrency cap or ahead of its rate (`pacing.ts`), and gives back what it holds while it is paused. Waiting costs no
 * attempt.
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
  /** Attempts in flight, of the node and of one endpoint. */
  concurrency: number
  endpointConcurrency: number
  /** Makes one attempt and records it; `succeeded` is called when the destination has it, before that is on record. */
  carryOut: (delivery: LeasedDelivery, succeeded: () => void) => Promise<Recorded>
  onTrouble: (doing: string, error: unknown) => void
  pacing: Pacing
  expunged: Expunged
}

/** The other parts of the dispatcher, as the starter sees them. */
export interface StarterHooks {
  /** What waits in the lane, and is meant, goes back to the store, which keeps it until `dueAt`. */
  giveBack: (lane: Lane, dueAt: number, isMeant?: (one: LeasedDelivery) => boolean) => void
  /** Something is due in the store at this time. */
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

  /** Attempts in flight. */
  get inFlight(): number {
    return this.#turns.inFlight
  }

  /** Nothing starts any more. */
  get isStopping(): boolean {
    return this.#isStopping
  }

  stop(): void {
    this.#isStopping = true
  }

  /** The delivery waits in the lane as of now. */
  arrived(lane: Lane, delivery: LeasedDelivery): void {
    this.place(lane)
    const { clock, expunged } = this.#options
    // The delivery came with a payload that was taken away meanwhile.
    if (expunged.has(delivery.msgId)) this.#hooks.giveBack(lane, clock.now(), (one) => one.msgId === delivery.msgId)
    // Too late: the delivery was being committed, or attempted, when the end began.
    if (this.#isStopping) this.#hooks.giveBack(lane, clock.now())
  }

  /** Puts a lane where it belongs: in line, out of it while it cannot start anything, or away when it is empty. */
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

  /** Once for all that happens in one go, so that lanes that become ready together take turns. */
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

  /** Starts one attempt of the lane if it may; otherwise the lane sleeps, gives back what it holds, or changes its line. */
  #startNext(turn: Turn): void {
    const { lane, rank } = turn
    // There is nothing to ask of an endpoint that is deleted: its deliveries go on, to be cancelled.
    if (!lane.isGone) {
      const now = this.#options.clock.now()
      const { cache, expunged, pacing } = this.#options
      if (!expunged.isCurrent(now)) return this.#sleepUntil(lane, expunged.soon(), 'ask what was expunged')
      const settings = lane.settings(cache)
      if (settings === undefined) return this.#sleepUntilLoaded(lane)
      if ((settings.pausedUntil ?? 0) > now) return this.#hooks.giveBack(lane, pauseEnd(settings, now))
      // A lane that was away does not know how its last attempt went; its endpoint's record does.
      lane.isSuspect ??= settings.failingSince !== null
      if (lane.isSuspect && rank !== 'suspect') return
      const waitMs = pacing.admit(lane, settings, now)
      if (waitMs === null) return this.#sleepUntil(lane, pacing.ask(lane, settings), 'keep to a shared rate')
      // Not for long at once: meanwhile the limit may be lifted.
      if (waitMs > 0) return this.#sleep(lane, Math.min(waitMs, this.#lanes.limits.rateSleepMaxMs))
    }
    const delivery = lane.shift()
    if (delivery === undefined) return
    // Not renewed in time, so the delivery is any node's now: the store finds it.
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
      // After a success the next attempt need not wait for the commit. After anything else it does: the record may
      // pause or disable the endpoint.
      recorded = await this.#options.carryOut(delivery, freeSlot)
    } catch (error) {
      // Its outcome is not on record. The lease ends by itself, and the delivery becomes due again.
      this.#options.onTrouble('carry out a delivery', error)
    }
    this.#again(lane, this.#lanes.recorded(lane, delivery))
    if (recorded !== null) this.#learn(lane, recorded)
    freeSlot()
    this.place(lane)
    this.#hooks.ended(lane)
  }

  /** What an attempt that is on record says about the next ones of its lane. */
  #learn(lane: Lane, { gotNoAnswer, dueAgainAt, restMs, pausedUntil }: Recorded): void {
    lane.isSuspect = gotNoAnswer
    if (dueAgainAt !== null) this.#hooks.noteDue(dueAgainAt)
    if (restMs > 0 && !lane.isAsleep) this.#sleep(lane, restMs)
    if (pausedUntil !== null) this.#options.pacing.slowDown(lane.endpointId, pausedUntil)
  }

  /** The node has nothing more to do with this lease; the same delivery may have another one that waits. */
  letGo(lane: Lane, delivery: LeasedDelivery): void {
    this.#again(lane, this.#lanes.letGo(lane, delivery))
  }

  #again(lane: Lane, next: LeasedDelivery | undefined): void {
    if (next !== undefined) this.arrived(lane, next)
  }
}
