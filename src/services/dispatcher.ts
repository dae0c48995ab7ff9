/**
 * The dispatcher: which delivery is attempted next, and how many at a time.
 *
 * Deliveries come from memory, right after the commit that stored them (`start`), and from the store, by `claim`: retries,
 * what found no room in memory, what a dead node left behind. All of them are leased to this node before they are here,
 * so losing this process loses nothing: the leases end and somebody claims them.
 *
 * Each endpoint has a lane. Lanes take turns, one start each; a lane waits while it is at its concurrency cap, ahead of
 * its rate, or paused. Waiting costs no attempt. Never hold a delivery without a lease that is being renewed.
 */
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { DeliveryKey } from '../domain/delivery.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Handoff } from '../flow/accept.ts'
import type { Recorded } from '../flow/record.ts'
import type { Clock } from '../lib/clock.ts'
import { Fifo } from '../lib/fifo.ts'
import type { LeasedDelivery, Queue } from '../store/store.ts'
import { Lane, laneCapacity, startLimit } from './lane.ts'
import { type Pace, paceAt, slowDown } from './pace.ts'
import { pause, type Service } from './service.ts'

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
}

/** Lanes looked at in one go when none of them may start: the rest wait for the next attempt that ends. */
const LANES_LOOKED_AT = 32
/** After a claim that brought nothing although something was due: somebody else was faster, or it is locked. */
const EMPTY_CLAIM_PAUSE_MS = 50
const SHUTDOWN_POLL_MS = 10

export class Dispatcher implements Handoff, Service {
  readonly name = 'dispatcher'
  readonly owner: string
  readonly #options: DispatcherOptions
  readonly #lanes = new Map<EndpointId, Lane>()
  readonly #firstLine = new Fifo<Lane>()
  readonly #retryLine = new Fifo<Lane>()
  readonly #paces = new Map<EndpointId, Pace>()
  readonly #held = new Map<string, LeasedDelivery>()
  /** Endpoints with more in the store than there was room for here. */
  readonly #skipped = new Set<EndpointId>()
  #inFlight = 0
  #reserved = 0
  #bytes = 0
  #starts = 0
  #pumpScheduled = false
  #stopping = false
  #nextDueAt: number | null = 0
  #wake: (() => void) | null = null

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.owner = options.owner
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Deliveries leased to this node. */
  get inMemory(): number {
    return this.#held.size
  }

  // ---- from accepting -------------------------------------------------------------------------------------------

