/** The list of deliveries. */
import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { eventTypeFrom, eventTypeProblem } from '../domain/event-filter.ts'
import { listDeliveries } from '../manage/list-deliveries.ts'
import { urlText } from './bounded.ts'
import type { HttpContext, Server } from './context.ts'
import { deliveryCursor, NextCursor, toDeliveryCursor } from './cursors.ts'
import { ListedDelivery, Status, toDelivery } from './delivery-schemas.ts'
import { named, onWire } from './described.ts'
import { sinceParameter } from './instants.ts'
import { instant, limitParameter, toEndpointId, ValidationRefusal } from './schemas.ts'

const LIST_MAX = 250

const DeliveryList = named('DeliveryList', z.object({ data: z.array(ListedDelivery), next_cursor: NextCursor }))

const subscriptionParameter = onWire(
  urlText().transform((given, ctx) => {
    const id = toEndpointId(given)
    if (id !== null) return id
    ctx.addIssue('is neither the id of a subscription, ep_…, nor svix')
    return z.NEVER
  }),
  { type: 'string' },
)

/** The type in the sender's words: characters that event types do not allow are replaced as they were at acceptance. */
const eventTypeParameter = onWire(
  urlText().transform((given, ctx) => {
    const eventType = eventTypeFrom(given)
    const problem = eventTypeProblem(eventType)
    if (problem === null) return eventType
    ctx.addIssue(problem)
    return z.NEVER
  }),
  { type: 'string' },
)

export function deliveryListRoutes(app: Server, { store, cache }: HttpContext): void {
  const appId = DEFAULT_APP
  app.get(
    '/deliveries',
    {
      config: { management: true },
      schema: {
        tags: ['deliveries'],
        security: [{ management: [] }],
        operationId: 'listDeliveries',
        summary: 'List deliveries, newest first',
        description:
          'One row for each subscription that a message goes to, and one for a message without any (`filtered`). The rest of the list: ask ' +
          'again with `cursor=` and the `next_cursor` of the page, until that is null. Where few rows match, a page may have fewer than ' +
          '`limit`, or none, although there are more.',
        querystring: z.object({
          status: Status.optional(),
          subscription_id: subscriptionParameter
            .optional()
            .describe('Of this subscription, also a deleted one; `svix` is the Svix destination of notifications'),
          event_type: eventTypeParameter.optional().describe('Exactly this event type'),
          since: sinceParameter.optional().describe('Received at this instant or later'),
          limit: limitParameter(50, LIST_MAX),
          cursor: deliveryCursor,
        }),
        response: { 200: DeliveryList, 422: ValidationRefusal },
      },
    },
    async (request): Promise<z.infer<typeof DeliveryList>> => {
      const { status, subscription_id, event_type, since, limit, cursor } = request.query
      const { rows, next } = await listDeliveries(store, {
        appId,
        status: status ?? null,
        endpointId: subscription_id ?? null,
        eventType: event_type ?? null,
        since: since ?? null,
        limit,
        after: cursor ?? null,
      })
      const data = rows.map(async ({ msgId, eventType, receivedAt, delivery }) => {
        const message = { message_id: msgId, event_type: eventType, received_at: instant(receivedAt) }
        if (delivery !== null)
          return { ...message, ...toDelivery(delivery, await cache.get(appId, delivery.endpointId)) }
        return { ...message, ...NO_DELIVERY }
      })
      return { data: await Promise.all(data), next_cursor: next === null ? null : toDeliveryCursor(next) }
    },
  )
}

const NO_DELIVERY = {
  subscription_id: null,
  target_url: null,
  status: 'filtered' as const,
  attempts: 0,
  next_attempt_at: null,
  last_attempt_at: null,
}
