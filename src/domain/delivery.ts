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
  /** Attempts on record, manual ones included. */
  attempts: number
  nextAttemptAt: number | null
  lastAttemptAt: number | null
}

/** What a destination driver reports of one attempt. */
export type Outcome =
  /** The destination has it. */
  | { kind: 'accepted'; statusCode: number | null; response: string | null }
  /**
   * It answered, but not with success. `isOverload`: it takes less than it is sent (429, 503); `retryAfterMs` is set when it
   * said how long the whole endpoint should wait.
   */
  | {
      kind: 'refused'
      statusCode: number
      response: string | null
      error: string
      isOverload: boolean
      retryAfterMs: number | null
    }
  /** It answered that there will never be anything here again (410). */
  | { kind: 'gone'; statusCode: number; response: string | null; error: string }
  /** It will never take this message, and says why. */
  | { kind: 'rejected'; statusCode: number | null; response: string | null; error: string }
  /** No answer: DNS, connection, TLS, time-out, or an address that the guard forbids. */
  | { kind: 'unreachable'; error: string }
  /** The destination as a whole cannot take anything now, or this node cannot ask it; this costs the message no attempt. */
  | { kind: 'deferred'; reason: DeferReason; error: string; waitMs: number }

/** Why a destination as a whole takes nothing at the moment. `node_exhausted` is no fault of it: this node lacks the means. */
export type DeferReason = 'rate_limited' | 'credentials' | 'not_configured' | 'node_exhausted'

/** What becomes of the delivery after an attempt. */
export type Next =
  | { do: 'finish' }
  /** `isSpared`: this attempt does not use up a step of the schedule. */
  | { do: 'retry'; at: number; isSpared: boolean }
  | { do: 'giveUp' }
  | { do: 'disableEndpoint' }
  | { do: 'defer'; until: number }

/** What is known of an endpoint that answered that it is sent too much. */
export interface Overload {
  /** When it is asked again, ms since the epoch. */
  pausedUntil: number
  /** It took something since the delivery's previous attempt (or its acceptance): it is slow, and not down. */
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
      // An endpoint that takes events, only slower than they come, gets all of them in the end. One that takes nothing
      // uses up the schedule, so that every delivery ends.
      if (given.overload?.isTaking === true) return { do: 'retry', at: given.overload.pausedUntil, isSpared: true }
      const waitMs = given.scheduleMs[given.steps]
      if (waitMs === undefined) return { do: 'giveUp' }
      // The receiver's wish can only lengthen the wait: a short Retry-After must not defeat the backoff.
      const askedMs = outcome.kind === 'refused' ? (outcome.retryAfterMs ?? 0) : 0
      return { do: 'retry', at: now + Math.max(withJitter(waitMs, given.random), askedMs), isSpared: false }
    }
    default:
      return outcome satisfies never
  }
}

/** What a message's deliveries amount to: the worst that is still open, else the worst final one. */
export type MessageStatus = 'filtered' | 'queued' | 'delivering' | 'delivered' | 'failed' | 'cancelled'

/** `queued` is not tried yet; `delivering` has been tried and will be tried again. */
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
