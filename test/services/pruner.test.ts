import { expect, test } from 'vitest'
import { createPruner } from '../../src/services/pruner.ts'
import type { RetainedTable } from '../../src/telemetry/events.ts'
import { createFakeClock } from '../fake-clock.ts'

test('retention tells of the rows that each step removed, and not of those that it only put off', async () => {
  const clock = createFakeClock()
  const left = { attempts: [200, 3, 0], payloads: [{ dealt: 5, removed: 2 }], answers: [0] }
  const told: { table: RetainedTable; rows: number }[] = []
  let sweeps = 0
  const stop = new AbortController()
  const pruner = createPruner({
    clock,
    attemptRetentionMs: 1_000,
    retention: {
      pruneAttempts: async () => left.attempts.shift() ?? 0,
      prunePayloads: async () => left.payloads.shift() ?? { dealt: 0, removed: 0 },
      pruneIdempotency: async () => left.answers.shift() ?? 0,
    },
    observer: { rowsRemoved: (what) => void told.push(what), retentionSwept: () => void sweeps++ },
  })
  const running = pruner.run(stop.signal)
  await clock.advance(1_000)
  expect(told).toEqual([
    { table: 'attempt', rows: 200 },
    { table: 'attempt', rows: 3 },
    { table: 'payload', rows: 2 },
  ])
  expect(sweeps).toBe(1)
  stop.abort()
  await running
})
