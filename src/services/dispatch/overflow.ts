/**
 * Knows which deliveries wait in the store because this node had no room. It says which endpoints and applications a
 * claim passes over, since they hold as much as they may, and when it is worth while to claim more of their deliveries.
 */
import type { EndpointCache } from '../../cache/endpoint-cache.ts'
import type { AppId, EndpointId } from '../../domain/ids.ts'
import type { ClaimRequest } from '../../store/port/queue.ts'
import { type Lane, laneCapacity } from './lane.ts'
import type { Lanes } from './lanes.ts'
import type { ClaimRoom } from './room.ts'

export class Overflow {
  readonly #lanes: Lanes
  readonly #cache: EndpointCache
  readonly #endpointConcurrency: number
  readonly #skipped = new Set<EndpointId>()
  readonly #skippedApplications = new Set<AppId>()

  constructor(lanes: Lanes, { cache, endpointConcurrency }: { cache: EndpointCache; endpointConcurrency: number }) {
    this.#lanes = lanes
    this.#cache = cache
    this.#endpointConcurrency = endpointConcurrency
  }

  claimRoom(): ClaimRoom {
    return this.#lanes.claimRoom()
  }

  /**
   * The number of deliveries that a lane may hold for another one to be accepted: while older ones wait in the store,
   * half of the room is theirs.
   */
  laneMax(endpointId: EndpointId, rateLimit: number | null): number {
    return this.#skipped.has(endpointId) ? this.#claimCapacity(rateLimit) / 2 : this.#laneCapacity(rateLimit)
  }

  /** The limits of the next claim, and the endpoints and applications that it passes over. */
  choose(): Omit<ClaimRequest, 'lease' | 'now'> {
    const room = this.claimRoom()
    this.#skipped.clear()
    for (const lane of this.#lanes.all())
      if (lane.size >= this.#claimCapacity(this.#rateLimitOf(lane), room) || lane.bytes >= room.laneBytes)
        this.#skipped.add(lane.endpointId)
    this.#skippedApplications.clear()
    for (const { appId, claimed } of this.#lanes.applications())
      if (claimed >= room.applicationDeliveries) this.#skippedApplications.add(appId)
    return {
      max: room.deliveries,
      perEndpointMax: Math.min(this.#lanes.limits.claimPerLaneMax, 2 * this.#endpointConcurrency, room.laneDeliveries),
      perApplicationMax: room.applicationDeliveries,
      payloadBytesMax: room.bytes,
      skip: [...this.#skipped],
      skipApplications: [...this.#skippedApplications],
    }
  }

  /**
   * True, once, when half of the deliveries of a full lane or application are done: few claims with much in them cost
   * least.
   */
  hasRoomAgain(lane: Lane): boolean {
    const { endpointId, application } = lane
    const hasLane = this.#skipped.has(endpointId) && lane.size <= this.#claimCapacity(this.#rateLimitOf(lane)) / 2
    const hasApplication =
      this.#skippedApplications.has(application.appId) &&
      application.claimed <= this.claimRoom().applicationDeliveries / 2
    if (hasLane) this.#skipped.delete(endpointId)
    if (hasApplication) this.#skippedApplications.delete(application.appId)
    return hasLane || hasApplication
  }

  /** The number of deliveries up to which a claim may fill a lane. */
  #claimCapacity(rateLimit: number | null, { laneDeliveries } = this.claimRoom()): number {
    return Math.min(this.#laneCapacity(rateLimit), 4 * this.#endpointConcurrency, laneDeliveries)
  }

  #laneCapacity(rateLimit: number | null): number {
    return laneCapacity(rateLimit, this.#lanes.limits.deliveriesInMemoryPerEndpoint)
  }

  #rateLimitOf(lane: Lane): number | null {
    return lane.settings(this.#cache)?.rateLimit ?? null
  }
}
