import type { Audience } from './endpoint.ts'
import type { AppId, MessageId } from './ids.ts'

/** An accepted event: immutable, addressed to one application. The payload is the bytes as they came. */
export interface Message {
  appId: AppId
  id: MessageId
  /** The sender's own identity of the event, unique in the application for ever; null when the sender gave none. */
  eventId: string | null
  eventType: string
  channels: string[] | null
  /** Channels of the endpoints that may get the message, now or when it is replayed. */
  audience: Audience
  /** Tags to find the message by. */
  tags: string[] | null
  contentType: string
  receivedAt: number
  /** Time from which the sender wanted first attempts; null is immediately. */
  deliverAt: number | null
  /** Time from which the payload may be removed, if all deliveries are final by then. */
  expiresAt: number
  payload: Uint8Array
  /** The payload as its sender wrote it, when another form is delivered; null when both are the same. */
  shownPayload: Uint8Array | null
  /** Number of Hookferry deliveries that the event has been through; 0 when the sender is no Hookferry. */
  hops: number
}

/** A message as read back. Its payload is read separately, because it may be large or removed. */
export type MessageInfo = Omit<Message, 'payload' | 'shownPayload' | 'hops' | 'audience'> & { payloadRemoved: boolean }
