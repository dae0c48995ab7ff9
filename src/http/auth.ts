import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../domain/errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Hidden } from '../lib/hidden.ts'
import { WrongKeys } from './wrong-keys.ts'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** A route is a management route unless it says otherwise, so that a new route cannot be open by mistake. */
export const isManagement = ({ is404, routeOptions }: FastifyRequest): boolean =>
  !is404 && routeOptions.config.management !== false

/**
 * Refuses management routes without one of `apiKeys`: 401, and 429 for a client that guesses. Digests are compared,
 * always all of them, so that the time reveals nothing.
 */
export function useManagementKeys(app: FastifyInstance, apiKeys: readonly Hidden[], clock: Clock): void {
  const digests = apiKeys.map((key) => digest(key.reveal()))
  const wrongKeys = new WrongKeys()
  // No promise here: most requests are events, which need no management key.
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
