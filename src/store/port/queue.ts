/** Deliveries that wait, are under way, or end. */
import type { AttemptOutcome, Trigger } from '../../domain/attempt.ts'
import type { ClockStep } from '../../domain/clock-step.ts'
import type { DeliveryKey, DeliveryState } from '../../domain/delivery.ts'
import type { DisabledReason } from '../../domain/endpoint.ts'
import type { AppId, AttemptId, EndpointId } from '../../domain/ids.ts'
import type { Acceptance, Accepting, Extras } from './accept.ts'
import type { Lease } from './lease.ts'

/** A delivery that this node holds, with all facts that its attempt needs. */
export interface LeasedDelivery extends DeliveryKey {
  /** Number of scheduled attempts made so far. With the owner, this is the fencing token. */
  tries: number
  /** Number of those attempts that used up no step of the schedule. */
  spared: number
  /** Null when there was none yet. */
  lastAttemptAt: number | null
  leaseUntil: number
  eventId: string | null
  eventType: string
  contentType: string
  receivedAt: number
  payload: Uint8Array
  /** The message's hop count. */
  hops: number
}

export interface ClaimRequest {
  lease: Lease
  now: number
  /** Most deliveries to take: in all, of one endpoint, and of one application. */
  max: number
  perEndpointMax: number
  perApplicationMax: number
  payloadBytesMax: number
  /** Endpoints, and whole applications, for which this node has no room at the moment. */
  skip: readonly EndpointId[]
  skipApplications: readonly AppId[]
}

/** A place in the order of all waiting deliveries. */
export interface QueuePlace {
  appId: string
  endpointId: string
  retry: 0 | 1
  dueAt: number
  msgId: string
  run: number
}

export interface Claimed {
  deliveries: LeasedDelivery[]
  /**
   * Time at which the next delivery becomes due, as far as this store knows; null when none waits. May be in the past.
   */
  nextDueAt: number | null
}

/** The end of one attempt. */
export interface Settlement {
  key: DeliveryKey
  /** The lease under which the attempt ran. If it was lost meanwhile, the delivery is left alone. */
  owner: string
  tries: number
  /** Null when no attempt was made: the delivery is put back or cancelled. */
  attempt: SettledAttempt | null
  /**
   * `pending` counts as a scheduled try when there was an attempt. `isSpared`: the attempt used up no step of the
   * schedule.
   */
  to:
    | { state: 'pending'; dueAt: number; isSpared?: boolean }
    | { state: Exclude<DeliveryState, 'pending' | 'leased'>; at: number }
  endpoint: EndpointEffect | null
  /**
   * Messages that announce the end, stored when the lease was held, or only when this settlement disabled the endpoint.
   */
  announce: readonly { when: 'held' | 'disabled'; acceptance: Acceptance }[]
}

export interface SettledAttempt {
  id: AttemptId
  url: string
  at: number
  trigger: Trigger
  outcome: AttemptOutcome
  statusCode: number | null
  error: string | null
  durationMs: number
  response: string | null
}

/**
 * The effects of an attempt on its endpoint besides its outcome; written in the same transaction. A success needs no
 * mention here: it always ends the endpoint's run of failures.
 */
export type EndpointEffect = {
  /** A failed attempt of the schedule, judged by `afterFailure` (domain/endpoint-health.ts). */
  failure: { gaveUp: boolean; disableAfterMs: number } | null
  /** Disables the endpoint now, for this reason. */
  disable: DisabledReason | null
  /** No delivery to the endpoint is claimed before this time. */
  pausedUntil: number | null
}

export interface Settled {
  /** False when the lease was lost: the attempt is on record, the delivery is another node's. */
  held: boolean
  /** Number of the attempt; 0 when there was none. */
  number: number
  outcome: AttemptOutcome | null
  /**
   * The endpoint's row changed, so caches must forget it. `disabled` says that this settlement disabled the endpoint.
   */
  endpointChanged: boolean
  disabled: DisabledReason | null
}

export interface Queue extends Accepting {
  /**
   * Takes due deliveries; no other node gets them until the lease ends. Endpoints take turns; first attempts go first.
   */
  claim(request: ClaimRequest): Promise<Claimed>
  /** Writes the attempt and the next state of the delivery. */
  settle(settlement: Settlement): Promise<Settled>
  /** Prolongs leases that `lease.owner` still holds; returns the keys whose lease was lost. */
  renew(held: readonly (DeliveryKey & { tries: number })[], lease: Lease): Promise<DeliveryKey[]>
  /** Gives leases back untried; the deliveries are due at `dueAt`. */
  release(held: readonly (DeliveryKey & { tries: number })[], owner: string, dueAt: number): Promise<void>
  /**
   * Makes deliveries due whose lease ended (at most `max` of them), and repairs lanes that lost sight of a due
   * delivery. Returns the numbers found.
   */
  sweep(now: number, max: number): Promise<{ expired: number; repaired: number }>
  /**
   * Puts right the pauses and waiting deliveries that were written while the clock was ahead, before it was put back:
   * up to `max` deliveries at a time. `from` is null at first and then `next` of the step before, until that is null.
   */
  putClockBack(
    step: ClockStep,
    from: QueuePlace | null,
    max: number,
  ): Promise<{ moved: number; next: QueuePlace | null }>
  /**
   * Adds a manual attempt of a delivery, due now. If the message was never meant for this endpoint, the delivery itself
   * is added. A manual attempt that waits already is not doubled; `run` is then the run of that one. `unknown`: no such
   * message, or no such live endpoint. `expired`: the payload was removed, or is about to be.
   */
  resend(
    key: Omit<DeliveryKey, 'run'>,
    now: number,
    extras?: Extras,
  ): Promise<{ run: number } | 'unknown' | 'expired' | 'replayed'>
  /**
   * Cancels deliveries that wait for an endpoint which is deleted or disabled, at most `max`; returns how many. Waiting
   * manual attempts are removed, or left alone when only `scheduled` deliveries are meant.
   */
  cancelWaiting(appId: AppId, endpointId: EndpointId, step: { max: number; what: 'all' | 'scheduled' }): Promise<number>
  /**
   * Holds a live endpoint (`held`), or lets it go. While it is held, its accepted deliveries wait, are no part of
   * `backlog`, and end as failed when the payload expires. False when the endpoint was in that state already.
   */
  holdEndpoint(endpoint: { appId: AppId; id: EndpointId; held: boolean }, now: number): Promise<boolean>
  /** Deliveries that wait for endpoints which are held. */
  heldDeliveries(): Promise<number>
  /**
   * The number of waiting deliveries of the whole store, without held ones, and the due time of the oldest one that is
   * due now.
   */
  backlog(now: number): Promise<{ pending: number; oldestDueAt: number | null }>
}
