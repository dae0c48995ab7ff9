import type { Attempt } from '../../domain/attempt.ts'
import { either, plain, rowOf } from './row-of.ts'

export const attemptRow = rowOf<Attempt>({
  appId: plain('app_id'),
  id: plain('id'),
  msgId: plain('msg_id'),
  endpointId: plain('endpoint_id'),
  url: plain('url'),
  at: plain('at'),
  number: plain('number'),
  trigger: either('manual', 'manual', 'scheduled'),
  outcome: plain('outcome'),
  statusCode: plain('status_code'),
  error: plain('error'),
  durationMs: plain('duration_ms'),
  response: plain('response'),
})

export const attemptInsert = attemptRow.part(attemptRow.members)
