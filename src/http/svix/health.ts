import type { Server } from '../context.ts'
import { Empty, type SvixContext } from './operation.ts'
import { SvixRefusal } from './problems.ts'

/** Needs no token. A 5xx makes clients try another node, so it is for trouble only. */
export function healthRoutes(app: Server, { storeProblem, isStopping }: SvixContext): void {
  app.get(
    '/health',
    {
      config: { ownValidation: true },
      schema: {
        tags: ['svix: health'],
        operationId: 'v1.health.get',
        summary: 'Whether the gateway can serve',
        response: { 204: Empty, 500: SvixRefusal },
      },
    },
    async (_request, reply) => {
      const problem = isStopping() ? 'the gateway is shutting down' : await storeProblem()
      return problem === null
        ? reply.code(204).send(null)
        : reply.code(500).send({ code: 'unhealthy', detail: problem })
    },
  )
  app.get(
    '/health/ping',
    {
      config: { ownValidation: true },
      schema: {
        tags: ['svix: health'],
        operationId: 'v1.health.ping',
        summary: 'Whether the process runs',
        response: { 204: Empty },
      },
    },
    async (_request, reply) => reply.code(204).send(null),
  )
}
