/** Bounds of the commands and messages sent to Redis, with their units. */
export const REDIS_LIMITS = {
  /** The channel is asked for a sign of life this often, and not trusted once the last one is older than that. */
  channelPingMs: 250,
  channelSilenceMs: 750,
  /** A command to Redis that takes longer has failed. */
  redisCommandMs: 75,
  redisInFlightMax: 1_000,
  /** A value that is longer as JSON is not kept in Redis. */
  redisValueCharsMax: 262_144,
  /** Time for which Redis keeps an endpoint: its highest age when a change could not be told to Redis. */
  sharedCacheMs: 30_000,
  /** Changes that wait until Redis can be told of them. */
  changesUntoldMax: 10_000,
  /** Least time between two messages of a node that a delivery is due. */
  doorbellRestMs: 20,
} as const
