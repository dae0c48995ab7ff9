import type { AppId, AttemptId, EndpointId, MessageId } from './ids.ts'

/** `scheduled` by the retry schedule, or `manual`: asked for by a person. */
export type Trigger = 'scheduled' | 'manual'

/** `failed_attempt`: there will be another one. `failure`: it was the last. */
export type AttemptOutcome = 'success' | 'failed_attempt' | 'failure'

export const SUCCESS: readonly AttemptOutcome[] = ['success']
export const FAILURES: readonly AttemptOutcome[] = ['failed_attempt', 'failure']

/** One try of a delivery. Append-only. */
export interface Attempt {
  appId: AppId
  id: AttemptId
  msgId: MessageId
  endpointId: EndpointId
  /** Where it went: the endpoint's URL at that time. */
  url: string
  /** When it started, ms. Its id has the same time. */
  at: number
  /** 1 for the first attempt of this delivery, counting manual ones. */
  number: number
  trigger: Trigger
  outcome: AttemptOutcome
  /** Null when there was no response. */
  statusCode: number | null
  /** What went wrong, in words; null on success. */
  error: string | null
  durationMs: number
  /** The first bytes of the response, as text; null when there was none. */
  response: string | null
}