  reserve(endpoint: Endpoint, bytes: number): boolean {
    if (this.#stopping || (endpoint.pausedUntil ?? 0) > this.#options.clock.now()) return false
    if (this.#held.size + this.#reserved >= LIMITS.deliveriesInMemory) return false
    if (this.#bytes + bytes > LIMITS.payloadBytesInMemory) return false
    const lane = this.#laneOf(endpoint.appId, endpoint.id)
    // While older ones wait in the store, new ones leave half of the room to them.
    const capacity = laneCapacity(endpoint.rateLimit)
    if (lane.size >= (this.#skipped.has(endpoint.id) ? capacity / 2 : capacity)) return false
    lane.reserved++
    this.#reserved++
    this.#bytes += bytes
    return true
  }

  start(delivery: LeasedDelivery): void {
    const lane = this.#laneOf(delivery.appId, delivery.endpointId)
    lane.reserved--
    this.#reserved--
    this.#hold(lane, delivery)
  }

  unreserve(endpoint: Endpoint, bytes: number): void {
    const lane = this.#laneOf(endpoint.appId, endpoint.id)
    lane.reserved--
    this.#reserved--
    this.#bytes -= bytes
    this.#dropIfEmpty(lane)
  }

  noteDue(at: number): void {
    if (this.#nextDueAt !== null && this.#nextDueAt <= at) return
    this.#nextDueAt = at
    this.#wake?.()
  }

  // ---- lanes taking turns ---------------------------------------------------------------------------------------

  #laneOf(appId: AppId, endpointId: EndpointId): Lane {
    let lane = this.#lanes.get(endpointId)
    if (lane === undefined) this.#lanes.set(endpointId, (lane = new Lane(appId, endpointId)))
    return lane
  }

  #dropIfEmpty(lane: Lane): void {
    if (lane.size > 0 || lane.isQueued || lane.isAsleep) return
    // A lane that comes and goes must not forget when its next attempt may start.
    const waitMs = lane.pacer.aheadMs(this.#options.clock.now())
    if (waitMs > 0) this.#sleep(lane, waitMs)
    else this.#lanes.delete(lane.endpointId)
  }

  #hold(lane: Lane, delivery: LeasedDelivery): void {
    this.#held.set(keyText(delivery), delivery)
    lane.push(delivery)
    this.#queue(lane)
  }

  #standInLine(lane: Lane): void {
    if (lane.isQueued || lane.isAsleep || lane.waiting === 0) return
    lane.isQueued = true
    const line = lane.firsts.length > 0 ? this.#firstLine : this.#retryLine
    line.push(lane)
  }

  #queue(lane: Lane): void {
    this.#standInLine(lane)
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    let looks = LANES_LOOKED_AT
    while (!this.#stopping && this.#inFlight < this.#options.concurrency && looks > 0) {
      // Every eighth start is the retries' even while first attempts wait.
      const line = this.#starts % 8 === 7 && this.#retryLine.length > 0 ? this.#retryLine : this.#firstLine
      const lane = line.shift() ?? this.#retryLine.shift()
      if (lane === undefined) return
      lane.isQueued = false
      if (this.#startNext(lane)) {
        this.#starts++
        this.#standInLine(lane)
      } else looks--
    }
  }

  /** Starts one attempt of the lane if it may; otherwise sees to it that the lane comes back. */
  #startNext(lane: Lane): boolean {
    const { clock, cache, concurrency, endpointConcurrency } = this.#options
    if (lane.inFlight >= endpointConcurrency) return false
    const settings = lane.settings(cache)
    if (settings === undefined) {
      this.#sleepUntilLoaded(lane)
      return false
    }
    const now = clock.now()
    if ((settings.pausedUntil ?? 0) > now) {
      lane.isAsleep = true
      void this.#giveBackIfPaused(lane).finally(() => this.#awake(lane))
      return false
    }
    const rate = this.#rateOf(lane, settings, now)
    const waitMs = lane.pacer.waitMs(rate, now)
    if (waitMs > 0) {
      this.#sleep(lane, waitMs)
      return false
    }
    const hasFirsts = lane.firsts.length > 0
    const limit = startLimit(
      { isSuspect: lane.isSuspect, inFlight: lane.inFlight, hasFirsts },
      { concurrency, lanes: this.#lanes.size },
    )
    if (this.#inFlight >= limit) {
      // The next attempt that ends looks again.
      this.#standInLine(lane)
      return false
    }
    const delivery = lane.shift()
    if (delivery === undefined) return false
    lane.pacer.take(rate, now)
    void this.#attempt(lane, delivery)
    return true
  }

  /** The endpoint's own limit, or less while it recovers from having complained. */
  #rateOf(lane: Lane, settings: Endpoint, now: number): number | null {
    const pace = this.#paces.get(lane.endpointId)
    if (pace === undefined) return settings.rateLimit
    const rate = paceAt(pace, now)
    if (rate === null) this.#paces.delete(lane.endpointId)
    return rate === null ? settings.rateLimit : Math.min(rate, settings.rateLimit ?? Infinity)
  }

  #sleep(lane: Lane, ms: number): void {
    lane.isAsleep = true
    this.#options.clock.after(Math.ceil(ms), () => this.#awake(lane))
  }

  /** An unknown endpoint is deleted: its deliveries go on at once, to be cancelled. */
  #sleepUntilLoaded(lane: Lane): void {
    lane.isAsleep = true
    const loading = Promise.resolve(this.#options.cache.get(lane.appId, lane.endpointId))
    loading.then(
      (endpoint) => {
        if (endpoint === null) for (const delivery of lane.drain()) void this.#attempt(lane, delivery)
        this.#awake(lane)
      },
      (error: unknown) => {
        this.#options.onTrouble('read an endpoint', error)
        this.#sleep(lane, 1_000)
      },
    )
  }

