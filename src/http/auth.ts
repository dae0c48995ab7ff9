import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../domain/errors.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Refuses management routes without one of `apiKeys`. Digests are compared, all of them, so that time tells nothing. */
export function useManagementKeys(app: FastifyInstance, apiKeys: readonly string[]): void {
  if (apiKeys.length === 0) return
  const digests = apiKeys.map(digest)
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.management !== true) return
    const given = digest(/^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '')
    const matches = digests.filter((one) => timingSafeEqual(one, given))
    if (matches.length > 0) return
    reply.header('www-authenticate', 'Bearer')
    throw new GatewayError('unauthorized')
  })
}
