/**
 * Loops end here, before anything else of a request is looked at. Deliveries of Hookferry may come to the doors for events
 * only, and there as long as they are not too many: whatever else a delivery could set going, such as a resend of its own
 * message, would go round for ever.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError, invalid } from '../domain/errors.ts'
import { HOPS_HEADER, parseHops } from '../domain/hops.ts'

/** Refuses deliveries of Hookferry: all of them but to routes with `config.events`, and there those with more than `maxHops`. */
export function useHops(app: FastifyInstance, maxHops: number): void {
  app.addHook('onRequest', (request, reply, done) => {
    const value = request.raw.headers[HOPS_HEADER]
    if (value === undefined || request.is404) {
      done()
      return
    }
    const hops = parseHops(String(value))
    const problem = problemOf(hops, request.routeOptions.config.events === true, maxHops)
    // By its own header the sender knows this answer from a 508 of other servers.
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

/** How many deliveries of Hookferry lie behind a request that was let in. */
export const hopsOf = (request: FastifyRequest): number => {
  const value = request.raw.headers[HOPS_HEADER]
  return value === undefined ? 0 : Number(value)
}
