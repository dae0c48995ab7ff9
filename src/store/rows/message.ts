import type { MessageInfo } from '../../domain/message.ts'
import { json, plain, rowOf } from './row-of.ts'

/** A message without its payload. Other tables, or another column, tell whether the payload is still there. */
export const messageRow = rowOf<Omit<MessageInfo, 'payloadRemoved'>>({
  appId: plain('app_id'),
  id: plain('id'),
  eventId: plain('event_id'),
  eventType: plain('event_type'),
  channels: json('channels'),
  tags: json('tags'),
  contentType: plain('content_type'),
  receivedAt: plain('received_at'),
  expiresAt: plain('expires_at'),
  deliverAt: plain('deliver_at'),
})
