/**
 * Puts right the times that were written by a clock that was ahead: the rows to look at, and the place where the next
 * step goes on.
 */
import { type ClockStep, dueAfterStep } from '../../domain/clock-step.ts'
import type { QueuePlace } from '../port/queue.ts'

export interface WaitingRow {
  app_id: string
  endpoint_id: string
  retry: 0 | 1
  due_at: number
  msg_id: string
  run: number
  received_at: number
  last_attempt_at: number | null
  paused_until: number | null
}

export const BEGINNING: QueuePlace = { appId: '', endpointId: '', retry: 0, dueAt: 0, msgId: '', run: 0 }

export const dueOf = (row: WaitingRow, step: ClockStep): number =>
  dueAfterStep(
    {
      run: row.run,
      dueAt: row.due_at,
      receivedAt: row.received_at,
      lastAttemptAt: row.last_attempt_at,
      isPaused: (row.paused_until ?? 0) >= step.now,
    },
    step,
  )

export const placeOf = (row: WaitingRow): QueuePlace => ({
  appId: row.app_id,
  endpointId: row.endpoint_id,
  retry: row.retry,
  dueAt: row.due_at,
  msgId: row.msg_id,
  run: row.run,
})
