/**
 * The delivery's life, as one pure decision. `docs/state-machine.md` draws it.
 *
 *   pending(due at) ──lease──▶ leased(by, until) ──2xx──▶ delivered
 *        ▲                          │  │  └── schedule exhausted ──▶ failed
 *        └──── retry at ◀── failed ─┘  └── endpoint deleted, disabled, 410 ──▶ cancelled
 *
 * A manual attempt is a row of its own beside the delivery (`run` > 0): it is tried once, it never moves the schedule,
 * and its success makes a failed or cancelled delivery a delivered one.
 */
import type { Trigger } from './attempt.ts'
import type { AppId, EndpointId, MessageId } from './ids.ts'
import { withJitter } from './retry-schedule.ts'

export type DeliveryState = 'pending' | 'leased' | 'delivered' | 'failed' | 'cancelled'

/** Names one row of the queue: `run` 0 is the delivery itself, larger ones are manual attempts of it. */
export interface DeliveryKey {
  appId: AppId
  msgId: MessageId
  endpointId: EndpointId
  run: number
}

/** A delivery as the API shows it. */
export interface DeliveryInfo {
  endpointId: EndpointId
  state: DeliveryState
  /** Number of attempts on record, manual ones included. */
  attempts: number
  nextAttemptAt: number | null
  lastAttemptAt: number | null
}

/** The report of a destination driver about one attempt. */
export type Outcome =
  /** The destination has the message. */
  | { kind: 'accepted'; statusCode: number | null; response: string | null }
  /**
   * The destination answered, but not with success. `isOverload`: it takes less than it is sent (429, 503).
   * `retryAfterMs` is set when the answer said how long the whole endpoint should wait.
   */
  | {
      kind: 'refused'
      statusCode: number
      response: string | null
      error: string
      isOverload: boolean
      retryAfterMs: number | null
    }
  /** The destination answered that nothing will ever be here again (410). */
  | { kind: 'gone'; statusCode: number; response: string | null; error: string }
  /** The destination will never take this message, and says why. */
  | { kind: 'rejected'; statusCode: number | null; response: string | null; error: string }
  /** No answer: DNS, connection, TLS, time-out, or an address that the guard forbids. */
  | { kind: 'unreachable'; error: string }
  /** The whole destination cannot take anything now, or this node cannot ask it. This costs the message no attempt. */
  | { kind: 'deferred'; reason: DeferReason; error: string; waitMs: number }

/**
 * The reason why a whole destination takes nothing at the moment. `node_exhausted` is no fault of the destination: this
 * node lacks the means.
 */
export type DeferReason = 'rate_limited' | 'credentials' | 'not_configured' | 'node_exhausted'

/** The decision about a delivery after an attempt. */
export type Next =
  | { do: 'finish' }
  /** `isSpared`: this attempt does not use up a step of the schedule. */
  | { do: 'retry'; at: number; isSpared: boolean }
  | { do: 'giveUp' }
  | { do: 'disableEndpoint' }
  | { do: 'defer'; until: number }

/** Facts about an endpoint that answered that it is sent too much. */
export interface Overload {
  /** Time of the next attempt to the endpoint, ms since the epoch. */
  pausedUntil: number
  /**
   * True when the endpoint took something since the delivery's previous attempt (or since acceptance): it is slow, not
   * down.
   */
  isTaking: boolean
}

/**
 * Decides what follows an attempt. Pure: time and randomness are passed in.
 * `steps` counts the steps of the schedule that were used up before; `random` is in [0, 1).
 */
export function decide(given: {
  outcome: Outcome
  trigger: Trigger
  steps: number
  /** Set when the outcome is an overload. */
  overload: Overload | null
  scheduleMs: readonly number[]
  now: number
  random: number
}): Next {
  const { outcome, now } = given
  switch (outcome.kind) {
    case 'accepted':
      return { do: 'finish' }
    case 'gone':
      return { do: 'disableEndpoint' }
    case 'rejected':
      return { do: 'giveUp' }
    case 'deferred':
      return { do: 'defer', until: now + outcome.waitMs }
    case 'refused':
    case 'unreachable': {
      if (given.trigger === 'manual') return { do: 'giveUp' }
      // An endpoint that takes events, only slower than they come, gets all of them in the end. An endpoint that takes
      // nothing uses up the schedule, so that every delivery ends.
      if (given.overload?.isTaking === true) return { do: 'retry', at: given.overload.pausedUntil, isSpared: true }
      const waitMs = given.scheduleMs[given.steps]
      if (waitMs === undefined) return { do: 'giveUp' }
      // A Retry-After of the receiver can only lengthen the wait: a short one must not defeat the backoff.
      const askedMs = outcome.kind === 'refused' ? (outcome.retryAfterMs ?? 0) : 0
      return { do: 'retry', at: now + Math.max(withJitter(waitMs, given.random), askedMs), isSpared: false }
    }
    default:
      return outcome satisfies never
  }
}

/** The status of a message over all its deliveries: the worst that is still open, otherwise the worst final one. */
export type MessageStatus = 'filtered' | 'queued' | 'delivering' | 'delivered' | 'failed' | 'cancelled'

/** `queued`: not tried yet. `delivering`: tried, and will be tried again. */
export function messageStatus(deliveries: readonly Pick<DeliveryInfo, 'state' | 'attempts'>[]): MessageStatus {
  if (deliveries.length === 0) return 'filtered'
  const isOpen = (d: { state: DeliveryState }) => d.state === 'pending' || d.state === 'leased'
  if (deliveries.some((d) => isOpen(d) && d.attempts > 0)) return 'delivering'
  if (deliveries.some(isOpen)) return 'queued'
  if (deliveries.some((d) => d.state === 'failed')) return 'failed'
  if (deliveries.some((d) => d.state === 'cancelled')) return 'cancelled'
  return 'delivered'
}

/** The status of one delivery, in the same words. */
export const deliveryStatus = (delivery: Pick<DeliveryInfo, 'state' | 'attempts'>): MessageStatus =>
  messageStatus([delivery])
