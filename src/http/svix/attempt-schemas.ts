/** An attempt, and the state of a delivery, as the Svix API writes them. */
import { z } from 'zod'
import type { Attempt } from '../../domain/attempt.ts'
import type { DeliveryStatus } from '../../store/port/history.ts'
import { named, onWire } from '../described.ts'
import { Instant, instant } from '../schemas.ts'
import { MessageOut } from './messages.ts'

/** The API's numbers and words. `canceled` is newer than many clients: they see a failure unless they ask for it. */
export const STATUS: Readonly<Record<DeliveryStatus, number>> = {
  success: 0,
  pending: 1,
  fail: 2,
  sending: 3,
  canceled: 4,
}

const MessageStatus = named(
  'MessageStatusCode',
  onWire(z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3), z.literal(4)]), {
    type: 'integer',
    enum: [0, 1, 2, 3, 4],
  }),
)
export const statusMembers = {
  status: MessageStatus,
  statusText: named('MessageStatusText', z.enum(['success', 'pending', 'fail', 'sending', 'canceled'])),
}

export function statusOf(status: DeliveryStatus, isExpanded: boolean) {
  const shown = status === 'canceled' && !isExpanded ? 'fail' : status
  return { status: STATUS[shown], statusText: shown }
}

export const AttemptOut = named(
  'MessageAttemptOut',
  z.object({
    id: z.string(),
    msgId: z.string(),
    endpointId: z.string(),
    url: z.string(),
    response: z.string(),
    responseStatusCode: z.number().int(),
    responseDurationMs: z.number().int(),
    ...statusMembers,
    triggerType: named(
      'MessageAttemptTriggerType',
      onWire(z.union([z.literal(0), z.literal(1)]), { type: 'integer', enum: [0, 1] }),
    ),
    timestamp: Instant,
    msg: MessageOut.optional().describe('The message, with `with_msg`'),
  }),
)

export const toAttemptOut = (attempt: Attempt, withContent: boolean) => ({
  url: attempt.url,
  // Without an answer, the error is the next best text.
  response: withContent ? (attempt.response ?? attempt.error ?? '') : '{}',
  responseStatusCode: attempt.statusCode ?? 0,
  responseDurationMs: attempt.durationMs,
  ...statusOf(attempt.outcome === 'success' ? 'success' : 'fail', false),
  triggerType: attempt.trigger === 'manual' ? 1 : 0,
  msgId: attempt.msgId,
  endpointId: attempt.endpointId,
  id: attempt.id,
  timestamp: instant(attempt.at),
})

/** The attempt as JSON text. Its message, which is a text already, is included when the client asks for it. */
export function attemptJson(attempt: Attempt, withContent: boolean, messageText: string | null): string {
  const json = JSON.stringify(toAttemptOut(attempt, withContent))
  return messageText === null ? json : `${json.slice(0, -1)},"msg":${messageText}}`
}
