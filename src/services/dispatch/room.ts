/**
 * How much a node may hold, and each endpoint and application of that. Pure: `lanes.ts` has the counts.
 *
 * What comes straight from accepting and what is claimed have room of their own, so that neither keeps the other out. Of
 * the room that is left, one endpoint may take half, and the last quarter of all room is for endpoints that hold nothing
 * yet: however many hang with all that they may hold, the next one finds a place.
 *
 * The same between applications, on a node that has more than one: with however many endpoints, one application may claim
 * half of the room that is left, and the last eighth of the room for what is accepted is for those that hold little.
 */
import type { DispatchLimits } from './limits.ts'

/** So that a small node does not claim one delivery at a time. */
const CLAIMED_MIN = 32

/** An application holds little while it holds less than this part of all that may be held. */
const LITTLE = 1 / 64
/** Of the room for what is accepted, for applications that hold little. */
const KEPT = 1 / 8

/** What an endpoint or application that holds something may hold altogether while `left` of `all` is left. */
const partOf = (left: number, all: number): number => Math.max(0, Math.floor((left - all / 4) / 2))

/** No more than twice what can be in flight is claimed: what is leased should start before its lease ends. */
export const claimedMax = (concurrency: number): number => Math.max(CLAIMED_MIN, 2 * concurrency)

/** What one node, or a part of it, holds: deliveries, those that room is reserved for included, and their payload bytes. */
export interface Holding {
  readonly size: number
  readonly bytes: number
}

/** The same of the node, what of it was claimed, and the bounds. */
export interface NodeHolding extends Holding {
  readonly claimed: number
  readonly limits: DispatchLimits
}

/** What asks for room; undefined where nothing of its endpoint or application is here. */
export interface Asking {
  bytes: number
  lane: Holding | undefined
  application: Holding | undefined
  /** What its lane may hold for another delivery to be accepted. */
  laneMax: number
  /** Other applications may need room. */
  isShared: boolean
}

/** Whether a delivery of `bytes` may be accepted into memory. */
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
  /** Of what was claimed. */
  applicationDeliveries: number
}

/**
 * What a claim may take: in all, of one endpoint and of one application, which is also what those may hold to take part.
 * `max` is what may be claimed altogether; `isShared` says whether there is more than one application.
 */
export function claimRoom(node: NodeHolding, { max, isShared }: { max: number; isShared: boolean }): ClaimRoom {
  const room = max - node.claimed
  const little = Math.max(1, Math.floor(max * LITTLE))
  const ofLane = laneBytes(node)
  return {
    applicationDeliveries: isShared ? Math.max(little, partOf(room, max)) : max,
    // Half of it at most: one claim must not give all of the room to those that come first.
    deliveries: bytesLeft(node) > 0 ? Math.min(node.limits.claimMax, Math.ceil(room / 2)) : 0,
    bytes: Math.min(node.limits.claimBytesMax, Math.ceil(bytesLeft(node) / 2)),
    laneDeliveries: ofLane > 0 ? Math.max(1, partOf(room, max)) : 1,
    laneBytes: Math.max(1, ofLane),
  }
}

const bytesLeft = ({ bytes, limits }: NodeHolding): number => limits.payloadBytesInMemory - bytes

const laneBytes = (node: NodeHolding): number => partOf(bytesLeft(node), node.limits.payloadBytesInMemory)
