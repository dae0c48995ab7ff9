import type { Audience } from './endpoint.ts'
import type { AppId, MessageId } from './ids.ts'

/** An accepted event: immutable, addressed to one application. The payload is the bytes as they came. */
export interface Message {
  appId: AppId
  id: MessageId
  /** The sender's own identity of the event, unique in the application for ever; null when it gave none. */
  eventId: string | null
  eventType: string
  channels: string[] | null
  /** Of the endpoints that may get it, now or when it is replayed. */
  audience: Audience
  /** Words to find it by. */
  tags: string[] | null
  contentType: string
  receivedAt: number
  /** When its sender wanted first attempts to be made; null is at once. */
  deliverAt: number | null
  /** When the payload may be removed, provided that all deliveries are final by then. */
  expiresAt: number
  payload: Uint8Array
  /** The payload as its sender wrote it, where something else is delivered; null where it is the same. */
  shownPayload: Uint8Array | null
  /** How many deliveries of Hookferry lie behind it: 0 where its sender is none. */
  hops: number
}

/** A message as read back; its payload is a separate question, for it may be large or gone. */
export type MessageInfo = Omit<Message, 'payload' | 'shownPayload' | 'hops' | 'audience'> & { payloadRemoved: boolean }
