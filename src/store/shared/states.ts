/** What statuses and outcomes are in the indexes. */
import type { AttemptOutcome } from '../../domain/attempt.ts'
import type { DeliveryState } from '../../domain/delivery.ts'
import type { DeliveryStatus } from '../port/history.ts'

/** What is tried is in the index of its state. A delivery without a try is in none of them, so `pending` has none. */
const STATES_OF: Readonly<Record<DeliveryStatus, readonly DeliveryState[]>> = {
  success: ['delivered'],
  pending: [],
  sending: ['pending', 'leased'],
  fail: ['failed'],
  canceled: ['cancelled'],
}
const ALL_STATUSES = Object.keys(STATES_OF) as DeliveryStatus[]

/** The states of what was tried and has one of these statuses; null is all. */
export const triedStatesOf = (statuses: readonly DeliveryStatus[] | null): DeliveryState[] =>
  [...new Set(statuses ?? ALL_STATUSES)].flatMap((one) => STATES_OF[one])

/** There are few among many successes, and they have an index: whether only they are asked for. */
export const areFailures = (outcomes: readonly AttemptOutcome[] | null): outcomes is readonly AttemptOutcome[] =>
  outcomes !== null && !outcomes.includes('success')

/** A condition on `a.outcome`. The condition that the index of failures was made with has to be said for it to be used. */
export function hasOutcome(outcomes: readonly AttemptOutcome[] | null): string {
  if (outcomes === null) return ''
  const isOne = `AND a.outcome IN (${outcomes.map((outcome) => `'${outcome}'`).join(', ')})`
  return areFailures(outcomes) ? `${isOne} AND a.outcome <> 'success'` : isOne
}
