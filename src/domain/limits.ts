/**
 * Quantities that are not configurable, with their units. Configurable ones are in `settings/`; those of the
 * dispatcher, of destinations and of Redis are in the `limits.ts` of their folders.
 */
export const LIMITS = {
  /** Longest wait that a receiver can ask for with `Retry-After`, ms. */
  retryAfterMaxMs: 24 * 3_600_000,
  /** Time for which a node may keep a delivery without renewing its lease. */
  leaseMs: 60_000,
  /** The slow poll that finds due work even if every hint was lost. */
  claimPollMs: 1_000,
  /**
   * Interval at which a node asks what was expunged at others, and the time for which it starts attempts without an
   * answer.
   */
  expungedPollMs: 1_000,
  expungedUnseenMs: 5_000,
  expungedRememberedMax: 10_000,
  sweepEveryMs: 10_000,
  /**
   * Interval at which the clock is compared with one that is never set, and the difference from which it is corrected.
   */
  clockCheckMs: 1_000,
  clockStepMs: 5_000,
  /** Longest wait of a probe for the store to commit; after it the probe is told that the store does not commit. */
  readyProbeMs: 3_000,
  /** Interval at which the files of a SQLite store are checked while nothing is committed. */
  fileCheckMs: 1_000,
  pruneEveryMs: 10_000,
  /** Interval at which background tasks are looked for that no hint announced. */
  taskPollMs: 5_000,
  /** Messages that one step of a background task looks at. */
  taskStepMessages: 200,
  /**
   * Background tasks that are not finished: of one kind for one endpoint (one of them runs), and of one application.
   */
  tasksOpenOfKind: 4,
  tasksOpenOfApplication: 100,
  /** Rows that one step of retention removes; few, so that accepting never waits for a step. */
  pruneStepRows: 200,
  /** Deliveries of a deleted or disabled endpoint that one step cancels; few for the same reason. */
  cancelStepRows: 200,
  /** Endpoints for which a node remembers that deliveries have to be cancelled. */
  endpointsToCancelMax: 10_000,
  /** Time that SIGTERM gives requests and attempts to finish. Less than the 10 s after which Docker kills. */
  drainMs: 8_000,
  /** The part of that time that clients have to send the rest of their requests, and to read their answers. */
  drainClientsMs: 4_000,
  /** Writes that may wait for the store; further ones are refused with 503 `overloaded`. */
  writesWaitingMax: 20_000,
  /** Bytes of messages that may wait to be stored; further ones are refused likewise. */
  writeBytesWaitingMax: 128 * 1_048_576,
  /** Payload bytes that share a transaction. */
  writeBatchBytesMax: 16 * 1_048_576,
  /** Reads that may wait for the store; further ones are refused likewise. */
  readsWaitingMax: 1_000,
  /** A read that takes longer is answered 503. */
  readTimeoutMs: 30_000,
  /** A write that takes longer is answered 503; it may still be committed, as with any lost answer. */
  writeTimeoutMs: 30_000,
  /** Endpoints whose settings are cached, and applications; each cache also has a bound in bytes. */
  cachedEndpoints: 100_000,
  cachedApplications: 10_000,
  /** Cached sources, each by its id and by its name. */
  cachedSources: 10_000,
  cachedSourceBytes: 16 * 1_048_576,
  /** Bytes cached of single endpoints, and again of the lists of applications. */
  cachedEndpointBytes: 64 * 1_048_576,
  /** Bytes cached by id, and again by name. */
  cachedApplicationBytes: 16 * 1_048_576,
  /**
   * Greatest age of cached data when other nodes use the same store: without and with a channel that tells of changes.
   */
  cacheAgeAloneMs: 1_000,
  cacheAgeWatchedMs: 10_000,
  /** Entries of an index that one page of deliveries reads, however few of them match. */
  deliveriesWalked: 2_000,
  /** Attempts shown with a delivery. */
  recentAttempts: 100,
  idempotencyKeyCharsMax: 256,
  /** Time for which answers of the Svix API are kept for repeats. */
  answerKeptMs: 12 * 3_600_000,
  /**
   * Compressed bodies that are inflated at the same time, which is half of Node's threads: brotli may work through 16
   * MB before it gives the first byte. The second number is how many wait before new ones are refused with 503
   * `overloaded`.
   */
  inflatedAtOnce: 2,
  inflatedWaitingMax: 1_000,
  /** Events in one request to `/notifications`. */
  notificationsMax: 1_000,
  /**
   * Endpoints to which an organization is told about its own endpoints: each change of an endpoint makes a delivery to
   * each of them.
   */
  operationalEndpointsMax: 50,
  /** Waits in a retry schedule. */
  retriesMax: 100,
  customHeadersMax: 50,
  headerValueCharsMax: 4_096,
} as const
