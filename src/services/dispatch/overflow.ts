/**
 * What waits in the store because this node had no room for it: whom a claim passes over, since they hold as much as they
 * may, and when it is worth while to ask for more of them.
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

  /** What a lane may hold for another delivery to be accepted: while older ones wait in the store, half of the room is theirs. */
  laneMax(endpointId: EndpointId, rateLimit: number | null): number {
    return this.#skipped.has(endpointId) ? this.#claimCapacity(rateLimit) / 2 : this.#laneCapacity(rateLimit)
  }

  /** What the next claim may take, and whom it passes over. */
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

  /** Whether half of what a full lane or application held is done: few claims with much in them cost the least. True once. */
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

  /** What a claim may fill a lane up to. */
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
