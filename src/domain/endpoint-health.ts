/**
 * An endpoint's health, and the rule that disables it. `docs/state-machine.md` draws both.
 *
 * One failed attempt says little: its delivery is tried again. Only a delivery that was given up, with its schedule used
 * up, counts against the endpoint. The first one sets a mark. A later one disables the endpoint when the mark is older
 * than `disableAfterMs`, and no attempt succeeded in between. A mark that is older than twice that time says nothing
 * about the present: the delivery that finds it sets a new one instead. So it takes two deliveries that were given up,
 * more than `disableAfterMs` and at most twice that time apart, and no success between them.
 *
 * All times are milliseconds since the epoch.
 */
export interface Health {
  /** When the present run of failed attempts began; null while the last attempt succeeded. */
  failingSince: number | null
  /** The mark: when a delivery was given up in this run. Null when none was, or none that still counts. */
  givenUpSince: number | null
}

/** What every success makes of an endpoint. */
export const HEALTHY: Health = { failingSince: null, givenUpSince: null }

/** A failed attempt of the schedule: when it began, and whether it was its delivery's last one. */
export interface Failure {
  at: number
  gaveUp: boolean
}

/** What a failure makes of an endpoint, and whether it disables it. */
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
