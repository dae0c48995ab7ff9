/** Bounds of what is asked of Redis and told through it, with their units. */
export const REDIS_LIMITS = {
  /** The channel is asked for a sign of life this often, and not trusted once the last one is older than that. */
  channelPingMs: 250,
  channelSilenceMs: 750,
  /** A command to Redis that takes longer has failed. */
  redisCommandMs: 75,
  redisInFlightMax: 1_000,
  /** What is longer as JSON is not kept in Redis. */
  redisValueCharsMax: 262_144,
  /** How long Redis keeps an endpoint: how old it may get where a change could not be told. */
  sharedCacheMs: 30_000,
  /** Changes that wait for Redis to be told of them. */
  changesUntoldMax: 10_000,
  /** Between two messages of a node that something is due. */
  doorbellRestMs: 20,
} as const
