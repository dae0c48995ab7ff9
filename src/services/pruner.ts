import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Retention } from '../store/port/retention.ts'
import { every, pause, type Service } from './service.ts'

/** Pause between two steps: meanwhile the store belongs to the others. */
const BREATH_MS = 5

/** Removes data that is past its retention, in steps so small that no request waits for one. */
export function createPruner(options: { retention: Retention; clock: Clock; attemptRetentionMs: number }): Service {
  const { retention, clock } = options
  const steps = [
    () => retention.pruneAttempts(clock.now() - options.attemptRetentionMs, LIMITS.pruneStepRows),
    () => retention.prunePayloads(clock.now(), LIMITS.pruneStepRows),
    () => retention.pruneIdempotency(clock.now(), LIMITS.pruneStepRows),
  ]
  return every('pruner', clock, LIMITS.pruneEveryMs, async (signal) => {
    for (const step of steps) while (!signal.aborted && (await step()) > 0) await pause(clock, BREATH_MS, signal)
  })
}
