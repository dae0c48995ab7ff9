/** Schedules with names, as waits after a failure in milliseconds. */
export const NAMED_SCHEDULES: Readonly<Record<string, readonly number[]>> = {
  // Standard Webhooks 1.0.0, "Delivery and retries": ten attempts over three days.
  'standard-webhooks': [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map((s) => s * 1_000),
  // Svix: eight attempts over 27.6 hours.
  svix: [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000].map((s) => s * 1_000),
}

/** Spread of the waits: receivers that failed at the same time are not tried again at the same time. */
export const JITTER = 0.1

/** `waitMs` moved by up to ±10 %; `random` is in [0, 1). */
export function withJitter(waitMs: number, random: number): number {
  return Math.round(waitMs * (1 + JITTER * (2 * random - 1)))
}
