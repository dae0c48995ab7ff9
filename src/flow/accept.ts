/**
 * Accepts events: de-duplicate, store, enqueue, in one transaction. When the call returns, the event survives anything,
 * and only then may the sender be told. The insert itself leases the deliveries for which this node has room, and those
 * start from memory. The other deliveries are due in the store.
 */
import { type Audience, type Candidate, isHeld } from '../domain/endpoint.ts'
import type { DeliveryKey } from '../domain/delivery.ts'
import { OutcomeUnknown } from '../domain/errors.ts'
import type { AppId, Ids, MessageId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import type { Message } from '../domain/message.ts'
import type { Projected } from '../domain/projected.ts'
import type { Answer } from '../store/port/answers.ts'
import type { Acceptance } from '../store/port/accept.ts'
import type { LeasedDelivery, Queue } from '../store/port/queue.ts'
import type { Observer } from '../telemetry/events.ts'

/** The dispatcher, as accepting sees it. */
export interface Handoff {
  readonly owner: string
  /** Room in memory for one delivery of `bytes` to this endpoint; false when it has to wait in the store. */
  reserve(endpoint: Candidate, bytes: number): boolean
  /** Uses the room: the delivery is committed and leased to `owner`. */
  start(delivery: LeasedDelivery): void
  /** Gives the room back: the delivery was not stored. */
  unreserve(endpoint: Candidate, bytes: number): void
  /**
   * Reports deliveries that may be stored and leased to `owner`: the result of the write is unknown. The room is given
   * back separately.
   */
  doubt(leases: readonly (DeliveryKey & { tries: number })[]): void
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
  /**
   * The message's id, set when the sender's answer has to name the message before it is stored; otherwise an id is
   * made.
   */
  id?: MessageId
  eventType: string
  channels: string[] | null
  audience: Audience
  contentType: string
  eventId: string | null
  body: Uint8Array
  /** `hops` of the message. */
  hops: number
  /** Facts of a message that only the Svix API can set, not the plain routes. */
  more?: MoreOfMessage
  /** `windowMs`: longest time that a repeat is recognised; without it, as long as the message is kept. */
  idempotency: { scope: string; key: string; windowMs?: number | null } | null
  /** A row that the event adds to a table of its own. */
  projected?: Projected
  endpoints: readonly Candidate[]
}

export interface MoreOfMessage {
  tags: string[] | null
  /** The payload as the sender is shown it, when it differs from the body. */
  shownPayload: Uint8Array | null
  /** Shortest time that the payload is kept; null is the gateway's `MESSAGE_RETENTION`. */
  retentionMs: number | null
  /** First attempts are due at this time, if it is later than now. */
  deliverAt: number | null
  /** The answer to repeats of the request, stored with the message. */
  answer: Answer | null
}

export interface Receipt {
  /** The request was answered before, and nothing is stored now: the first answer is in the store. */
  replayed: boolean
  messageId: MessageId
  deliveries: number
  duplicate: boolean
  /** The message as it was to be stored; a duplicate is not stored. */
  message: Message
}

/** Stores the event and its deliveries; rejects with a 503 of the catalogue when nothing was stored. */
export async function accept(context: AcceptContext, event: NewEvent, now: number): Promise<Receipt> {
  const [receipt] = await acceptAll(context, [event], now)
  return receipt!
}

/**
 * Accepts all of the events or none, in one transaction. An event that is repeated among them is a duplicate like any
 * other.
 */
export async function acceptAll(context: AcceptContext, events: readonly NewEvent[], now: number): Promise<Receipt[]> {
  const { queue, handoff, observer } = context
  const offers = events.map((event) => offer(context, event, now))
  const giveBack = ({ reserved, acceptance }: Offer) => {
    for (const endpoint of reserved) handoff.unreserve(endpoint, acceptance.message.payload.byteLength)
  }

  const receipts = await queue.accept(offers.map((one) => one.acceptance)).catch((error: unknown) => {
    offers.forEach(giveBack)
    if (error instanceof OutcomeUnknown)
      handoff.doubt(offers.flatMap((one) => [...one.reserved].map((endpoint) => leased(one, endpoint))))
    throw error
  })
  receipts.forEach((receipt, i) => {
    const one = offers[i]!
    if (receipt.duplicate) giveBack(one)
    else handOver(handoff, one)
    observer.accepted({ duplicate: receipt.duplicate, deliveries: receipt.deliveries })
  })
  return receipts.map((receipt, i) => ({ ...receipt, message: offers[i]!.acceptance.message }))
}

/** An event in the form of the store, and the endpoints for whose deliveries there is room in memory. */
interface Offer {
  acceptance: Acceptance
  /** The endpoints of the deliveries, in their order. */
  endpoints: readonly Candidate[]
  reserved: ReadonlySet<Candidate>
  leaseUntil: number
}

function offer({ handoff, ids, messageRetentionMs }: AcceptContext, event: NewEvent, now: number): Offer {
  const { appId, eventId, eventType, channels, contentType, body: payload, hops, idempotency, projected, more } = event
  const isLater = (more?.deliverAt ?? 0) > now
  const reserved = new Set(
    isLater ? [] : event.endpoints.filter((endpoint) => handoff.reserve(endpoint, payload.byteLength)),
  )
  const lease = { owner: handoff.owner, until: now + LIMITS.leaseMs }
  const message: Message = {
    appId,
    id: event.id ?? ids.next('msg', now),
    eventId,
    eventType,
    channels,
    audience: event.audience,
    tags: more?.tags ?? null,
    contentType,
    receivedAt: now,
    deliverAt: more?.deliverAt ?? null,
    expiresAt: now + (more?.retentionMs ?? messageRetentionMs),
    payload,
    shownPayload: more?.shownPayload ?? null,
    hops,
  }
  const acceptance: Acceptance = {
    message,
    deliveries: event.endpoints.map((endpoint) => ({
      endpointId: endpoint.id,
      lease: reserved.has(endpoint) ? lease : null,
      dueAt: Math.max(now, isHeld(endpoint) ? 0 : (endpoint.pausedUntil ?? 0), more?.deliverAt ?? 0),
    })),
    idempotency: idempotency && {
      scope: idempotency.scope,
      key: idempotency.key,
      expiresAt: Math.min(message.expiresAt, now + (idempotency.windowMs ?? Number.POSITIVE_INFINITY)),
    },
    ...(projected === undefined ? {} : { projected }),
    answer: more?.answer ?? null,
  }
  return { acceptance, endpoints: event.endpoints, reserved, leaseUntil: lease.until }
}

function handOver(handoff: Handoff, one: Offer): void {
  const { acceptance, endpoints, reserved } = one
  for (const endpoint of reserved) handoff.start(leased(one, endpoint))
  // The time is not simply now: for a paused endpoint that would cause a claim for every message, and the claim would
  // find nothing.
  acceptance.deliveries.forEach(({ lease, dueAt }, i) => {
    if (lease === null && !isHeld(endpoints[i]!)) handoff.noteDue(dueAt)
  })
}

const leased = ({ acceptance: { message }, leaseUntil }: Offer, endpoint: Candidate): LeasedDelivery => ({
  appId: message.appId,
  msgId: message.id,
  endpointId: endpoint.id,
  run: 0,
  tries: 0,
  spared: 0,
  lastAttemptAt: null,
  leaseUntil,
  eventId: message.eventId,
  eventType: message.eventType,
  contentType: message.contentType,
  receivedAt: message.receivedAt,
  payload: message.payload,
  hops: message.hops,
})
