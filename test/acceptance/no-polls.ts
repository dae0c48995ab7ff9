import { LIMITS } from '../../src/domain/limits.ts'

const NEVER_MS = 3_600_000

/**
 * Leaves the gateways of this process nothing but hints: nothing looks by itself for what is due, so that a hint that is
 * lost is never made good. Called before the first one is started.
 */
export function switchPollsOff(): void {
  Object.assign(LIMITS, { claimPollMs: NEVER_MS, sweepEveryMs: NEVER_MS, taskPollMs: NEVER_MS })
}
