import { LIMITS } from '../domain/limits.ts'
import type { Clock } from '../lib/clock.ts'
import type { Retention } from '../store/port/retention.ts'
import type { Observer, RetainedTable } from '../telemetry/events.ts'
import { every, pause, type Service } from './service.ts'

/** Pause between two steps: meanwhile the store belongs to the others. */
const BREATH_MS = 5

export interface PrunerOptions {
  retention: Retention
  clock: Clock
  observer: Pick<Observer, 'rowsRemoved' | 'retentionSwept'>
  attemptRetentionMs: number
}

/** Removes data that is past its retention, in steps so small that no request waits for one. */
export function createPruner({ retention, clock, observer, attemptRetentionMs }: PrunerOptions): Service {
  const removed = (table: RetainedTable, rows: number): number => {
    if (rows > 0) observer.rowsRemoved({ table, rows })
    return rows
  }
  // Each returns zero once there is nothing left to do.
  const steps = [
    async () =>
      removed('attempt', await retention.pruneAttempts(clock.now() - attemptRetentionMs, LIMITS.pruneStepRows)),
    async () => {
      const step = await retention.prunePayloads(clock.now(), LIMITS.pruneStepRows)
      removed('payload', step.removed)
      return step.dealt
    },
    async () => removed('idempotency', await retention.pruneIdempotency(clock.now(), LIMITS.pruneStepRows)),
  ]
  return every('pruner', clock, LIMITS.pruneEveryMs, async (signal) => {
    for (const step of steps) while (!signal.aborted && (await step()) > 0) await pause(clock, BREATH_MS, signal)
    observer.retentionSwept()
  })
}