  #awake(lane: Lane): void {
    lane.isAsleep = false
    this.#queue(lane)
    this.#dropIfEmpty(lane)
  }

  async #attempt(lane: Lane, delivery: LeasedDelivery): Promise<void> {
    lane.inFlight++
    this.#inFlight++
    let holdsSlot = true
    const freeSlot = () => {
      if (!holdsSlot) return
      holdsSlot = false
      lane.inFlight--
      this.#inFlight--
      this.#queue(lane)
    }
    lane.unrecorded++
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
    this.#letGo(delivery)
    if (recorded !== null) {
      lane.isSuspect = recorded.gotNoAnswer
      if (recorded.dueAgainAt !== null) this.noteDue(recorded.dueAgainAt)
      if (recorded.pausedUntil !== null) this.#slowDown(lane.endpointId, recorded.pausedUntil)
      if (recorded.endpointChanged) await this.#giveBackIfPaused(lane)
    }
    freeSlot()
    this.#dropIfEmpty(lane)
    this.#claimIfRoom(lane)
  }

  #slowDown(endpointId: EndpointId, until: number): void {
    this.#paces.set(endpointId, slowDown(this.#paces.get(endpointId), this.#options.clock.now(), until))
  }

  /** Asks for more once half of what a full lane held is done: few claims with much in them. */
  #claimIfRoom(lane: Lane): void {
    if (!this.#skipped.has(lane.endpointId) || lane.size > this.#claimCapacity(lane) / 2) return
    this.#skipped.delete(lane.endpointId)
    this.noteDue(this.#options.clock.now())
  }

  #letGo(delivery: LeasedDelivery): void {
    if (this.#held.delete(keyText(delivery))) this.#bytes -= delivery.payload.byteLength
  }

  /** What waits for a paused endpoint goes back to the store, which keeps it until the pause is over. */
  async #giveBackIfPaused(lane: Lane): Promise<void> {
    try {
      const endpoint = await this.#options.cache.get(lane.appId, lane.endpointId)
      if (endpoint !== null && (endpoint.pausedUntil ?? 0) > this.#options.clock.now())
        await this.#giveBack(lane.drain(), endpoint.pausedUntil!)
    } catch (error) {
      this.#options.onTrouble('put deliveries back', error)
    }
  }

  async #giveBack(deliveries: readonly LeasedDelivery[], dueAt: number): Promise<void> {
    if (deliveries.length === 0) return
    for (const delivery of deliveries) this.#letGo(delivery)
    await this.#options.queue.release(deliveries.map(keyAndTries), this.owner, dueAt)
    this.noteDue(dueAt)
  }

  // ---- what is due in the store ---------------------------------------------------------------------------------

  /** Claims what is due, as soon as it is due and there is room. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const wakeUp = () => this.#wake?.()
    signal.addEventListener('abort', wakeUp)
    while (!signal.aborted) {
      const now = clock.now()
      const room = this.#roomForClaim()
      const isDue = this.#nextDueAt !== null && this.#nextDueAt <= now
      if (isDue && room > 0) {
        const claimed = await this.#claim(now, room)
        const isStillDue = this.#nextDueAt !== null && this.#nextDueAt <= now
        if (claimed === 0 && isStillDue) await pause(clock, EMPTY_CLAIM_PAUSE_MS, signal)
        continue
      }
      // The poll is the truth; the due time and the wake-ups only make it earlier.
      const untilDue = this.#nextDueAt === null || isDue ? LIMITS.claimPollMs : this.#nextDueAt - now
      await this.#sleepUntilWoken(Math.min(untilDue, LIMITS.claimPollMs))
      if (clock.now() - now >= LIMITS.claimPollMs) this.#nextDueAt = clock.now()
    }
    signal.removeEventListener('abort', wakeUp)
  }

  async #sleepUntilWoken(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(ms, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
    this.#wake = null
  }

  /** What a claim may fill a lane up to. */
  #claimCapacity(lane: Lane): number {
    const { cache, endpointConcurrency } = this.#options
    return Math.min(laneCapacity(lane.settings(cache)?.rateLimit ?? null), 4 * endpointConcurrency)
  }

  /** No more than twice what can be in flight: what is leased should start before its lease ends. */
  #roomForClaim(): number {
    if (this.#stopping || this.#bytes >= LIMITS.payloadBytesInMemory) return 0
    return Math.min(LIMITS.claimMax, 2 * this.#options.concurrency - this.#held.size - this.#reserved)
  }

  async #claim(now: number, max: number): Promise<number> {
    const { queue, endpointConcurrency } = this.#options
    this.#skipped.clear()
    for (const lane of this.#lanes.values())
      if (lane.size >= this.#claimCapacity(lane)) this.#skipped.add(lane.endpointId)
    // Until the answer is here, anything noted as due is news.
    this.#nextDueAt = null
    const { deliveries, nextDueAt } = await queue.claim({
      lease: { owner: this.owner, until: now + LIMITS.leaseMs },
      now,
      max,
      perEndpointMax: Math.min(LIMITS.claimPerLaneMax, endpointConcurrency),
      payloadBytesMax: Math.min(LIMITS.claimBytesMax, LIMITS.payloadBytesInMemory - this.#bytes),
      skip: [...this.#skipped],
    })
    if (nextDueAt !== null) this.noteDue(nextDueAt)
    for (const delivery of deliveries) {
      // Its lease had ended while it was still being attempted here: that attempt settles it, or its lease ends again.
      if (this.#held.has(keyText(delivery))) continue
      this.#bytes += delivery.payload.byteLength
      this.#hold(this.#laneOf(delivery.appId, delivery.endpointId), delivery)
    }
    return deliveries.length
  }

  // ---- leases ---------------------------------------------------------------------------------------------------

  /** Prolongs the leases that are about to end. What was lost and has not started is dropped: it is another node's. */
  async renewLeases(): Promise<void> {
    const now = this.#options.clock.now()
    for (const [endpointId, pace] of this.#paces) if (paceAt(pace, now) === null) this.#paces.delete(endpointId)
    const ending = [...this.#held.values()].filter((one) => one.leaseUntil - now < LIMITS.leaseRenewBeforeMs)
    const until = now + LIMITS.leaseMs
    for (let i = 0; i < ending.length; i += LIMITS.claimMax) {
      const some = ending.slice(i, i + LIMITS.claimMax)
      const lost = await this.#options.queue.renew(some.map(keyAndTries), { owner: this.owner, until })
      for (const one of some) one.leaseUntil = until
      this.#drop(lost)
    }
  }

  #drop(lost: readonly DeliveryKey[]): void {
    const keys = new Set(lost.map(keyText))
    for (const endpointId of new Set(lost.map((key) => key.endpointId))) {
      const lane = this.#lanes.get(endpointId)
      for (const delivery of lane?.drain() ?? [])
        if (keys.has(keyText(delivery))) this.#letGo(delivery)
        else lane?.push(delivery)
    }
  }

  // ---- the end --------------------------------------------------------------------------------------------------

  /** Starts nothing any more, puts back what waits, and lets what is in flight finish, until `deadline` (ms, `performance.now`). */
  async drain(deadline: number): Promise<void> {
    this.#stopping = true
    this.#wake?.()
    try {
      for (const lane of this.#lanes.values()) await this.#giveBack(lane.drain(), this.#options.clock.now())
    } catch (error) {
      this.#options.onTrouble('put deliveries back', error)
    }
    while (this.#held.size > 0 && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, SHUTDOWN_POLL_MS))
  }
}

const keyText = (key: DeliveryKey): string => `${key.msgId}/${key.endpointId}/${key.run}`

const keyAndTries = ({ appId, msgId, endpointId, run, tries }: LeasedDelivery): DeliveryKey & { tries: number } => ({
  appId,
  msgId,
  endpointId,
  run,
  tries,
})
