/** Messages to be stored, and everything that a write brings along: stored in the same transaction or not at all. */
import type { EndpointId, MessageId } from '../../domain/ids.ts'
import type { Message } from '../../domain/message.ts'
import type { Projected } from '../../domain/projected.ts'
import type { Answer } from './answers.ts'
import type { Lease } from './lease.ts'

/** A message to be accepted with all that belongs to it, in one transaction. */
export interface Acceptance {
  message: Message
  deliveries: {
    endpointId: EndpointId
    /**
     * The lease that the insert itself gives to the accepting node. Null: due in the store at `dueAt`, for any node.
     */
    lease: Lease | null
    dueAt: number
  }[]
  /** Makes a repeat of the same key within the same scope return the first answer, until `expiresAt`. */
  idempotency: { scope: string; key: string; expiresAt: number } | null
  /** A row for a table of its own. If its key is in that table already, the whole acceptance is a duplicate. */
  projected?: Projected
  /**
   * Stored with the message. If its key is there already, the message is a duplicate of the one that was answered so.
   */
  answer: Answer | null
}

/** `duplicate`: nothing was stored; `messageId` and `deliveries` are those of the first time. */
export interface Accepted {
  duplicate: boolean
  /** The request was answered before under the same key; `messageId` is the new one's and means nothing. */
  replayed: boolean
  messageId: MessageId
  deliveries: number
}

export interface Extras {
  /** Stored when the write is done. If its key is there already, nothing is written: the result is `replayed`. */
  answer: Answer | null
  /** Messages that announce the write, stored when it is done. None of their deliveries is leased. */
  announce: readonly Acceptance[]
}

export interface Accepting {
  /** Stores messages, deliveries and idempotency records: all of `acceptances`, or none. */
  accept(acceptances: readonly Acceptance[]): Promise<Accepted[]>
}
