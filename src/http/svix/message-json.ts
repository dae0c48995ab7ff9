/** Messages as the Svix API shows them. */
import type { MessageInfo } from '../../domain/message.ts'
import { instant } from '../schemas.ts'

const EXPIRED = '{"expired":true}'

/** The shown part of a payload: nothing when the client did not ask for it, a note when it is gone. */
export const shownPayload = (withContent: boolean, bytes: Uint8Array | null): string =>
  withContent ? (bytes === null ? EXPIRED : Buffer.from(bytes).toString('utf8')) : '{}'

/**
 * The message as JSON text. The payload is inserted unchanged: a new serialisation would change numbers and spacing.
 */
export function messageJson(
  message: Omit<MessageInfo, 'payloadRemoved'>,
  payloadJson: string,
  more: Record<string, unknown> = {},
): string {
  const head = JSON.stringify({ eventId: message.eventId, eventType: message.eventType })
  const tail = JSON.stringify({
    channels: message.channels,
    id: message.id,
    timestamp: instant(message.receivedAt),
    ...(message.tags === null ? {} : { tags: message.tags }),
    ...(message.deliverAt === null ? {} : { deliverAt: instant(message.deliverAt) }),
    ...more,
  })
  return `${head.slice(0, -1)},"payload":${payloadJson},${tail.slice(1)}`
}
