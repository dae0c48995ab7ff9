/** Bounds of one attempt, of connections and of names, with their units. */
export const DESTINATION_LIMITS = {
  /** Bytes of a receiver's response that are read; the rest is cut off and the socket closed. */
  responseBytesRead: 65_536,
  /** Bytes of a receiver's response that the delivery log keeps. */
  responseBytesKept: 4_096,
  /** Bytes that a receiver may send for one attempt: 256 KB of heads, as browsers and curl take, and the body. */
  answerBytesOnWire: 327_680,
  /** Lines that a receiver may send for one attempt; they are counted once as many bytes have come. */
  answerLinesMax: 1_000,
  /** Interim answers (1xx) to one attempt. */
  interimAnswersMax: 20,
  /**
   * Greatest age of a connection when an attempt begins on it. Under steady traffic, a DNS answer is believed that
   * long.
   */
  connectionAgeMs: 30_000,
  /** Names that one node looks up at the same time; a quarter is kept for names that have resolved before. */
  lookupsUnderWay: 512,
  /** Deadline of a lookup of one name, including all its queries and the search list. */
  lookupMs: 5_000,
  /** Wait for the other family of addresses once one family is known. */
  lookupOtherFamilyMs: 500,
  /** Longest time that addresses are believed; their TTL may be shorter. Each connection is checked all the same. */
  lookupAnswerKeptMs: 5_000,
  /** Time during which a name that did not resolve is not asked for again. */
  lookupFailureKeptMs: 3_000,
  /** Names whose last answer is remembered, and as many whose last failure is remembered. */
  namesRemembered: 4_096,
  /** Addresses of one name that are tried. */
  addressesPerName: 32,
  /**
   * Bytes of `/etc/hosts` and `/etc/resolv.conf` that are read, and the interval of checks whether the files changed.
   */
  systemFileBytesMax: 1_048_576,
  systemFilesLookMs: 1_000,
  /** Time for which a node leaves an endpoint alone after the node lacked the means for an attempt. */
  ownLackWaitMs: 1_000,
  /** Payload bytes that Svix accepts. */
  svixPayloadBytesMax: 1_048_576,
} as const
