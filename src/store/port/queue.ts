/** Deliveries that wait, are under way, and end. */
import type { AttemptOutcome, Trigger } from '../../domain/attempt.ts'
import type { ClockStep } from '../../domain/clock-step.ts'
import type { DeliveryKey, DeliveryState } from '../../domain/delivery.ts'
import type { DisabledReason } from '../../domain/endpoint.ts'
import type { AppId, AttemptId, EndpointId } from '../../domain/ids.ts'
import type { Acceptance, Accepting, Extras } from './accept.ts'
import type { Lease } from './lease.ts'

/** A delivery that this node holds, with what it needs to be attempted. */
export interface LeasedDelivery extends DeliveryKey {
  /** Scheduled attempts made so far; with the owner the fencing token. */
  tries: number
  /** Those of them that used up no step of the schedule. */
  spared: number
  /** Null when there was none yet. */
  lastAttemptAt: number | null
  leaseUntil: number
  eventId: string | null
  eventType: string
  contentType: string
  receivedAt: number
  payload: Uint8Array
  /** The message's. */
  hops: number
}

export interface ClaimRequest {
  lease: Lease
  now: number
  /** Deliveries to take at most, in all, of one endpoint and of one application. */
  max: number
  perEndpointMax: number
  perApplicationMax: number
  payloadBytesMax: number
  /** Endpoints, and whole applications, that have no room at this node at the moment. */
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
  /** When something else will be due, as far as this store knows; null when nothing waits. May be in the past. */
  nextDueAt: number | null
}

/** The end of one attempt. */
export interface Settlement {
  key: DeliveryKey
  /** The lease under which the attempt ran. When it was lost meanwhile, the delivery is left alone. */
  owner: string
  tries: number
  /** Null when no attempt was made: the delivery is put back or cancelled. */
  attempt: SettledAttempt | null
  /** `pending` counts as a scheduled try when there was an attempt. `isSpared`: as one that used up no step of the schedule. */
  to:
    | { state: 'pending'; dueAt: number; isSpared?: boolean }
    | { state: Exclude<DeliveryState, 'pending' | 'leased'>; at: number }
  endpoint: EndpointEffect | null
  /** Messages that tell of it, stored when the lease was held, or only when the endpoint was disabled by this. */
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
 * What an attempt means for its endpoint besides its outcome; done in the same transaction. A success needs no word here:
 * it always ends the endpoint's run of failures.
 */
export type EndpointEffect = {
  /** A failed attempt of the schedule, judged by `afterFailure` (domain/endpoint-health.ts). */
  failure: { gaveUp: boolean; disableAfterMs: number } | null
  /** Disable it now. */
  disable: DisabledReason | null
  /** No delivery to it is claimed before this time. */
  pausedUntil: number | null
}

export interface Settled {
  /** False when the lease was lost: the attempt is on record, the delivery is another node's. */
  held: boolean
  /** Number of the attempt; 0 when there was none. */
  number: number
  outcome: AttemptOutcome | null
  /** The endpoint's row changed, so caches must forget it. `disabled` says that it was disabled just now. */
  endpointChanged: boolean
  disabled: DisabledReason | null
}

export interface Queue extends Accepting {
  /** Takes due deliveries; nobody else sees them until the lease ends. Endpoints take turns, first attempts go first. */
  claim(request: ClaimRequest): Promise<Claimed>
  /** Writes the attempt and what happens next. */
  settle(settlement: Settlement): Promise<Settled>
  /** Prolongs leases that `lease.owner` still holds; returns the keys whose lease was lost. */
  renew(held: readonly (DeliveryKey & { tries: number })[], lease: Lease): Promise<DeliveryKey[]>
  /** Gives leases back untried; they are due at `dueAt`. */
  release(held: readonly (DeliveryKey & { tries: number })[], owner: string, dueAt: number): Promise<void>
  /**
   * Makes deliveries due whose lease ended (at most `max` of them), and repairs lanes that lost sight of a due
   * delivery. Returns how many it found.
   */
  sweep(now: number, max: number): Promise<{ expired: number; repaired: number }>
  /**
   * The clock was put back: pauses and waiting deliveries that it wrote while it was ahead are put right, up to `max`
   * deliveries at a time. `from` is null at first and then `next` of the step before, until that is null.
   */
  putClockBack(
    step: ClockStep,
    from: QueuePlace | null,
    max: number,
  ): Promise<{ moved: number; next: QueuePlace | null }>
  /**
   * Adds a manual attempt of a delivery, due now, or the delivery itself where the message was never meant for this endpoint. One
   * that waits already is not doubled; `run` is its own then. `unknown`: no such message, or no such live endpoint; `expired`: the
   * payload was removed, or is about to be.
   */
  resend(
    key: Omit<DeliveryKey, 'run'>,
    now: number,
    extras?: Extras,
  ): Promise<{ run: number } | 'unknown' | 'expired' | 'replayed'>
  /**
   * Cancels deliveries that wait for an endpoint which is deleted or disabled, at most `max`; returns how many. Manual attempts
   * that wait go away, or are left alone when only what is `scheduled` is meant.
   */
  cancelWaiting(appId: AppId, endpointId: EndpointId, step: { max: number; what: 'all' | 'scheduled' }): Promise<number>
  /**
   * Holds a live endpoint until it is let go (`held`), or lets it go: meanwhile what is accepted for it waits, is no part of
   * `backlog`, and ends as failed when its payload expires. False when it was so already.
   */
  holdEndpoint(endpoint: { appId: AppId; id: EndpointId; held: boolean }, now: number): Promise<boolean>
  /** Deliveries that wait for endpoints which are held. */
  heldDeliveries(): Promise<number>
  /** Waiting deliveries of the whole store but those held, and when the oldest one that is due now became so. */
  backlog(now: number): Promise<{ pending: number; oldestDueAt: number | null }>
}
