import type { Outcome } from '../domain/delivery.ts'
import { lacking } from './own-lack.ts'

/** The result of one call of the SDK. */
export interface SvixAnswer {
  /** Null when there was no response at all. */
  status: number | null
  /** Svix's id of the message, where the body has one. */
  messageId: string | null
  /** The body's beginning, for the log. */
  body: string | null
  /** The wait that the response asked for, ms. */
  retryAfterMs: number | null
  /** The error in words, when it was not a response. */
  error: string | null
  /** The means that this node lacked for the call, in words. */
  lack: string | null
}

/** `confirm`: Svix says that it knows this event id already; ask Svix whether it really does. */
export type SvixVerdict =
  | Outcome
  | { kind: 'confirm' }
  | { kind: 'pause'; reason: 'rate_limited' | 'credentials'; error: string; waitMs: number | null }

/**
 * The meaning of an answer to "create this message". When it is open whether Svix has the message, the message is sent
 * again under the same id, so that Svix does not store it twice.
 */
export function classifySvix(answer: SvixAnswer): SvixVerdict {
  const { status, body: response } = answer
  if (answer.lack !== null) return lacking(answer.lack)
  if (status === null) return { kind: 'unreachable', error: answer.error ?? 'no answer' }
  if (status >= 200 && status < 300) {
    if (answer.messageId !== null) return { kind: 'accepted', statusCode: status, response }
    return refused(answer, status, 'answered success without a message id, so it may not be Svix')
  }
  switch (status) {
    case 409:
      return { kind: 'confirm' }
    case 429:
      return { kind: 'pause', reason: 'rate_limited', error: 'Svix limits the rate', waitMs: answer.retryAfterMs }
    case 401:
    case 403:
      return {
        kind: 'pause',
        reason: 'credentials',
        error: `Svix refuses the credentials (${status}): check SVIX_TOKEN`,
        waitMs: answer.retryAfterMs,
      }
    case 400:
    case 413:
    case 422:
      return {
        kind: 'rejected',
        statusCode: status,
        response,
        error: `Svix refuses the message: answered ${status}${says(response)}`,
      }
    case 508:
      // Svix never answers so, but a Hookferry in its place does.
      if (response?.includes('"loop_detected"') !== true) return refused(answer, status, `Svix answered ${status}`)
      return {
        kind: 'rejected',
        statusCode: status,
        response,
        error: 'the server is a Hookferry, and the event is in a loop',
      }
    case 404:
      return refused(answer, status, 'Svix does not know the application: check SVIX_APP_ID')
    default:
      return refused(answer, status, `Svix answered ${status}`)
  }
}

/**
 * The meaning of an answer to "do you have this message"; null is no. An answer that refuses the question says nothing
 * about the message and leaves it open.
 */
export function classifySvixQuestion(answer: SvixAnswer): Exclude<SvixVerdict, { kind: 'confirm' }> | null {
  if (answer.status === 404) return null
  const verdict = classifySvix(answer)
  if (verdict.kind === 'confirm' || verdict.kind === 'rejected')
    return refused(answer, answer.status ?? 0, `Svix answered ${answer.status} when asked for the message`)
  return verdict
}

const refused = ({ body, retryAfterMs }: SvixAnswer, statusCode: number, error: string): Outcome => ({
  kind: 'refused',
  statusCode,
  response: body,
  error,
  // A 429 of Svix itself defers all events for Svix; here only one event is refused.
  isOverload: false,
  retryAfterMs,
})

const says = (response: string | null): string =>
  response === null || response === '' ? '' : `: ${response.slice(0, 500)}`
