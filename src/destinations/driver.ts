import type { Outcome } from '../domain/delivery.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { Message } from '../domain/message.ts'

/** What a driver is asked to hand over. */
export interface DeliveryRequest {
  endpoint: Endpoint
  message: Pick<Message, 'id' | 'eventId' | 'eventType' | 'contentType' | 'receivedAt' | 'payload' | 'hops'>
  /** When this attempt starts, ms since the epoch. */
  at: number
  /** For the whole attempt, from resolving the name to the last byte. */
  timeoutMs: number
}

/** How to hand a message over to a kind of destination. */
export interface Driver extends AsyncDisposable {
  /** The kind of destination that it is for. */
  readonly kind: string
  /** One attempt. It ends within the time-out; a failure is a value, never an exception. Disposing ends all attempts at once. */
  deliver(request: DeliveryRequest): Promise<Outcome>
}
