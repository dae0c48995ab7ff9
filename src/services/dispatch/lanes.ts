/**
 * Holds every delivery that is leased to this node, in the lane of its endpoint. This file alone changes the counts of
 * lanes and applications. Never hold a delivery without a lease that is being renewed (`leases.ts`).
 */
import type { DeliveryKey } from '../../domain/delivery.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { AppId, EndpointId } from '../../domain/ids.ts'
import type { LeasedDelivery } from '../../store/port/queue.ts'
import { ApplicationLoads } from './application-load.ts'
import { type ApplicationLoad, Lane } from './lane.ts'
import type { DispatchLimits } from './limits.ts'
import { claimedMax, claimRoom, type ClaimRoom, hasRoom, type NodeHolding } from './room.ts'

export type LeasedKey = DeliveryKey & { tries: number }

export const keyText = (key: DeliveryKey): string => `${key.msgId}/${key.endpointId}/${key.run}`

export const keyAndTries = ({ appId, msgId, endpointId, run, tries }: LeasedKey): LeasedKey => ({
  appId,
  msgId,
  endpointId,
  run,
  tries,
})

export class Lanes implements NodeHolding {
  readonly limits: DispatchLimits
  readonly #lanes = new Map<EndpointId, Lane>()
  readonly #applications = new ApplicationLoads()
  readonly #claimedMax: number
  readonly #held = new Map<string, LeasedDelivery>()
  readonly #claimed = new Set<string>()
  /** Deliveries that were claimed again before the last attempt let go of them: at most one for each that is held. */
  readonly #next = new Map<string, LeasedDelivery>()
  #reserved = 0
  #bytes = 0
  #onEmpty: (() => void) | null = null

  /** `concurrency`: number of attempts that the node may have in flight. */
  constructor(concurrency: number, limits: DispatchLimits) {
    this.limits = limits
    this.#claimedMax = claimedMax(concurrency)
  }

  /** Number of endpoints with deliveries at this node, or remembered for a moment. */
  get count(): number {
    return this.#lanes.size
  }

  /** Number of applications that these endpoints belong to. */
  get applicationCount(): number {
    return this.#applications.size
  }

  /** True once more than one application has been here. */
  get isShared(): boolean {
    return this.#applications.isShared
  }

  /** Number of deliveries that are held. */
  get heldCount(): number {
    return this.#held.size
  }

  /** Number of deliveries that are held or that room is reserved for. */
  get size(): number {
    return this.#held.size + this.#reserved
  }

  /** Payload bytes of the deliveries that `size` counts. */
  get bytes(): number {
    return this.#bytes
  }

  /** Number of held deliveries that were claimed. */
  get claimed(): number {
    return this.#claimed.size
  }

  all(): Iterable<Lane> {
    return this.#lanes.values()
  }

  applications(): Iterable<ApplicationLoad> {
    return this.#applications.all()
  }

  held(): LeasedDelivery[] {
    return [...this.#held.values()]
  }

  get(key: DeliveryKey): LeasedDelivery | undefined {
    return this.#held.get(keyText(key))
  }

  claimRoom(): ClaimRoom {
    return claimRoom(this, { max: this.#claimedMax, isShared: this.isShared })
  }

  /** Reserves room for a delivery of `bytes` that is about to be committed; false when there is none. */
  reserve(endpoint: Candidate, bytes: number, laneMax: number): boolean {
    const known = this.#lanes.get(endpoint.id)
    const application = known?.application ?? this.#applications.find(endpoint.appId)
    if (!hasRoom(this, { bytes, lane: known, application, laneMax, isShared: this.isShared })) return false
    const lane = known ?? this.#laneOf(endpoint.appId, endpoint.id)
    this.#reserved++
    lane.reserved++
    lane.application.size++
    this.#count(lane, bytes)
    return true
  }

  /** Gives back the room of a delivery that was not stored. Returns the lane, which may be empty now. */
  unreserve(endpoint: Candidate, bytes: number): Lane {
    const lane = this.#laneOf(endpoint.appId, endpoint.id)
    this.#reserved--
    lane.reserved--
    lane.application.size--
    this.#count(lane, -bytes)
    return lane
  }

  /** Keeps a delivery for which room was reserved. Returns the lane in which the delivery waits. */
  keepReserved(delivery: LeasedDelivery): Lane {
    const lane = this.#laneOf(delivery.appId, delivery.endpointId)
    this.#reserved--
    lane.reserved--
    this.#held.set(keyText(delivery), delivery)
    lane.push(delivery)
    return lane
  }

  /** Keeps a delivery that was claimed. Returns the lane in which the delivery waits. */
  keepClaimed(delivery: LeasedDelivery): Lane {
    const lane = this.#laneOf(delivery.appId, delivery.endpointId)
    const key = keyText(delivery)
    this.#held.set(key, delivery)
    this.#claimed.add(key)
    lane.application.claimed++
    lane.application.size++
    this.#count(lane, delivery.payload.byteLength)
    lane.push(delivery)
    return lane
  }

  /** Keeps the next lease of a delivery that is held; they share the payload. */
  keepNext({ payload }: LeasedDelivery, next: LeasedDelivery): void {
    this.#next.set(keyText(next), { ...next, payload })
  }

  /** Counts an attempt of the lane that starts. */
  starts(lane: Lane): void {
    lane.inFlight++
    lane.unrecorded++
  }

  /** Counts an answer of the destination; the attempt is not on record yet. */
  answered(lane: Lane): void {
    lane.inFlight--
  }

  /** Counts an attempt that is on record. Returns as `letGo` does. */
  recorded(lane: Lane, delivery: LeasedDelivery): LeasedDelivery | undefined {
    lane.unrecorded--
    return this.letGo(lane, delivery)
  }

  /** Lets go of a lease. Returns the delivery's next lease, if one came meanwhile; that one waits in the lane now. */
  letGo(lane: Lane, delivery: LeasedDelivery): LeasedDelivery | undefined {
    const key = keyText(delivery)
    let next: LeasedDelivery | undefined
    if (this.#held.delete(key)) {
      lane.application.size--
      if (this.#claimed.delete(key)) lane.application.claimed--
      this.#count(lane, -delivery.payload.byteLength)
      next = this.#next.get(key)
      if (next !== undefined) {
        this.#next.delete(key)
        this.keepClaimed(next)
      }
    }
    if (this.#held.size === 0) this.#onEmpty?.()
    return next
  }

  /** Forgets a lane that holds nothing. */
  remove(lane: Lane): void {
    if (this.#lanes.delete(lane.endpointId)) this.#applications.leave(lane.application)
  }

  /** `empty` is called each time that the last delivery was let go of. */
  whenEmpty(empty: () => void): void {
    this.#onEmpty = empty
  }

  #laneOf(appId: AppId, endpointId: EndpointId): Lane {
    let lane = this.#lanes.get(endpointId)
    if (lane === undefined) this.#lanes.set(endpointId, (lane = new Lane(this.#applications.enter(appId), endpointId)))
    return lane
  }

  #count(lane: Lane, bytes: number): void {
    lane.bytes += bytes
    lane.application.bytes += bytes
    this.#bytes += bytes
  }
}
