import { attemptsWith } from '../store/port/history.ts'
import { newest } from '../store/port/page.ts'
import { z } from 'zod'
import { DEFAULT_APP } from '../domain/application.ts'
import { type DeliveryInfo, messageStatus } from '../domain/delivery.ts'
import { GatewayError } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import type { MessageInfo } from '../domain/message.ts'
import { resendToAll } from '../manage/resend.ts'
import { urlText } from './bounded.ts'
import type { HttpContext, Server } from './context.ts'
import { named, onWire } from './described.ts'
import { DeliveryStatus, toAttempt, toDelivery } from './delivery-schemas.ts'
import { readBounded } from './page-bytes.ts'
import { count, instant, Refusal, toEndpointId, toId, ValidationRefusal } from './schemas.ts'

const Retried = named('Retried', z.object({ id: z.string(), status: z.literal('queued'), deliveries: count }))

/** A payload may have any type that its sender named. */
const Bytes = {
  description: 'As they came, with the type that came with them',
  content: { '*/*': { schema: onWire(z.instanceof(Buffer), { type: 'string', format: 'binary' }) } },
}

export function deliveryRoutes(app: Server, { store, cache, manage }: HttpContext): void {
  const common = { tags: ['deliveries'], security: [{ management: [] }], params: z.object({ id: urlText() }) }
  const config = { management: true }
  const appId = DEFAULT_APP

  async function find(idText: string): Promise<MessageInfo> {
    const id = toId('msg', idText)
    const message = id && (await store.getMessage(appId, id))
    if (message === null) throw new GatewayError('message_not_found')
    return message
  }

  const describe = async (delivery: DeliveryInfo) => toDelivery(delivery, await cache.get(appId, delivery.endpointId))

  app.get(
    '/deliveries/:id',
    {
      config,
      schema: {
        ...common,
        operationId: 'getDelivery',
        summary: 'What became of a message: its status, deliveries and recent attempts',
        response: { 200: DeliveryStatus, 404: Refusal },
      },
    },
    async (request) => {
      const message = await find(request.params.id)
      // Attempts first: what is settled in between is then missing in the list of attempts, and contradicts nothing.
      const attempts = await store.listAttempts(
        attemptsWith({ appId, msgId: message.id }),
        newest(LIMITS.recentAttempts),
      )
      const deliveries = await store.deliveriesOf(appId, message.id)
      const { rows } = await readBounded<ReturnType<typeof toDelivery>>(deliveries.length, (some, { length }) =>
        Promise.all(deliveries.slice(length, length + some).map(describe)),
      )
      const leftOut = deliveries.length - rows.length
      return {
        id: message.id,
        event_type: message.eventType,
        received_at: instant(message.receivedAt),
        status: messageStatus(deliveries),
        deliveries: rows,
        ...(leftOut > 0 ? { deliveries_left_out: leftOut } : {}),
        attempts: attempts.map(toAttempt),
      }
    },
  )

  app.get(
    '/deliveries/:id/payload',
    {
      config,
      schema: {
        ...common,
        operationId: 'getDeliveryPayload',
        summary: 'The accepted bytes',
        response: { 200: Bytes, 404: Refusal, 410: Refusal },
      },
    },
    async (request, reply) => {
      const message = await find(request.params.id)
      const found = await store.getPayload(appId, message.id)
      if (found === null) throw new GatewayError('payload_removed')
      // The sender chose the type: no browser may treat the payload as a page of this server.
      reply.header('x-content-type-options', 'nosniff').header('content-security-policy', 'sandbox')
      return reply.type(found.contentType).send(Buffer.from(found.payload))
    },
  )

  app.post(
    '/deliveries/:id/retry',
    {
      config,
      schema: {
        ...common,
        operationId: 'retryDelivery',
        summary: 'Make a manual attempt now, for all of its subscriptions or for one',
        description:
          'An extra attempt: it leaves the retry schedule alone, and works on a delivery that has ended. A delivery that is missing is ' +
          'made: the one of `subscription_id` (`svix` for a notification), or, where the message has none, those of subscriptions that ' +
          'name its type.',
        querystring: z.object({ subscription_id: urlText().optional() }),
        response: {
          202: Retried,
          404: Refusal,
          410: Refusal,
          422: ValidationRefusal,
        },
      },
    },
    async (request, reply) => {
      const message = await find(request.params.id)
      if (message.payloadRemoved) throw new GatewayError('payload_removed')
      const named = request.query.subscription_id
      const only = named === undefined ? undefined : toEndpointId(named)
      const deliveries = only === null ? 0 : await resendToAll(manage, message, only)
      if (deliveries === 'expired') throw new GatewayError('payload_removed')
      if (deliveries === 0) throw new GatewayError('delivery_not_found')
      return reply.code(202).send({ id: message.id, status: 'queued' as const, deliveries })
    },
  )
}
