/** Translates statuses and outcomes into the states and conditions of the indexes. */
import type { AttemptOutcome } from '../../domain/attempt.ts'
import type { DeliveryState } from '../../domain/delivery.ts'
import type { DeliveryStatus } from '../port/history.ts'

/**
 * A delivery that was tried is in the index of its state. A delivery without a try is in none, so `pending` has none.
 */
const STATES_OF: Readonly<Record<DeliveryStatus, readonly DeliveryState[]>> = {
  success: ['delivered'],
  pending: [],
  sending: ['pending', 'leased'],
  fail: ['failed'],
  canceled: ['cancelled'],
}
const ALL_STATUSES = Object.keys(STATES_OF) as DeliveryStatus[]

/** The states of deliveries that were tried and have one of these statuses; null is all. */
export const triedStatesOf = (statuses: readonly DeliveryStatus[] | null): DeliveryState[] =>
  [...new Set(statuses ?? ALL_STATUSES)].flatMap((one) => STATES_OF[one])

/** True when only failures are asked for. They are few among many successes, and have an index of their own. */
export const areFailures = (outcomes: readonly AttemptOutcome[] | null): outcomes is readonly AttemptOutcome[] =>
  outcomes !== null && !outcomes.includes('success')

/**
 * A condition on `a.outcome`. It repeats the condition of the index of failures, without which that index is not used.
 */
export function hasOutcome(outcomes: readonly AttemptOutcome[] | null): string {
  if (outcomes === null) return ''
  const isOne = `AND a.outcome IN (${outcomes.map((outcome) => `'${outcome}'`).join(', ')})`
  return areFailures(outcomes) ? `${isOne} AND a.outcome <> 'success'` : isOne
}
