/** Bounds of one attempt, of connections and of names, with their units. */
export const DESTINATION_LIMITS = {
  /** Bytes of a receiver's response that are read at all; the rest is cut off and the socket closed. */
  responseBytesRead: 65_536,
  /** Bytes of a receiver's response that the delivery log keeps. */
  responseBytesKept: 4_096,
  /** Bytes that a receiver may send for one attempt: 256 KB of heads, as browsers and curl take, and the body. */
  answerBytesOnWire: 327_680,
  /** Lines of it, counted once there are as many bytes. */
  answerLinesMax: 1_000,
  /** Interim answers (1xx) to one attempt. */
  interimAnswersMax: 20,
  /** How old a connection may be when an attempt begins on it: how long an answer of DNS is believed under steady traffic. */
  connectionAgeMs: 30_000,
  /** Names that one node looks up at once; a quarter is kept for names that have resolved before. */
  lookupsUnderWay: 512,
  /** For one name, all its queries and the search list included. */
  lookupMs: 5_000,
  /** How long the other family of addresses is waited for once one is known. */
  lookupOtherFamilyMs: 500,
  /** How long addresses are believed at most; their TTL may say less. Each connection is checked all the same. */
  lookupAnswerKeptMs: 5_000,
  /** How long a name that did not resolve is not asked for again. */
  lookupFailureKeptMs: 3_000,
  /** Names whose last answer is remembered, and as many whose last failure is. */
  namesRemembered: 4_096,
  /** Addresses of one name that are tried. */
  addressesPerName: 32,
  /** Bytes of `/etc/hosts` and `/etc/resolv.conf` that are read, and how often somebody looks whether they changed. */
  systemFileBytesMax: 1_048_576,
  systemFilesLookMs: 1_000,
  /** How long an endpoint is left alone by a node that lacked the means for an attempt. */
  ownLackWaitMs: 1_000,
  /** Payload bytes that Svix takes. */
  svixPayloadBytesMax: 1_048_576,
} as const
