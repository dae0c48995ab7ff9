import type { AppId, AttemptId, EndpointId, MessageId } from './ids.ts'

/** `scheduled`: made by the retry schedule. `manual`: asked for by a person. */
export type Trigger = 'scheduled' | 'manual'

/** `failed_attempt`: another attempt follows. `failure`: this attempt was the last. */
export type AttemptOutcome = 'success' | 'failed_attempt' | 'failure'

export const SUCCESS: readonly AttemptOutcome[] = ['success']
export const FAILURES: readonly AttemptOutcome[] = ['failed_attempt', 'failure']

/** One try of a delivery. Append-only. */
export interface Attempt {
  appId: AppId
  id: AttemptId
  msgId: MessageId
  endpointId: EndpointId
  /** The endpoint's URL at the time of the attempt. */
  url: string
  /** Start of the attempt, ms since the epoch. The id has the same time. */
  at: number
  /** 1 for the first attempt of this delivery, counting manual ones. */
  number: number
  trigger: Trigger
  outcome: AttemptOutcome
  /** HTTP status; null when there was no response. */
  statusCode: number | null
  /** The error in words; null on success. */
  error: string | null
  durationMs: number
  /** The first bytes of the response, as text; null when there was none. */
  response: string | null
}
