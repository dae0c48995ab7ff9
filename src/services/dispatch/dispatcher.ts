/**
 * The dispatcher: which delivery is attempted next, and how many at a time.
 *
 * Deliveries come from memory, right after the commit that stored them (`start`), and from the store, by `claim`: retries,
 * what found no room in memory, what a dead node left behind. All of them are leased to this node before they are here,
 * so losing this process loses nothing: the leases end and somebody claims them.
 *
 * Each endpoint has a lane. Applications and their lanes take turns (`turns.ts`); a lane waits while it is at its concurrency cap or ahead of its
 * rate, and gives back what it holds while it is paused. Waiting costs no attempt. How much is held is bounded
 * (`memory.ts`). Never hold a delivery without a lease that is being renewed.
 */
import type { EndpointCache } from '../../cache/endpoint-cache.ts'
import type { DeliveryKey } from '../../domain/delivery.ts'
import { type Candidate, pauseEnd } from '../../domain/endpoint.ts'
import type { AppId, EndpointId, MessageId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Handoff } from '../../flow/accept.ts'
import type { Recorded } from '../../flow/record.ts'
import type { Clock } from '../../lib/clock.ts'
import type { LeasedDelivery, Queue } from '../../store/store.ts'
import { Alarm } from './alarm.ts'
import { ApplicationLoads } from './application-load.ts'
import type { Expunged } from './expunged.ts'
import { Lane } from './lane.ts'
import { LooseLeases } from './loose-leases.ts'
import { keyAndTries, keyText, Memory } from './memory.ts'
import { Overflow } from './overflow.ts'
import type { Pacing } from './pacing.ts'
import { renewEnding } from './renewal.ts'
import { pause, type Service } from '../service.ts'
import { type Turn, Turns } from './turns.ts'

export interface DispatcherOptions {
  queue: Queue
  cache: EndpointCache
  clock: Clock
  owner: string
  /** Attempts in flight, of the node and of one endpoint. */
  concurrency: number
  endpointConcurrency: number
  /** Makes one attempt and records it; `succeeded` is called when the destination has it, before that is on record. */
  carryOut: (delivery: LeasedDelivery, succeeded: () => void) => Promise<Recorded>
  onTrouble: (doing: string, error: unknown) => void
  pacing: Pacing
  expunged: Expunged
  /** This node ends and has put back what is due at this time. */
  onLeftBehind?: (dueAt: number) => void
}

/** After a claim that brought nothing although something was due: somebody else was faster, or it is locked. */
const EMPTY_CLAIM_PAUSE_MS = 50
/** After a claim that brought little, and while there is no room for one: few claims with much in them cost the least. */
const SMALL_CLAIM_PAUSE_MS = 5
const UNREADABLE_PAUSE_MS = 1_000

