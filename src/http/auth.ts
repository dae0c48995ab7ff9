import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../domain/errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Hidden } from '../lib/hidden.ts'
import { WrongKeys } from './wrong-keys.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Routes are for the management unless they say that they are not, so that a new one cannot be open by mistake. */
export const isManagement = ({ is404, routeOptions }: FastifyRequest): boolean =>
  !is404 && routeOptions.config.management !== false

/**
 * Refuses management routes without one of `apiKeys`: 401, and 429 for who guesses. Digests are compared, all of them, so that
 * time tells nothing.
 */
export function useManagementKeys(app: FastifyInstance, apiKeys: readonly Hidden[], clock: Clock): void {
  const digests = apiKeys.map((key) => digest(key.reveal()))
  const wrongKeys = new WrongKeys()
  // No promise: most requests are events, and no business of the management.
  app.addHook('onRequest', (request, reply, done) => {
    if (isManagement(request)) check(request, reply)
    done()
  })

  function check(request: FastifyRequest, reply: FastifyReply): void {
    const key = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    const given = digest(key ?? '')
    const matches = digests.filter((one) => timingSafeEqual(one, given))
    if (matches.length > 0) return
    reply.header('www-authenticate', 'Bearer')
    const waitS = key === undefined ? 0 : wrongKeys.note(request.ip, given.readUIntBE(0, 6), clock.now())
    if (waitS === 0) throw new GatewayError('unauthorized')
    reply.header('retry-after', String(waitS)).header('connection', 'close')
    throw new GatewayError('too_many_keys')
  }
}
