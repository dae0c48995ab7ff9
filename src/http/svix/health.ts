import { z } from 'zod'
import type { Server } from '../context.ts'
import { named } from '../described.ts'
import type { SvixContext } from './operation.ts'

const Health = named('Health', z.object({ status: z.enum(['ok', 'error']), store: z.string() }))

/** Without a token. A 5xx makes clients try another node, so it is for trouble only. */
export function healthOperations(app: Server, { storeProblem, isStopping }: SvixContext): void {
  app.get(
    '/health',
    {
      config: { ownValidation: true },
      schema: {
        tags: ['svix: health'],
        operationId: 'v1.health.get',
        summary: 'Whether the gateway can serve',
        response: { 200: Health, 500: Health },
      },
    },
    async (_request, reply) => {
      const problem = isStopping() ? 'the gateway is shutting down' : await storeProblem()
      if (problem === null) return { status: 'ok' as const, store: 'ok' }
      return reply.code(500).send({ status: 'error' as const, store: problem })
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
        response: { 204: z.null() },
      },
    },
    async (_request, reply) => reply.code(204).send(null),
  )
}
