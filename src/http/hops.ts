/**
 * Ends loops, before any other part of a request is checked. Deliveries of Hookferry may come only to the doors for
 * events, and only up to a number of hops. Any other act that a delivery could start, such as a resend of its own
 * message, would repeat for ever.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError, invalid } from '../domain/errors.ts'
import { HOPS_HEADER, parseHops } from '../domain/hops.ts'

/**
 * Refuses deliveries of Hookferry: all of them except at routes with `config.events`, and there those with more than
 * `maxHops`.
 */
export function useHops(app: FastifyInstance, maxHops: number): void {
  app.addHook('onRequest', (request, reply, done) => {
    const value = request.raw.headers[HOPS_HEADER]
    if (value === undefined || request.is404) {
      done()
      return
    }
    const hops = parseHops(String(value))
    const problem = problemOf(hops, request.routeOptions.config.events === true, maxHops)
    // By this header the sender tells this answer from a 508 of other servers.
    if (problem?.code === 'loop_detected') reply.header(HOPS_HEADER, String(value))
    done(problem ?? undefined)
  })
}

function problemOf(hops: number | null, takesEvents: boolean, maxHops: number): GatewayError | null {
  if (hops === null) return invalid(['header', 'Hookferry-Hops'], 'has to be a whole number, such as 1')
  if (!takesEvents)
    return new GatewayError('loop_detected', {
      detail: 'This is a delivery of Hookferry, and this route takes no events.',
    })
  return hops > maxHops ? new GatewayError('loop_detected') : null
}

/** Number of Hookferry deliveries that an accepted request has been through. */
export const hopsOf = (request: FastifyRequest): number => {
  const value = request.raw.headers[HOPS_HEADER]
  return value === undefined ? 0 : Number(value)
}
