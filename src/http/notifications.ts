import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { SVIX_ENDPOINT } from '../domain/endpoint.ts'
import { GatewayError } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import { EVENT_ID_CHARS_MAX } from '../domain/notification.ts'
import { notify } from '../flow/notify.ts'
import { list, text, wholeBody } from './bounded.ts'
import type { HttpContext, Server } from './context.ts'
import { answerHandshakes } from './handshake.ts'
import { named } from './described.ts'
import { count, Refusal, saidEventType, ValidationRefusal } from './schemas.ts'
import { rawOf } from './validation.ts'

const Answer = named(
  'NotificationReceipt',
  z.object({
    accepted: count,
    duplicates: count,
    messages: z.array(
      named('NotificationMessage', z.object({ id: z.string(), event_id: z.string(), duplicate: z.boolean() })),
    ),
    svix: z.literal('not configured').optional().describe('Without SVIX_TOKEN the deliveries to Svix wait for it'),
  }),
)

const Event = wholeBody(
  named(
    'Event',
    z
      .looseObject({ id: text({ max: EVENT_ID_CHARS_MAX }).min(1), type: saidEventType })
      .meta({ example: { id: 'evt_1', type: 'user.created', project: 'acme', data: { user: 'u1' } } }),
  ),
)

const CE_PREFIX = 'ce-'

function cloudEventHeaders(request: FastifyRequest): Record<string, string> {
  // A header may be called ce-__proto__.
  const found = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(request.headers))
    if (name.startsWith(CE_PREFIX) && value !== undefined)
      found[name.slice(CE_PREFIX.length)] = Array.isArray(value) ? value.join(', ') : value
  return found
}

export function notificationRoutes(app: Server, { config, cache, inbound }: HttpContext): void {
  answerHandshakes(app, '/notifications')
  app.post(
    '/notifications',
    {
      config: { management: true, events: true, rawBody: true },
      schema: {
        tags: ['notifications'],
        operationId: 'sendNotifications',
        summary: 'Hand events on to Svix, each of them once',
        description:
          'One event or an array of up to 1000, all accepted or none; or CloudEvents 1.0, structured, binary or as a batch. A ' +
          'repeated event (the same id, with CloudEvents the same source and id) is answered alike and not sent again.',
        security: [{ management: [] }],
        body: z.union([Event, list(Event, { max: LIMITS.notificationsMax })]),
        response: {
          202: Answer,
          401: Refusal,
          413: Refusal,
          422: ValidationRefusal,
          503: Refusal,
          508: Refusal,
        },
      },
    },
    async (request, reply) => {
      if (config.svix === null && config.svixRequired) throw new GatewayError('svix_not_configured')
      const svix = await cache.get(DEFAULT_APP, SVIX_ENDPOINT)
      const notified = await notify(
        inbound,
        { ...rawOf(request), cloudEventHeaders: cloudEventHeaders(request) },
        { endpoint: svix, app: config.svixApp },
      )
      const duplicates = notified.filter((one) => one.duplicate).length
      return reply.code(202).send({
        accepted: notified.length - duplicates,
        duplicates,
        messages: notified.map(({ messageId, eventId, duplicate }) => ({
          id: messageId,
          event_id: eventId,
          duplicate,
        })),
        ...(config.svix === null ? { svix: 'not configured' as const } : {}),
      })
    },
  )
}
