/** Numbers that both engines keep to. */

/** Later than any time. Comparing the whole of an index's key lets a database seek where it would walk. */
export const END_OF_TIME = Number.MAX_SAFE_INTEGER

/** Lanes that one sweep compares with their deliveries. */
export const LANES_PER_SWEEP = 1_000

/** A message with open deliveries keeps its payload; it is looked at again this much later. */
export const POSTPONE_MS = 3_600_000

/** Of the key of an inbox message's time: what names its hour, `2026-01-31T23`. */
export const HOUR_CHARS = 13

/** Senders that the statistics of the inbox name. */
export const TOP_SENDERS = 10
