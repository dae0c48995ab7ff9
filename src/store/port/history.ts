/** The history of messages: deliveries and their attempts. */
import type { Attempt, AttemptOutcome } from '../../domain/attempt.ts'
import type { DeliveryInfo, DeliveryState, MessageStatus } from '../../domain/delivery.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { AppId, AttemptId, EndpointId, MessageId } from '../../domain/ids.ts'
import type { MessageInfo } from '../../domain/message.ts'
import type { MessageFilter, Shown } from './messages.ts'
import type { Keyset } from './page.ts'

export interface AttemptFilter extends MessageFilter {
  /** Attempts of this endpoint, of this message, or of both; at least one is given. */
  endpointId: EndpointId | null
  msgId: MessageId | null
  /** Attempts with one of these outcomes; null is all, an empty list is none. */
  outcomes: readonly AttemptOutcome[] | null
  /** Codes from the first up to below the second; an attempt without an answer has code 0. */
  statusCodes: { from: number; below: number } | null
}

/** The filter for all attempts of an endpoint or of a message, except for the members that are given. */
export const attemptsWith = (given: Pick<AttemptFilter, 'appId'> & Partial<AttemptFilter>): AttemptFilter => ({
  from: null,
  until: null,
  eventTypes: null,
  channel: null,
  tag: null,
  endpointId: null,
  msgId: null,
  outcomes: null,
  statusCodes: null,
  ...given,
})

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

export interface DeliveryFilter {
  appId: AppId
  status: MessageStatus | null
  endpointId: EndpointId | null
  eventType: string | null
  /** Lowest message id in the list; '' is no bound. */
  from: string
}

/** A place in the list. Rows are ordered by message id and then by endpoint id, both descending. */
export interface DeliveryPlace {
  msgId: string
  /** '' comes after all deliveries of the message. */
  endpointId: string
}

export interface ListedDelivery {
  msgId: MessageId
  eventType: string
  receivedAt: number
  /** Null for a message without deliveries, which is one row. */
  delivery: DeliveryInfo | null
}

/** `walkMax`: entries of an index that are looked at for one page. */
export interface DeliveryPageQuery {
  limit: number
  after: DeliveryPlace | null
  walkMax: number
}

export interface DeliveryPage {
  /** May be fewer than `limit`, or none, before the end too: only `next` says whether there is more. */
  rows: ListedDelivery[]
  /** The place after which the next page begins; null at the end. */
  next: DeliveryPlace | null
}

/** Takes the place of a receiver's answer that was removed. */
export const EXPUNGED = 'EXPUNGED'

export interface History {
  deliveriesOf(appId: AppId, id: MessageId): Promise<DeliveryInfo[]>
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
  /** Deliveries, and messages without any, newest first. */
  listDeliveries(filter: DeliveryFilter, page: DeliveryPageQuery): Promise<DeliveryPage>
  /** Deliveries of messages accepted from `since` up to before `until`, counted by status. */
  countDeliveries(query: {
    appId: AppId
    endpointId: EndpointId
    since: number
    until: number
  }): Promise<Record<DeliveryStatus, number>>
  /** Replaces the receiver's answer by `EXPUNGED`. False when the message has no such attempt. */
  expungeAttempt(appId: AppId, msgId: MessageId, id: AttemptId): Promise<boolean>
}