export class Dispatcher implements Handoff, Service {
  readonly name = 'dispatcher'
  readonly owner: string
  readonly #options: DispatcherOptions
  readonly #lanes = new Map<EndpointId, Lane>()
  readonly #applications = new ApplicationLoads()
  readonly #turns: Turns
  readonly #memory: Memory
  readonly #overflow: Overflow
  readonly #loose: LooseLeases
  readonly #pacing: Pacing
  readonly #alarm = new Alarm()
  #pumpScheduled = false
  #stopping = false
  #drained: (() => void) | null = null

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.owner = options.owner
    this.#turns = new Turns(options.concurrency)
    this.#memory = new Memory(options.concurrency)
    this.#overflow = new Overflow({ memory: this.#memory, applications: this.#applications }, options)
    this.#loose = new LooseLeases(this.#memory, options)
    this.#pacing = options.pacing
    options.expunged.tell((isMeant) => void this.discard(isMeant))
  }

  get inFlight(): number {
    return this.#turns.inFlight
  }

  /** Deliveries leased to this node. */
  get inMemory(): number {
    return this.#memory.size
  }

  /** Endpoints that something is held of, or remembered for a moment. */
  get lanes(): number {
    return this.#lanes.size
  }

  /** Applications that these endpoints belong to. */
  get applications(): number {
    return this.#applications.size
  }

  // ---- from accepting -------------------------------------------------------------------------------------------

  reserve(endpoint: Candidate, bytes: number): boolean {
    if (this.#stopping || (endpoint.pausedUntil ?? 0) > this.#options.clock.now()) return false
    const lane = this.#lanes.get(endpoint.id)
    const laneMax = this.#overflow.laneMax(endpoint.id, endpoint.rateLimit)
    const application = lane?.application ?? this.#applications.find(endpoint.appId)
    const { isShared } = this.#applications
    if (!this.#memory.hasRoom(bytes, { lane, application }, { laneMax, isShared })) return false
    this.#memory.reserve(lane ?? this.#laneOf(endpoint.appId, endpoint.id), bytes)
    return true
  }

  start(delivery: LeasedDelivery): void {
    const lane = this.#laneOf(delivery.appId, delivery.endpointId)
    this.#memory.keepReserved(lane, delivery)
    this.#hold(lane, delivery)
  }

  unreserve(endpoint: Candidate, bytes: number): void {
    const lane = this.#laneOf(endpoint.appId, endpoint.id)
    this.#memory.unreserve(lane, bytes)
    this.#place(lane)
  }

  doubt(leases: readonly (DeliveryKey & { tries: number })[]): void {
    this.#loose.note(leases)
  }

  #hold(lane: Lane, delivery: LeasedDelivery): void {
    lane.push(delivery)
    this.#place(lane)
    // It came with a payload that was taken away meanwhile.
    if (this.#options.expunged.has(delivery.msgId)) void this.discard((msgId) => msgId === delivery.msgId)
    // Too late: it was being committed, or attempted, when the end began.
    if (this.#stopping) void this.#giveBack([lane], this.#options.clock.now())
  }

  noteDue(at: number): void {
    this.#alarm.note(at)
  }

  // ---- lanes taking turns ---------------------------------------------------------------------------------------

  #laneOf(appId: AppId, endpointId: EndpointId): Lane {
    let lane = this.#lanes.get(endpointId)
    if (lane === undefined) this.#lanes.set(endpointId, (lane = new Lane(this.#applications.enter(appId), endpointId)))
    return lane
  }

  /** Puts a lane where it belongs: in line, out of it while it cannot start anything, or away when it is empty. */
  #place(lane: Lane): void {
    if (lane.isAsleep) return
    if (lane.waiting > 0 && lane.inFlight < this.#options.endpointConcurrency) {
      this.#turns.stand(lane, this.#lanes.size)
      this.#schedulePump()
      return
    }
    this.#turns.leave(lane)
    if (lane.size > 0) return
    // A lane that comes and goes must not forget when its next attempt may start.
    const waitMs = lane.pacer.aheadMs(this.#options.clock.now())
    if (waitMs > 0) this.#sleep(lane, Math.min(waitMs, LIMITS.rateSleepMaxMs))
    else if (this.#lanes.delete(lane.endpointId)) this.#applications.leave(lane.application)
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
    while (!this.#stopping) {
      const turn = this.#turns.next({ lanes: this.#lanes.size, isShared: this.#applications.isShared })
      if (turn === undefined) return
      this.#startNext(turn)
      this.#place(turn.lane)
    }
  }

  /** Starts one attempt of the lane if it may; otherwise the lane sleeps, gives back what it holds, or changes its line. */
  #startNext(turn: Turn): void {
    const { lane, rank } = turn
    // There is nothing to ask of an endpoint that is deleted: its deliveries go on, to be cancelled.
    if (!lane.isGone) {
      const now = this.#options.clock.now()
      const { cache, expunged } = this.#options
      if (!expunged.isCurrent(now)) return this.#sleepUntil(lane, expunged.soon(), 'ask what was expunged')
      const settings = lane.settings(cache)
      if (settings === undefined) return this.#sleepUntilLoaded(lane)
      if ((settings.pausedUntil ?? 0) > now) return void this.#giveBack([lane], pauseEnd(settings, now))
      // A lane that was away does not know how its last attempt went; its endpoint's record does.
      lane.isSuspect ??= settings.failingSince !== null
      if (lane.isSuspect && rank !== 'suspect') return
      const waitMs = this.#pacing.admit(lane, settings, now)
      if (waitMs === null) return this.#sleepUntil(lane, this.#pacing.ask(lane, settings), 'keep to a shared rate')
      // Not for long at once: meanwhile the limit may be lifted.
      if (waitMs > 0) return this.#sleep(lane, Math.min(waitMs, LIMITS.rateSleepMaxMs))
    }
    const delivery = lane.shift()
    if (delivery === undefined) return
    // Not renewed in time, so it is anybody's now: the store finds it.
    if (delivery.leaseUntil <= this.#options.clock.now()) this.#letGo(lane, delivery)
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
    this.#place(lane)
  }

  async #attempt(turn: Turn, delivery: LeasedDelivery): Promise<void> {
    const { lane } = turn
    lane.inFlight++
    lane.unrecorded++
    this.#turns.started(turn)
    let holdsSlot = true
    const freeSlot = () => {
      if (!holdsSlot) return
      holdsSlot = false
      lane.inFlight--
      this.#turns.ended(turn)
      this.#place(lane)
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
    lane.unrecorded--
    this.#letGo(lane, delivery)
    if (recorded !== null) {
      lane.isSuspect = recorded.gotNoAnswer
      if (recorded.dueAgainAt !== null) this.noteDue(recorded.dueAgainAt)
      if (recorded.restMs > 0 && !lane.isAsleep) this.#sleep(lane, recorded.restMs)
      if (recorded.pausedUntil !== null) this.#pacing.slowDown(lane.endpointId, recorded.pausedUntil)
    }
    freeSlot()
    this.#place(lane)
    if (this.#overflow.hasRoomAgain(lane)) this.noteDue(this.#options.clock.now())
  }

  #letGo(lane: Lane, delivery: LeasedDelivery): void {
    const next = this.#memory.letGo(lane, delivery)
    if (next !== undefined) this.#keepClaimed(next)
    if (this.#memory.size === 0) this.#drained?.()
  }

  /** Puts back what waits of messages that were changed in the store; a claim finds out what becomes of it. */
  discard(isMeant: (msgId: MessageId) => boolean): Promise<void> {
    return this.#giveBack([...this.#lanes.values()], this.#options.clock.now(), (one) => isMeant(one.msgId))
  }

  /** What waits in these lanes goes back to the store, which keeps it until `dueAt`. */
  async #giveBack(lanes: readonly Lane[], dueAt: number, isMeant?: (one: LeasedDelivery) => boolean): Promise<void> {
    const deliveries: LeasedDelivery[] = []
    for (const lane of lanes) {
      for (const delivery of lane.drain(isMeant)) {
        this.#letGo(lane, delivery)
        deliveries.push(delivery)
      }
      this.#place(lane)
    }
    if (deliveries.length === 0) return
    try {
      await this.#options.queue.release(deliveries.map(keyAndTries), this.owner, dueAt)
      this.noteDue(dueAt)
      if (this.#stopping) this.#options.onLeftBehind?.(dueAt)
    } catch (error) {
      this.#options.onTrouble('put deliveries back', error)
      this.#loose.note(deliveries)
    }
  }

  // ---- what is due in the store ---------------------------------------------------------------------------------

  /** Claims what is due, as soon as it is due and there is room. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const wakeUp = () => this.#alarm.wake()
    signal.addEventListener('abort', wakeUp)
    try {
      let pollAt = clock.monotonic()
      while (!signal.aborted) {
        const now = clock.now()
        // The poll is the truth; the due time only makes it earlier.
        const claimAt = Math.min(this.#alarm.dueAt ?? Infinity, now + pollAt - clock.monotonic())
        const hasRoom = !this.#stopping && this.#overflow.claimRoom().deliveries > 0
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

  /** Returns how long the next claim should wait, ms. */
  async #claim(now: number): Promise<number> {
    await this.#loose.giveBack(now)
    // Until the answer is here, anything noted as due is news.
    this.#alarm.clear()
    const { deliveries, nextDueAt } = await this.#options.queue.claim({
      lease: { owner: this.owner, until: now + LIMITS.leaseMs },
      now,
      ...this.#overflow.choose(this.#lanes.values()),
    })
    if (nextDueAt !== null) this.noteDue(nextDueAt)
    for (const delivery of deliveries) {
      const held = this.#memory.get(delivery)
      if (held === undefined) this.#keepClaimed(delivery)
      // The attempt before is on record, as the count says, and about to let go of it.
      else if (delivery.tries > held.tries) this.#memory.keepNext(held, delivery)
      // Its lease had ended while it was still being attempted here: that attempt settles it, or it is given back.
      else this.#loose.note([delivery])
    }
    if (deliveries.length >= LIMITS.claimMax / 4) return 0
    const isStillDue = nextDueAt !== null && nextDueAt <= now
    return deliveries.length === 0 && isStillDue ? EMPTY_CLAIM_PAUSE_MS : SMALL_CLAIM_PAUSE_MS
  }

  #keepClaimed(delivery: LeasedDelivery): void {
    const lane = this.#laneOf(delivery.appId, delivery.endpointId)
    this.#memory.keepClaimed(lane, delivery)
    this.#hold(lane, delivery)
  }

  // ---- leases ---------------------------------------------------------------------------------------------------

  /** Prolongs the leases that are about to end. What was lost and has not started is dropped: it is another node's. */
  async renewLeases(): Promise<void> {
    const now = this.#options.clock.now()
    this.#pacing.forgetOver(now)
    const { queue } = this.#options
    await renewEnding(this.#memory.deliveries(), { queue, owner: this.owner, now }, (lost) => this.#drop(lost))
  }

  #drop(lost: readonly DeliveryKey[]): void {
    if (lost.length === 0) return
    const keys = new Set(lost.map(keyText))
    for (const lane of this.#lanes.values()) {
      for (const delivery of lane.drain((one) => keys.has(keyText(one)))) this.#letGo(lane, delivery)
      this.#place(lane)
    }
  }

  /** Starts nothing any more, puts back what waits, and lets what is in flight finish, until `deadline` (ms, `performance.now`). */
  async drain(deadline: number): Promise<void> {
    this.#stopping = true
    this.#alarm.wake()
    await this.#giveBack([...this.#lanes.values()], this.#options.clock.now())
    if (this.#memory.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(deadline - performance.now(), resolve)
      this.#drained = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}
