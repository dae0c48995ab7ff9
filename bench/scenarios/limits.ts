/** Long enough for the compilers and for the connections to the receiver to settle. */
export const WARM_UP_SECONDS = 2

/** Events are signed beforehand; a server that accepts more per second than this ends the run with an error. */
export const PER_SECOND_MAX = 60_000
