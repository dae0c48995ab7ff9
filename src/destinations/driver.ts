import type { Outcome } from '../domain/delivery.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { Message } from '../domain/message.ts'

/** The request that a driver gets: one message for one endpoint. */
export interface DeliveryRequest {
  endpoint: Endpoint
  message: Pick<Message, 'id' | 'eventId' | 'eventType' | 'contentType' | 'receivedAt' | 'payload' | 'hops'>
  /** Start of this attempt, ms since the epoch. */
  at: number
  /** Time-out of the whole attempt, from resolving the name to the last byte, ms. */
  timeoutMs: number
}

/** Hands a message over to one kind of destination. */
export interface Driver extends AsyncDisposable {
  /** The kind of destination that it is for. */
  readonly kind: string
  /**
   * Makes one attempt, which ends within the time-out. A failure is a value, never an exception. Disposing ends all
   * attempts.
   */
  deliver(request: DeliveryRequest): Promise<Outcome>
}
