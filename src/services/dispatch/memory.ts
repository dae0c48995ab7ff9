/**
 * What this node holds in memory, leased to it, and how much more it may take.
 *
 * What comes straight from accepting and what is claimed have room of their own, so that neither keeps the other out. Of
 * the room that is left, one endpoint may take half, and the last quarter of all room is for endpoints that hold nothing
 * yet: however many hang with all that they may hold, the next one finds a place.
 *
 * The same between applications, on a node that has more than one: with however many endpoints, one application may claim
 * half of the room that is left, and the last eighth of the room for what is accepted is for those that hold little.
 */
import type { DeliveryKey } from '../../domain/delivery.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { LeasedDelivery } from '../../store/store.ts'
import type { ApplicationLoad, Lane } from './lane.ts'

/** So that a small node does not claim one delivery at a time. */
const CLAIMED_MIN = 32

/** An application holds little while it holds less than this part of all that may be held. */
const LITTLE = 1 / 64
/** Of the room for what is accepted, for applications that hold little. */
const KEPT = 1 / 8

/** What an endpoint or application that holds something may hold altogether while `left` of `all` is left. */
const partOf = (left: number, all: number): number => Math.max(0, Math.floor((left - all / 4) / 2))

export const keyText = (key: DeliveryKey): string => `${key.msgId}/${key.endpointId}/${key.run}`

export const keyAndTries = ({
  appId,
  msgId,
  endpointId,
  run,
  tries,
}: DeliveryKey & { tries: number }): DeliveryKey & { tries: number } => ({
  appId,
  msgId,
  endpointId,
  run,
  tries,
})

export interface ClaimRoom {
  deliveries: number
  bytes: number
  laneDeliveries: number
  laneBytes: number
  /** Of what was claimed. */
  applicationDeliveries: number
}

export class Memory {
  /** No more than twice what can be in flight is claimed: what is leased should start before its lease ends. */
  readonly #claimedMax: number
  readonly #held = new Map<string, LeasedDelivery>()
  readonly #claimed = new Set<string>()
  /** Claimed while the attempt before was not let go of yet: at most one for each that is held. */
  readonly #next = new Map<string, LeasedDelivery>()
  #reserved = 0
  #bytes = 0

  constructor(concurrency: number) {
    this.#claimedMax = Math.max(CLAIMED_MIN, 2 * concurrency)
  }

  /** Deliveries held. */
  get size(): number {
    return this.#held.size
  }

  get(key: DeliveryKey): LeasedDelivery | undefined {
    return this.#held.get(keyText(key))
  }

  deliveries(): LeasedDelivery[] {
    return [...this.#held.values()]
  }

  /**
   * Whether a delivery of this size may be accepted into memory; `lane` and `application` are undefined when nothing of its
   * endpoint or application is here. `isShared` says whether other applications may need room.
   */
  hasRoom(
    bytes: number,
    { lane, application }: { lane: Lane | undefined; application: ApplicationLoad | undefined },
    { laneMax, isShared }: { laneMax: number; isShared: boolean },
  ): boolean {
    const room = LIMITS.deliveriesInMemory - this.#held.size - this.#reserved
    if (room < 1 || bytes > this.#bytesLeft) return false
    if (application === undefined || application.size === 0) return true
    const holdsLittle =
      application.size < LIMITS.deliveriesInMemory * LITTLE &&
      application.bytes + bytes <= LIMITS.payloadBytesInMemory * LITTLE
    if (holdsLittle) return lane === undefined || lane.size < laneMax
    const isKept =
      room <= LIMITS.deliveriesInMemory * KEPT || this.#bytesLeft - bytes < LIMITS.payloadBytesInMemory * KEPT
    if (isShared && isKept) return false
    if (lane === undefined || lane.size === 0) return true
    return (
      lane.size < Math.min(laneMax, partOf(room, LIMITS.deliveriesInMemory)) && lane.bytes + bytes <= this.#laneBytes
    )
  }

  reserve(lane: Lane, bytes: number): void {
    lane.reserved++
    lane.application.size++
    this.#reserved++
    this.#count(lane, bytes)
  }

  unreserve(lane: Lane, bytes: number): void {
    lane.reserved--
    lane.application.size--
    this.#reserved--
    this.#count(lane, -bytes)
  }

  /** Keeps a delivery for which room was reserved. */
  keepReserved(lane: Lane, delivery: LeasedDelivery): void {
    lane.reserved--
    this.#reserved--
    this.#held.set(keyText(delivery), delivery)
  }

  keepClaimed(lane: Lane, delivery: LeasedDelivery): void {
    this.#held.set(keyText(delivery), delivery)
    this.#claimed.add(keyText(delivery))
    lane.application.claimed++
    lane.application.size++
    this.#count(lane, delivery.payload.byteLength)
  }

  /** Keeps the next lease of a delivery that is held; they share the payload. */
  keepNext({ payload }: LeasedDelivery, next: LeasedDelivery): void {
    this.#next.set(keyText(next), { ...next, payload })
  }

  /** Returns what was kept as its next lease. */
  letGo(lane: Lane, delivery: LeasedDelivery): LeasedDelivery | undefined {
    const key = keyText(delivery)
    if (!this.#held.delete(key)) return undefined
    lane.application.size--
    if (this.#claimed.delete(key)) lane.application.claimed--
    this.#count(lane, -delivery.payload.byteLength)
    const next = this.#next.get(key)
    if (next !== undefined) this.#next.delete(key)
    return next
  }

  /**
   * What a claim may take: in all, of one endpoint and of one application, which is also what those may hold to take part.
   * `isShared` says whether there is more than one application.
   */
  claimRoom(isShared: boolean): ClaimRoom {
    const room = this.#claimedMax - this.#claimed.size
    const little = Math.max(1, Math.floor(this.#claimedMax * LITTLE))
    return {
      applicationDeliveries: isShared ? Math.max(little, partOf(room, this.#claimedMax)) : this.#claimedMax,
      // Half of it at most: one claim must not give all of the room to those that come first.
      deliveries: this.#bytesLeft > 0 ? Math.min(LIMITS.claimMax, Math.ceil(room / 2)) : 0,
      bytes: Math.min(LIMITS.claimBytesMax, Math.ceil(this.#bytesLeft / 2)),
      laneDeliveries: this.#laneBytes > 0 ? Math.max(1, partOf(room, this.#claimedMax)) : 1,
      laneBytes: Math.max(1, this.#laneBytes),
    }
  }

  get #bytesLeft(): number {
    return LIMITS.payloadBytesInMemory - this.#bytes
  }

  get #laneBytes(): number {
    return partOf(this.#bytesLeft, LIMITS.payloadBytesInMemory)
  }

  #count(lane: Lane, bytes: number): void {
    lane.bytes += bytes
    lane.application.bytes += bytes
    this.#bytes += bytes
  }
}
