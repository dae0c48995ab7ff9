/** Numbers that both engines keep to. */

/**
 * Later than any time. With a value for every column of an index's key, a database can seek; otherwise it would walk.
 */
export const END_OF_TIME = Number.MAX_SAFE_INTEGER

/** Lanes that one sweep compares with their deliveries. */
export const LANES_PER_SWEEP = 1_000

/** A message with open deliveries keeps its payload; retention looks at it again this much later. */
export const POSTPONE_MS = 3_600_000

/** Number of characters of an inbox message's time key that name the hour, `2026-01-31T23`. */
export const HOUR_CHARS = 13

/** Senders that the statistics of the inbox name. */
export const TOP_SENDERS = 10
