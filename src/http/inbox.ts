import { z } from 'zod'
import { GatewayError } from '../domain/errors.ts'
import { TIMESTAMP, timestampProblem } from '../domain/inbox.ts'
import { InboxBody, takeIntoInbox } from '../flow/inbox.ts'
import type { InboxLine } from '../telemetry/events.ts'
import { text, urlText } from './bounded.ts'
import type { HttpContext, Server } from './context.ts'
import { named, onWire } from './described.ts'
import { count, limitParameter, offsetParameter, Ok, Refusal, ValidationRefusal } from './schemas.ts'
import { rawOf } from './validation.ts'

const InboxMessage = named(
  'InboxMessage',
  z.object({
    message_id: z.string(),
    from: z.string(),
    to: z.string(),
    ts: z.string(),
    text: z.string().nullable(),
  }),
)

const SENDER = /^\+[0-9]+$/

/** A raw `+` in a query string arrives as a space, and a number begins with no other character. */
const senderParameter = urlText()
  .transform((text) => text.replace(/^ /, '+'))
  .pipe(urlText().regex(SENDER, 'has to be a plus sign (in a URL also as %2B) and digits'))

const InboxMessageInput = named('InboxMessageInput', InboxBody)
const InboxHeaders = z.object({
  'x-signature': onWire(urlText(), { type: 'string', pattern: '^[0-9a-fA-F]{64}$' }).describe('Hex, over the body'),
})

const Query = z.object({
  limit: limitParameter(50, 100),
  offset: offsetParameter,
  from: onWire(senderParameter, { type: 'string', pattern: SENDER.source })
    .optional()
    .meta({ description: 'Exactly this sender', example: '+919876543210' }),
  since: onWire(urlText(), { type: 'string', format: 'date-time', pattern: TIMESTAMP.source })
    .superRefine((text, ctx) => {
      const problem = timestampProblem(text)
      if (problem !== null) ctx.addIssue(problem)
    })
    .optional()
    .meta({ description: 'This instant or later', example: '2025-01-15T09:30:00Z' }),
  q: text({ max: 4_096 }).optional().describe('A part of the text, in whatever case'),
})

const Stats = named(
  'InboxStats',
  z.object({
    total_messages: count,
    senders_count: count,
    messages_per_sender: z
      .array(named('SenderCount', z.object({ from: z.string(), count })))
      .describe('The ten with the most'),
    first_message_ts: z.string().nullable(),
    last_message_ts: z.string().nullable(),
  }),
)

const InboxMessageList = named(
  'InboxMessageList',
  z.object({ data: z.array(InboxMessage), total: count, limit: count, offset: count }),
)

/** The outcome of a refused request, as the log and the metrics name it. */
function resultOf(error: unknown): InboxLine['result'] {
  if (error instanceof GatewayError && error.code === 'invalid_signature') return 'invalid_signature'
  if (error instanceof GatewayError && error.code === 'validation') return 'validation_error'
  return 'error'
}

export function inboxRoutes(app: Server, { store, secrets, inbound }: HttpContext): void {
  const common = { tags: ['inbox'] }
  const management = { ...common, security: [{ management: [] }] }

  app.post(
    '/webhook',
    {
      config: { management: false, events: true, rawBody: true, inbox: true },
      schema: {
        ...common,
        operationId: 'receiveMessage',
        summary: 'Take in a signed message, exactly once',
        description:
          '`X-Signature` is the hex HMAC-SHA256 of the body with WEBHOOK_SECRET. A `message_id` that is known already is ' +
          'answered the same way and stored once.',
        headers: InboxHeaders,
        body: InboxMessageInput,
        response: {
          200: Ok,
          401: Refusal,
          413: Refusal,
          422: ValidationRefusal,
          503: Refusal,
          508: Refusal,
        },
      },
    },
    async (request) => {
      const line: InboxLine = { dup: false, result: 'error' }
      request.inboxLine = line
      try {
        const { duplicate } = await takeIntoInbox(
          inbound,
          rawOf(request),
          secrets.webhookSecret?.reveal() ?? null,
          (messageId) => {
            line.message_id = messageId
          },
        )
        line.dup = duplicate
        line.result = duplicate ? 'duplicate' : 'created'
        return { status: 'ok' as const }
      } catch (error) {
        line.result = resultOf(error)
        throw error
      }
    },
  )

  app.get(
    '/messages',
    {
      config: { management: true },
      schema: {
        ...management,
        operationId: 'listMessages',
        summary: 'Messages of the inbox, in the order of their times',
        querystring: Query,
        response: {
          200: InboxMessageList,
          401: Refusal,
          422: ValidationRefusal,
        },
      },
    },
    async (request) => {
      const { limit, offset, from, since, q } = request.query
      const search = q === undefined || q === '' ? null : q
      const found = await store.listInbox({ limit, offset, from: from ?? null, since: since ?? null, q: search })
      const data = found.data.map(({ messageId, from, to, ts, text }) => ({
        message_id: messageId,
        from,
        to,
        ts,
        text,
      }))
      return { data, total: found.total, limit, offset }
    },
  )

  app.get(
    '/stats',
    {
      config: { management: true },
      schema: {
        ...management,
        operationId: 'getStats',
        summary: 'Counts of the inbox',
        response: { 200: Stats, 401: Refusal },
      },
    },
    async () => {
      const stats = await store.inboxStats()
      return {
        total_messages: stats.totalMessages,
        senders_count: stats.sendersCount,
        messages_per_sender: stats.messagesPerSender,
        first_message_ts: stats.firstMessageTs,
        last_message_ts: stats.lastMessageTs,
      }
    },
  )
}
