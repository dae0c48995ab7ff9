/**
 * Decides how much a node may hold, and how much of that one endpoint or one application may. Pure: `lanes.ts` has the
 * counts.
 *
 * Accepted deliveries and claimed deliveries have room of their own, so that neither keeps the other out. One endpoint
 * may take half of the room that is left. The last quarter of all room is for endpoints that hold nothing yet: even
 * when many endpoints hang and hold as much as they may, the next one finds room.
 *
 * The same rule holds between applications, on a node that has more than one. One application, with any number of
 * endpoints, may claim half of the room that is left. The last eighth of the room for accepted deliveries is for
 * applications that hold little.
 */
import type { DispatchLimits } from './limits.ts'

/** Lower bound, so that a small node does not claim one delivery at a time. */
const CLAIMED_MIN = 32

/** An application holds little while it holds less than this part of all that may be held. */
const LITTLE = 1 / 64
/** Part of the room for accepted deliveries that is kept for applications that hold little. */
const KEPT = 1 / 8

/** The most that an endpoint or application that holds something may hold while `left` of `all` is left. */
const partOf = (left: number, all: number): number => Math.max(0, Math.floor((left - all / 4) / 2))

/**
 * The most that may be claimed: twice the attempts that can be in flight. A leased delivery should start before its
 * lease ends.
 */
export const claimedMax = (concurrency: number): number => Math.max(CLAIMED_MIN, 2 * concurrency)

/** The deliveries that one node, or a part of it, holds or has reserved room for, and their payload bytes. */
export interface Holding {
  readonly size: number
  readonly bytes: number
}

/** The load of the whole node, the claimed deliveries among it, and the bounds. */
export interface NodeHolding extends Holding {
  readonly claimed: number
  readonly limits: DispatchLimits
}

/** The loads that matter for a request for room; undefined where nothing of the endpoint or application is here. */
export interface Asking {
  bytes: number
  lane: Holding | undefined
  application: Holding | undefined
  /** The number of deliveries that the lane may hold for another one to be accepted. */
  laneMax: number
  /** True when other applications may need room. */
  isShared: boolean
}

/** True when a delivery of `bytes` may be accepted into memory. */
export function hasRoom(node: NodeHolding, { bytes, lane, application, laneMax, isShared }: Asking): boolean {
  const { deliveriesInMemory, payloadBytesInMemory } = node.limits
  const room = deliveriesInMemory - node.size
  if (room < 1 || bytes > bytesLeft(node)) return false
  if (application === undefined || application.size === 0) return true
  const holdsLittle =
    application.size < deliveriesInMemory * LITTLE && application.bytes + bytes <= payloadBytesInMemory * LITTLE
  if (holdsLittle) return lane === undefined || lane.size < laneMax
  const isKept = room <= deliveriesInMemory * KEPT || bytesLeft(node) - bytes < payloadBytesInMemory * KEPT
  if (isShared && isKept) return false
  if (lane === undefined || lane.size === 0) return true
  return lane.size < Math.min(laneMax, partOf(room, deliveriesInMemory)) && lane.bytes + bytes <= laneBytes(node)
}

export interface ClaimRoom {
  deliveries: number
  bytes: number
  laneDeliveries: number
  laneBytes: number
  /** Claimed deliveries of one application. */
  applicationDeliveries: number
}

/**
 * Limits for the next claim: in all, of one endpoint and of one application. An endpoint or application that holds its
 * limit already takes no part. `max` is the most that may be claimed altogether; `isShared` says that there is more
 * than one application.
 */
export function claimRoom(node: NodeHolding, { max, isShared }: { max: number; isShared: boolean }): ClaimRoom {
  const room = max - node.claimed
  const little = Math.max(1, Math.floor(max * LITTLE))
  const ofLane = laneBytes(node)
  return {
    applicationDeliveries: isShared ? Math.max(little, partOf(room, max)) : max,
    // Half of the room at most: one claim must not give all of it to those that come first.
    deliveries: bytesLeft(node) > 0 ? Math.min(node.limits.claimMax, Math.ceil(room / 2)) : 0,
    bytes: Math.min(node.limits.claimBytesMax, Math.ceil(bytesLeft(node) / 2)),
    laneDeliveries: ofLane > 0 ? Math.max(1, partOf(room, max)) : 1,
    laneBytes: Math.max(1, ofLane),
  }
}

const bytesLeft = ({ bytes, limits }: NodeHolding): number => limits.payloadBytesInMemory - bytes

const laneBytes = (node: NodeHolding): number => partOf(bytesLeft(node), node.limits.payloadBytesInMemory)
