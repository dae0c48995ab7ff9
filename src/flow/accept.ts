/**
 * Accepting: de-duplicate, store, enqueue, in one transaction. When it returns, the event survives anything; only then
 * may the sender be told. Deliveries for which this node has room are leased to it by the insert itself and start from
 * memory; the others are due in the store.
 */
import type { Endpoint } from '../domain/endpoint.ts'
import type { AppId, Ids, MessageId } from '../domain/ids.ts'
import type { InboxMessage } from '../domain/inbox.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Acceptance, LeasedDelivery, Queue } from '../store/store.ts'
import type { Observer } from './observe.ts'

/** The dispatcher, as accepting sees it. */
export interface Handoff {
  readonly owner: string
  /** Room in memory for one delivery of `bytes` to this endpoint; false when it has to wait in the store. */
  reserve(endpoint: Endpoint, bytes: number): boolean
  /** Uses the room: the delivery is committed and leased to `owner`. */
  start(delivery: LeasedDelivery): void
  /** Gives the room back: the delivery was not stored. */
  unreserve(endpoint: Endpoint, bytes: number): void
  /** Something is due in the store at this time. */
  noteDue(at: number): void
}

export interface AcceptContext {
  queue: Queue
  handoff: Handoff
  ids: Ids
  observer: Observer
  messageRetentionMs: number
}

/** An event that is ready to be stored, and the endpoints that get it. */
export interface NewEvent {
  appId: AppId
  eventType: string
  channels: string[] | null
  contentType: string
  eventId: string | null
  body: Uint8Array
  idempotency: { scope: string; key: string } | null
  /** The inbox message that it announces. */
  inbox: InboxMessage | null
  endpoints: readonly Endpoint[]
}

export interface Receipt {
  messageId: MessageId
  deliveries: number
  duplicate: boolean
}

/** Stores the event and its deliveries; rejects with a 503 of the catalogue when nothing was stored. */
export async function accept(context: AcceptContext, event: NewEvent, now: number): Promise<Receipt> {
  const { queue, handoff, ids, observer } = context
  const leaseUntil = now + LIMITS.leaseMs
  const bytes = event.body.byteLength
  const reserved = event.endpoints.filter((endpoint) => handoff.reserve(endpoint, bytes))
  const giveBack = () => {
    for (const endpoint of reserved) handoff.unreserve(endpoint, bytes)
  }

  const acceptance: Acceptance = {
    message: {
      appId: event.appId,
      id: ids.next('msg', now),
      eventId: event.eventId,
      eventType: event.eventType,
      channels: event.channels,
      contentType: event.contentType,
      receivedAt: now,
      expiresAt: now + context.messageRetentionMs,
      payload: event.body,
    },
    deliveries: event.endpoints.map((endpoint) => ({
      endpointId: endpoint.id,
      lease: reserved.includes(endpoint) ? { owner: handoff.owner, until: leaseUntil } : null,
      dueAt: Math.max(now, endpoint.pausedUntil ?? 0),
    })),
    idempotency: event.idempotency && { ...event.idempotency, expiresAt: now + context.messageRetentionMs },
    inbox: event.inbox,
  }

  const accepted = await queue.accept([acceptance]).catch((error: unknown) => {
    giveBack()
    throw error
  })
  const receipt = accepted[0]!
  if (receipt.duplicate) giveBack()
  else {
    for (const endpoint of reserved) handoff.start(leased(acceptance, endpoint, leaseUntil))
    if (reserved.length < event.endpoints.length) handoff.noteDue(now)
  }
  observer.accepted({ duplicate: receipt.duplicate, deliveries: receipt.deliveries })
  return receipt
}

const leased = ({ message }: Acceptance, endpoint: Endpoint, leaseUntil: number): LeasedDelivery => ({
  appId: message.appId,
  msgId: message.id,
  endpointId: endpoint.id,
  run: 0,
  tries: 0,
  leaseUntil,
  eventType: message.eventType,
  contentType: message.contentType,
  receivedAt: message.receivedAt,
  payload: message.payload,
})
