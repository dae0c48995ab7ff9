/** What became of messages: deliveries and their attempts. */
import type { Attempt, AttemptOutcome } from '../../domain/attempt.ts'
import type { DeliveryInfo, DeliveryState, MessageStatus } from '../../domain/delivery.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { AppId, AttemptId, EndpointId, MessageId } from '../../domain/ids.ts'
import type { MessageInfo } from '../../domain/message.ts'
import type { MessageFilter, Shown } from './messages.ts'
import type { Keyset } from './page.ts'

export interface AttemptFilter extends MessageFilter {
  /** Of this endpoint, of this message, or both; at least one is given. */
  endpointId: EndpointId | null
  msgId: MessageId | null
  /** With one of these outcomes; null is all, none of them is none. */
  outcomes: readonly AttemptOutcome[] | null
  /** From the first up to below the second; an attempt without an answer has code 0. */
  statusCodes: { from: number; below: number } | null
}

/** All attempts of an endpoint or of a message, but for what is said otherwise. */
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
  /** The id from which on messages are listed; '' is all. */
  from: string
}

/** A place in the list. Rows are ordered by message id and then by endpoint id, both descending. */
export interface DeliveryPlace {
  msgId: string
  /** '' is behind all deliveries of the message. */
  endpointId: string
}

export interface ListedDelivery {
  msgId: MessageId
  eventType: string
  receivedAt: number
  /** Null for a message without deliveries: it is one row. */
  delivery: DeliveryInfo | null
}

/** `walkMax`: entries of an index that are looked at for one page. */
export interface DeliveryPageQuery {
  limit: number
  after: DeliveryPlace | null
  walkMax: number
}

export interface DeliveryPage {
  /** Fewer than `limit`, or none, also before the end: only `next` says whether there is more. */
  rows: ListedDelivery[]
  /** Behind which the next page begins; null at the end. */
  next: DeliveryPlace | null
}

/** What stands where a receiver's answer was taken out. */
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
  /** Replaces what the receiver answered by `EXPUNGED`. False when the message has no such attempt. */
  expungeAttempt(appId: AppId, msgId: MessageId, id: AttemptId): Promise<boolean>
}
