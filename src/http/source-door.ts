/** The doors of sources: they take any bytes, from senders that prove their identity. */
import { z } from 'zod'
import { checkHead, findSource, takeIn } from '../flow/take-in.ts'
import { urlText, wholeBody } from './bounded.ts'
import type { HttpContext, Server } from './context.ts'
import { withExample } from './described.ts'
import { Ok, Refusal } from './schemas.ts'
import { rawOf } from './validation.ts'

const params = z.object({ source: urlText().describe('Name or id of the source') })
const Any = wholeBody(withExample({ id: 'evt_1', type: 'order.paid' }, z.unknown().describe('Any bytes')))

export function doorRoutes(app: Server, { inbound }: HttpContext): void {
  const route = (method: 'POST' | 'PUT' | 'GET', schema: Record<string, unknown>) =>
    app.route<{ Params: { source: string } }>({
      method,
      url: '/in/:source',
      exposeHeadRoute: false,
      config: { management: false, events: true, rawBody: true },
      schema: { ...schema, params },
      // Checked before the body: a sender to no source need not send much.
      async onRequest(request) {
        const source = await findSource(inbound, request.params.source)
        const { 'content-type': contentType, 'content-encoding': encoding } = request.headers
        checkHead(inbound, source, { method: request.method, contentType, encoding })
        request.source = source
      },
      async handler(request, reply) {
        const { status, contentType, body } = await takeIn(inbound, request.source!, rawOf(request))
        return reply
          .code(status)
          .header('x-content-type-options', 'nosniff')
          .header('content-type', contentType)
          .serializer((text: string) => text)
          .send(body)
      },
    })

  route('POST', {
    tags: ['sources'],
    operationId: 'receiveEvent',
    summary: 'Accept an event from the sender of a source',
    description:
      'The signature is checked over the bytes as they came. The answer says what the source was set to say, to an event and to ' +
      'its repeats alike; PUT and GET work where the source takes them.',
    body: Any,
    response: {
      200: Ok,
      401: Refusal,
      404: Refusal,
      405: Refusal,
      413: Refusal,
      415: Refusal,
      503: Refusal,
      508: Refusal,
    },
  })
  route('PUT', { hide: true })
  route('GET', { hide: true })
}
