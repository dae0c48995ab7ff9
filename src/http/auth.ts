import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../domain/errors.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Routes are for the management unless they say that they are not, so that a new one cannot be open by mistake. */
export const isManagement = ({ is404, routeOptions }: FastifyRequest): boolean =>
  !is404 && routeOptions.config.management !== false

/** Refuses management routes without one of `apiKeys`. Digests are compared, all of them, so that time tells nothing. */
export function useManagementKeys(app: FastifyInstance, apiKeys: readonly string[]): void {
  const digests = apiKeys.map(digest)
  app.addHook('onRequest', async (request, reply) => {
    if (!isManagement(request)) return
    const given = digest(/^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '')
    const matches = digests.filter((one) => timingSafeEqual(one, given))
    if (matches.length > 0) return
    reply.header('www-authenticate', 'Bearer')
    throw new GatewayError('unauthorized')
  })
}
