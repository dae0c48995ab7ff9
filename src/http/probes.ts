import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { GatewayError } from '../domain/errors.ts'
import { atMost } from './constants.ts'
import type { HttpContext, Server } from './context.ts'
import { named } from './described.ts'
import { Refusal } from './schemas.ts'

/**
 * Every client may ask for the metrics, and each rendering asks the store. Above this rate the answer is that of a
 * moment ago.
 */
const METRICS_PER_SECOND = 5

export function probeRoutes(app: Server, context: HttpContext): void {
  const { config, storeProblem, secrets, metrics: gathered, isStopping, clock } = context
  const metrics = atMost(METRICS_PER_SECOND, clock, async () => Buffer.from(await gathered.text()))

  app.get(
    '/health/live',
    {
      config: { management: false },
      schema: {
        tags: ['operation'],
        operationId: 'getLiveness',
        summary: 'The process runs',
        response: { 200: named('Ok', z.object({ status: z.literal('ok') })) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )

  app.get(
    '/health/ready',
    {
      config: { management: false },
      schema: {
        tags: ['operation'],
        operationId: 'getReadiness',
        summary:
          'The gateway can keep its promises: the store can commit, its schema is current, WEBHOOK_SECRET is set',
        response: { 200: named('Ready', z.object({ status: z.literal('ready') })), 503: Refusal },
      },
    },
    async () => {
      const problems: string[] = []
      if (isStopping()) problems.push('the gateway is shutting down')
      const trouble = await storeProblem()
      if (trouble !== null) problems.push(trouble)
      if (secrets.webhookSecret === null && config.role !== 'worker') problems.push('WEBHOOK_SECRET is not set')
      if (problems.length > 0) throw new GatewayError('not_ready', { detail: problems.join('; ') })
      return { status: 'ready' as const }
    },
  )

  app.get(
    '/metrics',
    {
      config: { management: false },
      schema: {
        tags: ['operation'],
        operationId: 'getMetrics',
        summary: 'Metrics in Prometheus text format',
        response: { 200: { description: 'Lines of text', content: { 'text/plain': { schema: z.string() } } } },
      },
    },
    async (_request, reply) => {
      // One Buffer for all that wait for it; the framework's types know only texts here.
      return (reply as FastifyReply).type(gathered.contentType).send(await metrics()) as never
    },
  )
}
