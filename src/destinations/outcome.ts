/**
 * Judges an attempt over HTTP from the facts about its answer. All judging is in this file, and it is pure;
 * docs/delivery.md has the rules as a table.
 *
 * A status that arrived decides, even when the rest of the answer was lost: the receiver has spoken, and a receiver
 * that took the event must not get it again. Without a status it is unknown what the receiver did, so the event is sent
 * again later. In one case the event is sent again immediately, at no cost: see `isWorthRepeating`.
 */
import type { Outcome } from '../domain/delivery.ts'
import { parseRetryAfter } from '../domain/retry-after.ts'
import type { ConnectionEnd } from './connection.ts'
import { failureWords } from './failure-words.ts'
import { lacking, ownLack } from './own-lack.ts'

/** The parts of an answer that arrived. */
export interface Heard {
  /** Status of the final answer; 0 when its line was not here. */
  status: number
  /** True when all headers were here and could be read. */
  hasHead: boolean
  retryAfter: string | undefined
  location: string | undefined
  /** True when the answer comes from a Hookferry. */
  isFromHookferry: boolean
  /** The beginning of the body, as text. */
  response: string | null
}

/** Judges the attempt. `error` ended the attempt before its end; null when the answer is complete. */
export function judge(heard: Heard, error: unknown, { url, now }: { url: URL; now: number }): Outcome {
  const { status: statusCode, response } = heard
  if (statusCode === 0) return unanswered(error, url.host)
  if (statusCode >= 200 && statusCode < 300) return { kind: 'accepted', statusCode, response }
  if (statusCode === 410)
    return { kind: 'gone', statusCode, response, error: 'answered 410 Gone: the endpoint is disabled' }
  // Other servers use this status for other things, and some of those are temporary.
  if (statusCode === 508 && heard.isFromHookferry) return { kind: 'rejected', statusCode, response, error: LOOP }
  // Standard Webhooks, "Delivery and retries": a receiver asks for less with one of these two statuses.
  const isOverload = statusCode === 429 || statusCode === 503
  const words = refusalWords(heard, url)
  return {
    kind: 'refused',
    statusCode,
    response,
    error: heard.hasHead || error === null ? words : `${words}; then: ${failureWords(error, url.host)}`,
    isOverload,
    retryAfterMs: isOverload ? parseRetryAfter(heard.retryAfter, now) : null,
  }
}

/**
 * True when the same request is made once more immediately, on a new connection. A receiver may close a kept connection
 * at any time. A request that crosses the close gets no answer: most receivers have not even read it. The rule does not
 * hold for the first request on a connection, nor for a request that got the beginning of an answer.
 */
export function isWorthRepeating(end: ConnectionEnd, wasSent: boolean): boolean {
  return wasSent ? end.requests > 1 && !end.hasBegun : end.requests > 0
}

function unanswered(error: unknown, host: string): Outcome {
  const lack = ownLack(error)
  return lack === null ? { kind: 'unreachable', error: failureWords(error, host) } : lacking(lack)
}

function refusalWords({ status, location }: Heard, url: URL): string {
  if (status < 200) return `answered ${status}: nobody asked for another protocol`
  if (status < 300 || status >= 400) return `answered ${status}`
  const words = `answered ${status}: redirects are not followed`
  return location === undefined ? words : `${words}, and this one points to ${targetWords(location, url)}`
}

const TARGET_CHARS_MAX = 300

/** A redirect: most often a slash, `https` or `www` is missing in the endpoint's URL. The full URL makes that plain. */
function targetWords(location: string, url: URL): string {
  const target = URL.parse(location, url.href)?.href ?? location
  return target.length > TARGET_CHARS_MAX ? `${target.slice(0, TARGET_CHARS_MAX)}…` : target
}

const LOOP =
  'answered 508: the receiver is a Hookferry, and for it the event is in a loop (MAX_HOPS) or came to a route that takes no events'
