import { z } from 'zod'
import type { Receipt } from '../flow/accept.ts'
import { GatewayError } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import { ingestTo, ingestToAll } from '../flow/flow.ts'
import { text, urlText, wholeBody } from './bounded.ts'
import type { HttpContext, Server } from './context.ts'
import { answerHandshakes } from './handshake.ts'
import { named, onWire, withExample } from './described.ts'
import { count, Refusal, saidEventType, toId, ValidationRefusal } from './schemas.ts'
import { rawOf } from './validation.ts'

const Queued = named(
  'Receipt',
  z.object({
    id: z.string().meta({ example: 'msg_2p1dTq0vAc3m5n7R9sXyZbCdEfG' }),
    status: z
      .enum(['queued', 'filtered', 'disabled'])
      .describe('`filtered`: nobody wants the event type; `disabled`: the subscription is. Retry delivers it later'),
    deliveries: count,
  }),
)

const EventTypeQuery = z.object({
  event_type: saidEventType
    .optional()
    .meta({ example: 'order.paid' })
    .describe('The event type, unless X-Event-Type names it'),
})

/** For the document. `receive` and `verify` read these headers together with the body. */
const IngestHeaders = z.object({
  'x-event-type': saidEventType.optional().describe('The event type'),
  'x-hub-signature-256': onWire(urlText(), { type: 'string', pattern: '^sha256=[0-9a-fA-F]{64}$' })
    .optional()
    .describe('`sha256=` and hex, over the body'),
  'webhook-signature': urlText()
    .optional()
    .describe('Of Standard Webhooks, with webhook-timestamp and webhook-id, instead of X-Hub-Signature-256'),
  'webhook-timestamp': urlText().optional().describe('Seconds since 1970, at most five minutes from now'),
  'idempotency-key': text({ max: LIMITS.idempotencyKeyCharsMax })
    .min(1)
    .optional()
    .describe('A repeat of the key gets the first answer'),
  'x-github-delivery': text({ max: LIMITS.idempotencyKeyCharsMax })
    .optional()
    .describe('Counts as the Idempotency-Key where there is none; README.md lists the others that do'),
  'webhook-id': text({ max: LIMITS.idempotencyKeyCharsMax }).optional().describe('Likewise, and as svix-id'),
})

const AnyJson = wholeBody(
  withExample({ order_id: 'o1', total: 9.9 }, z.unknown().describe('Any JSON; it is delivered byte for byte')),
)

const answers = {
  202: Queued,
  401: Refusal,
  413: Refusal,
  422: ValidationRefusal,
  503: Refusal,
  508: Refusal,
}

const answer = (receipt: Receipt & { isDisabled?: boolean }): z.infer<typeof Queued> => ({
  id: receipt.messageId,
  status: receipt.deliveries > 0 ? 'queued' : receipt.isDisabled === true ? 'disabled' : 'filtered',
  deliveries: receipt.deliveries,
})

export function ingestRoutes(app: Server, { inbound }: HttpContext): void {
  for (const url of ['/ingest', '/ingest/:subscription_id']) answerHandshakes(app, url)

  app.post(
    '/ingest/:subscription_id',
    {
      config: { management: false, events: true, rawBody: true },
      schema: {
        tags: ['ingest'],
        operationId: 'ingestToSubscription',
        summary: 'Accept an event for one subscription',
        description:
          "The event type comes from X-Event-Type, event_type, a provider's header such as X-GitHub-Event, or ce-type, else it is " +
          '`webhook`. A subscription with a secret needs `X-Hub-Signature-256: sha256=<hex HMAC-SHA256 of the body>`, or the ' +
          'signature of Standard Webhooks. With an `Idempotency-Key`, `X-GitHub-Delivery`, `webhook-id` and the like a repeat gets ' +
          'the first answer and stores nothing.',
        params: z.object({ subscription_id: urlText() }),
        querystring: EventTypeQuery,
        headers: IngestHeaders,
        body: AnyJson,
        response: { ...answers, 404: Refusal },
      },
    },
    async (request, reply) => {
      const id = toId('ep', request.params.subscription_id)
      if (id === null) throw new GatewayError('subscription_not_found')
      return reply.code(202).send(answer(await ingestTo(inbound, id, rawOf(request), request.query)))
    },
  )

  app.post(
    '/ingest',
    {
      config: { management: true, events: true, rawBody: true },
      schema: {
        tags: ['ingest'],
        operationId: 'ingest',
        summary: 'Accept an event for every subscription that wants its type',
        description: 'Something has to name the event type. Otherwise as for one subscription.',
        security: [{ management: [] }],
        querystring: EventTypeQuery,
        headers: IngestHeaders.omit({
          'x-hub-signature-256': true,
          'webhook-signature': true,
          'webhook-timestamp': true,
        }),
        body: AnyJson,
        response: answers,
      },
    },
    async (request, reply) => reply.code(202).send(answer(await ingestToAll(inbound, rawOf(request), request.query))),
  )
}
