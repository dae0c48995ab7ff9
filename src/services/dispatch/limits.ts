/** Bounds of the dispatcher of one node, with their units. A test may give a dispatcher others. */
export const DISPATCH_LIMITS = {
  /** Deliveries held in memory, waiting and in flight; more stay due in the store. */
  deliveriesInMemory: 8_192,
  /** Deliveries held of one endpoint, so that a dead one cannot fill the node's memory. */
  deliveriesInMemoryPerEndpoint: 1_024,
  /** Payload bytes held in memory for deliveries. */
  payloadBytesInMemory: 128 * 1_048_576,
  /** Leases are renewed once less than this is left of them. */
  leaseRenewBeforeMs: 30_000,
  /** Deliveries that one claim takes from the store, and from one lane of it. */
  claimMax: 512,
  claimPerLaneMax: 128,
  /** Payload bytes that one claim loads. */
  claimBytesMax: 32 * 1_048_576,
  /**
   * Leases that a node may have without holding the delivery. The node gives them back; leases beyond this number end
   * by themselves.
   */
  looseLeasesMax: 10_000,
  /** Longest sleep of an endpoint's waiting deliveries before its settings are looked at again. */
  rateSleepMaxMs: 1_000,
} as const

export type DispatchLimits = Readonly<Record<keyof typeof DISPATCH_LIMITS, number>>
