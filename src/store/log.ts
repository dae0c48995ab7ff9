/** The part of the store that is asked what became of messages: lists, counts, and what may be taken out of them. */
import type { Attempt } from '../domain/attempt.ts'
import type { DeliveryInfo, DeliveryState } from '../domain/delivery.ts'
import type { Candidate } from '../domain/endpoint.ts'
import type { AppId, AttemptId, EndpointId, MessageId } from '../domain/ids.ts'
import type { MessageInfo } from '../domain/message.ts'
import type { Keyset } from './tenants.ts'

/** What the lists of messages and attempts have in common. `from` and `until` are ids: both exclusive, null is open. */
export interface MessageFilter {
  appId: AppId
  from: string | null
  until: string | null
  /** Event types; null is all, none of them is none. */
  eventTypes: readonly string[] | null
  channel: string | null
  tag: string | null
}

export interface AttemptFilter extends MessageFilter {
  /** Of this endpoint, of this message, or both; at least one is given. */
  endpointId: EndpointId | null
  msgId: MessageId | null
  /** True: successes only, false: everything else. */
  succeeded: boolean | null
  /** From the first up to below the second; an attempt without an answer has code 0. */
  statusCodes: { from: number; below: number } | null
}

/** `sending` has been tried and will be tried again; `pending` waits for its first attempt. */
export type DeliveryStatus = 'success' | 'pending' | 'sending' | 'fail' | 'canceled'

export function statusOf({ state, attempts }: { state: DeliveryState; attempts: number }): DeliveryStatus {
  switch (state) {
    case 'pending':
    case 'leased':
      return attempts > 0 ? 'sending' : 'pending'
    case 'delivered':
      return 'success'
    case 'failed':
      return 'fail'
    case 'cancelled':
      return 'canceled'
    default:
      return state satisfies never
  }
}

export interface AttemptedMessage {
  message: MessageInfo
  status: DeliveryStatus
  nextAttemptAt: number | null
}

export interface AttemptedEndpoint {
  endpoint: Candidate
  delivery: DeliveryInfo
  status: DeliveryStatus
}

/** A page with what belongs to its rows but is large, where it was asked for. */
export interface Shown {
  /** The payload as its sender wrote it; null when it was removed. */
  payload: Uint8Array | null
}

/** What stands where a receiver's answer was taken out. */
export const EXPUNGED = 'EXPUNGED'

export interface Log {
  /** By id, or by the sender's event id. */
  findMessage(appId: AppId, idOrEventId: string): Promise<MessageInfo | null>
  /** The payload as its sender wrote it, which may be another than the delivered one; null when it was removed. */
  getShownPayload(appId: AppId, id: MessageId): Promise<Uint8Array | null>
  /** Ordered by id. Payloads come along when `withContent`. */
  listMessages(filter: MessageFilter, page: Keyset, withContent: boolean): Promise<(MessageInfo & Shown)[]>
  /** Ordered by id. */
  listAttempts(filter: AttemptFilter, page: Keyset): Promise<Attempt[]>
  getAttempt(appId: AppId, msgId: MessageId, id: AttemptId): Promise<Attempt | null>
  /** Messages that were tried at this endpoint at least once, ordered by message id; `status` null is all of them. */
  listAttemptedMessages(
    filter: MessageFilter & { endpointId: EndpointId; status: readonly DeliveryStatus[] | null },
    page: Keyset,
    withContent: boolean,
  ): Promise<(AttemptedMessage & Shown)[]>
  /** Endpoints at which the message was tried, deleted ones included, ordered by endpoint id. */
  listAttemptedEndpoints(appId: AppId, msgId: MessageId, page: Keyset): Promise<AttemptedEndpoint[]>
  /** Deliveries of messages accepted from `since` up to before `until`, counted by status. */
  countDeliveries(query: {
    appId: AppId
    endpointId: EndpointId
    since: number
    until: number
  }): Promise<Record<DeliveryStatus, number>>
  /**
   * Takes the payload away for good and cancels what waits for its delivery. Null when there is no such message. `heldBy`: nodes
   * that hold deliveries of it, waiting in their memory or under way; the others are told.
   */
  expungeMessage(appId: AppId, id: MessageId): Promise<{ heldBy: string[] } | null>
  /** The nodes that hold deliveries of this message. */
  holdersOf(appId: AppId, id: MessageId): Promise<string[]>
  /** Messages that were expunged in the last so many ms while somebody held deliveries of them. */
  recentlyExpunged(withinMs: number): Promise<MessageId[]>
  /** Replaces what the receiver answered by `EXPUNGED`. False when the message has no such attempt. */
  expungeAttempt(appId: AppId, msgId: MessageId, id: AttemptId): Promise<boolean>
}
