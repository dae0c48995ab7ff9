/** Accepted messages, and their payloads while they are kept. */
import type { AppId, MessageId } from '../../domain/ids.ts'
import type { MessageInfo } from '../../domain/message.ts'
import type { Keyset } from './page.ts'

/**
 * The filter that lists of messages and of attempts share. `from` and `until` are ids: both exclusive, null is open.
 */
export interface MessageFilter {
  appId: AppId
  from: string | null
  until: string | null
  /** Event types; null is all, an empty list is none. */
  eventTypes: readonly string[] | null
  channel: string | null
  tag: string | null
}

/** The large parts of a row, read only where they are asked for. */
export interface Shown {
  /** The payload as its sender wrote it; null when it was removed. */
  payload: Uint8Array | null
}

export interface Messages {
  getMessage(appId: AppId, id: MessageId): Promise<MessageInfo | null>
  /** Null when the message is unknown or its payload was removed. */
  getPayload(appId: AppId, id: MessageId): Promise<{ payload: Uint8Array; contentType: string } | null>
  /** By id, or by the sender's event id. */
  findMessage(appId: AppId, idOrEventId: string): Promise<MessageInfo | null>
  /** The payload as its sender wrote it, which may be another than the delivered one; null when it was removed. */
  getShownPayload(appId: AppId, id: MessageId): Promise<Uint8Array | null>
  /** Ordered by id. Payloads come along when `withContent`. */
  listMessages(filter: MessageFilter, page: Keyset, withContent: boolean): Promise<(MessageInfo & Shown)[]>
  /**
   * Removes the payload for good and cancels the waiting deliveries of the message. Null when there is no such message.
   * `heldBy`: nodes that hold deliveries of it, waiting in their memory or under way; the other nodes are told.
   */
  expungeMessage(appId: AppId, id: MessageId): Promise<{ heldBy: string[] } | null>
  /** The nodes that hold deliveries of this message. */
  holdersOf(appId: AppId, id: MessageId): Promise<string[]>
  /** Messages that were expunged in the last `withinMs` ms while a node held deliveries of them. */
  recentlyExpunged(withinMs: number): Promise<MessageId[]>
}
