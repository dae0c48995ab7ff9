/**
 * An endpoint's health, and the rule that disables it. `docs/state-machine.md` draws both.
 *
 * One failed attempt says little: its delivery is tried again. Only a delivery that was given up, because its schedule
 * was used up, counts against the endpoint. The first one sets a mark. A later one disables the endpoint when the mark
 * is older than `disableAfterMs`, and no attempt succeeded in between. A mark that is older than twice that time says
 * nothing about the present: the delivery that finds it sets a new one instead. So an endpoint is disabled by two
 * deliveries that were given up, more than `disableAfterMs` and at most twice that time apart, with no success between
 * them.
 *
 * All times are milliseconds since the epoch.
 */
export interface Health {
  /** Start of the present run of failed attempts; null while the last attempt succeeded. */
  failingSince: number | null
  /**
   * The mark: the time when a delivery was given up in this run. Null when there is none, or none that still counts.
   */
  givenUpSince: number | null
}

/** The health of an endpoint after every success. */
export const HEALTHY: Health = { failingSince: null, givenUpSince: null }

/** A failed attempt of the schedule: its start, and whether it was the last attempt of its delivery. */
export interface Failure {
  at: number
  gaveUp: boolean
}

/** The health after a failure, and whether the failure disables the endpoint. */
export function afterFailure(
  before: Health,
  { at, gaveUp }: Failure,
  disableAfterMs: number,
): { health: Health; disables: boolean } {
  const failingSince = before.failingSince ?? at
  if (!gaveUp) return { health: { ...before, failingSince }, disables: false }
  const ageMs = before.givenUpSince === null ? Infinity : at - before.givenUpSince
  if (ageMs > 2 * disableAfterMs) return { health: { failingSince, givenUpSince: at }, disables: false }
  return { health: { ...before, failingSince }, disables: ageMs > disableAfterMs }
}
