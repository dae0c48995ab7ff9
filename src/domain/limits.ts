/**
 * Quantities that are not configurable, with their units. Configurable ones are in `settings/`; those of the dispatcher, of
 * destinations and of Redis are in the `limits.ts` of their folders.
 */
export const LIMITS = {
  /** Longest wait that a receiver can ask for with `Retry-After`. */
  retryAfterMaxMs: 24 * 3_600_000,
  /** How long a node may keep a delivery without renewing its lease. */
  leaseMs: 60_000,
  /** The slow poll that finds due work even if every hint was lost. */
  claimPollMs: 1_000,
  /** How often a node asks what was expunged at others, and for how long it starts attempts without an answer. */
  expungedPollMs: 1_000,
  expungedUnseenMs: 5_000,
  expungedRememberedMax: 10_000,
  sweepEveryMs: 10_000,
  /** How often the clock is compared with one that is never set, and what difference is put right. */
  clockCheckMs: 1_000,
  clockStepMs: 5_000,
  /** A probe that waits longer for the store to commit is told that it does not. */
  readyProbeMs: 3_000,
  /** How often the files of a SQLite store are looked for while nothing is committed. */
  fileCheckMs: 1_000,
  pruneEveryMs: 10_000,
  /** How often background tasks are looked for that nobody announced. */
  taskPollMs: 5_000,
  /** Messages that one step of a background task looks at. */
  taskStepMessages: 200,
  /** Background tasks that are not finished: of one kind for one endpoint, of which one runs, and of one application. */
  tasksOpenOfKind: 4,
  tasksOpenOfApplication: 100,
  /** Rows that one step of retention removes; small, so that ingest never waits for it. */
  pruneStepRows: 200,
  /** Deliveries that one step cancels which wait for a deleted or disabled endpoint; small for the same reason. */
  cancelStepRows: 200,
  /** Endpoints of which a node remembers that something has to be cancelled. */
  endpointsToCancelMax: 10_000,
  /** How long SIGTERM lets requests and attempts finish. Below the 10 s after which Docker kills. */
  drainMs: 8_000,
  /** How much of that clients have to send the rest of their requests, and to read their answers. */
  drainClientsMs: 4_000,
  /** Writes that may wait for the store before new ones are refused with 503 `overloaded`. */
  writesWaitingMax: 20_000,
  /** Bytes of messages that may wait to be stored likewise. */
  writeBytesWaitingMax: 128 * 1_048_576,
  /** Payload bytes that share a transaction. */
  writeBatchBytesMax: 16 * 1_048_576,
  /** Reads likewise. */
  readsWaitingMax: 1_000,
  /** A read that takes longer is answered 503. */
  readTimeoutMs: 30_000,
  /** A write that takes longer is answered 503; it may still be committed, like any answer that got lost. */
  writeTimeoutMs: 30_000,
  /** Endpoints whose settings are cached, and applications; each cache has a bound in bytes, too. */
  cachedEndpoints: 100_000,
  cachedApplications: 10_000,
  /** Sources, each by its id and by its name. */
  cachedSources: 10_000,
  cachedSourceBytes: 16 * 1_048_576,
  /** Of single endpoints, and again of the lists of applications. */
  cachedEndpointBytes: 64 * 1_048_576,
  /** By id, and again by name. */
  cachedApplicationBytes: 16 * 1_048_576,
  /** With other nodes on the same store: how old what is cached may be, without and with a channel that tells of changes. */
  cacheAgeAloneMs: 1_000,
  cacheAgeWatchedMs: 10_000,
  /** Entries of an index that a page of deliveries looks at, however few of them match. */
  deliveriesWalked: 2_000,
  /** Attempts shown with a delivery. */
  recentAttempts: 100,
  idempotencyKeyCharsMax: 256,
  /** How long answers of the Svix API are kept for repeats. */
  answerKeptMs: 12 * 3_600_000,
  /**
   * Compressed bodies that are inflated at once, which is half of Node's threads: brotli may work through 16 MB before it hands
   * out the first byte. And those that wait for it before new ones are refused with 503 `overloaded`.
   */
  inflatedAtOnce: 2,
  inflatedWaitingMax: 1_000,
  /** Events in one request to `/notifications`. */
  notificationsMax: 1_000,
  /** Endpoints that an organization is told at about its own: each change of an endpoint makes a delivery to each of them. */
  operationalEndpointsMax: 50,
  /** Waits in a retry schedule. */
  retriesMax: 100,
  customHeadersMax: 50,
  headerValueCharsMax: 4_096,
} as const
