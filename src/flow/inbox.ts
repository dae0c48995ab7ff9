/** The way of an event through `/webhook`, the inbox: from its signature to the answer. */
import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { GatewayError } from '../domain/errors.ts'
import {
  INBOX_KEY_CHARS_MAX,
  INBOX_TEXT_CODE_POINTS_MAX,
  type InboxMessage,
  TIMESTAMP,
  timestampProblem,
} from '../domain/inbox.ts'
import { inboxHmac } from '../sources/inbox-hmac.ts'
import { accept } from './accept.ts'
import type { InboundContext } from './flow.ts'
import { inflated } from './inflated.ts'
import { parseJson, type RawRequest } from './receive.ts'
import { route } from './route.ts'
import { IN_PLAIN_WORDS, toIssues } from './validate.ts'

/** The event type of a message that came in for the first time. */
export const INBOX_EVENT_TYPE = 'message.received'

/** Longest timestamp: with 32 digits of a second. */
const TIMESTAMP_CHARS_MAX = 53
const TEXT_TOO_LONG = `has more than ${INBOX_TEXT_CODE_POINTS_MAX} characters`

/**
 * A text that can be stored and compared as it is: half of a surrogate pair would silently become another character.
 */
const wellFormed = z.string().refine((text) => text.isWellFormed(), 'contains half of a surrogate pair')
const key = wellFormed.min(1, { error: 'must not be empty', abort: true }).max(INBOX_KEY_CHARS_MAX)
const phoneNumber = key
  .regex(/^\+[0-9]+$/, 'has to be a plus sign and digits, such as +919876543210')
  .meta({ minLength: 2 })

export const InboxBody = z.object({
  message_id: key.meta({ example: 'm1' }),
  from: phoneNumber.meta({ example: '+919876543210' }),
  to: phoneNumber.meta({ example: '+14155550100' }),
  ts: z
    .string()
    .max(TIMESTAMP_CHARS_MAX, { abort: true })
    .superRefine((text, ctx) => {
      const problem = timestampProblem(text)
      if (problem !== null) ctx.addIssue(problem)
    })
    .meta({ format: 'date-time', pattern: TIMESTAMP.source, example: '2025-01-15T10:00:00Z' }),
  text: wellFormed
    // A code point is one or two units.
    .max(2 * INBOX_TEXT_CODE_POINTS_MAX, { error: TEXT_TOO_LONG, abort: true })
    .refine((text) => codePoints(text) <= INBOX_TEXT_CODE_POINTS_MAX, TEXT_TOO_LONG)
    // JSON Schema counts code points.
    .meta({ maxLength: INBOX_TEXT_CODE_POINTS_MAX, example: 'Hello' })
    .nullish(),
})

const codePoints = (text: string): number => {
  // A code point is one or two units, so most texts need not be counted.
  if (text.length <= INBOX_TEXT_CODE_POINTS_MAX) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

export interface InboxResult {
  duplicate: boolean
}

/**
 * Verifies, checks and stores an inbox message, and publishes it to the subscriptions that want it, all in one
 * transaction. `seen` learns the message id as soon as it is known, for the log. Throws `webhook_secret_missing`,
 * `invalid_signature`, `validation`, or a 503.
 */
export async function takeIntoInbox(
  context: InboundContext,
  request: RawRequest,
  secret: string | null,
  seen: (messageId: string) => void,
): Promise<InboxResult> {
  if (secret === null) throw new GatewayError('webhook_secret_missing')
  const now = context.clock.now()
  if (inboxHmac(request, [secret], now) !== null) throw new GatewayError('invalid_signature')

  const { body } = await inflated(context.inflater, request)
  const row = parse(parseJson(body), now, seen)
  const candidates = await context.cache.ofApplication(DEFAULT_APP)
  const event = { eventType: INBOX_EVENT_TYPE, channels: null, audience: 'named' as const }
  const receipt = await accept(
    context,
    {
      ...event,
      appId: DEFAULT_APP,
      contentType: 'application/json',
      eventId: null,
      body,
      hops: request.hops,
      idempotency: null,
      projected: { into: 'inbox', row },
      endpoints: route(candidates, event),
    },
    now,
  )
  return { duplicate: receipt.duplicate }
}

function parse(value: unknown, now: number, seen: (messageId: string) => void): InboxMessage {
  const id = (value as { message_id?: unknown } | null)?.message_id
  if (typeof id === 'string' && id.length <= INBOX_KEY_CHARS_MAX) seen(id)
  const parsed = InboxBody.safeParse(value, IN_PLAIN_WORDS)
  if (!parsed.success) {
    const issues = parsed.error.issues.flatMap((issue) => toIssues(issue, 'body', value))
    throw new GatewayError('validation', { issues })
  }
  const { message_id: messageId, from, to, ts, text } = parsed.data
  return { messageId, from, to, ts, text: text ?? null, createdAt: now }
}
