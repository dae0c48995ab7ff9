/**
 * What senders say of their bodies. Every body is JSON, or checked to be, whatever it is called. So a content type that is doubled, empty or otherwise unreadable
 * is put right before the framework looks at it: it would refuse the request before anybody has looked at its signature.
 */
import type { FastifyInstance } from 'fastify'
import { JSON_MEDIA_TYPE, mediaTypeOf } from '../domain/media-type.ts'
import { encodingProblem } from '../flow/inflated.ts'
import { hasBody } from './lingering.ts'

/** Also refuses, before the body is read, compressed ones that could not be read afterwards. */
export function useReadableBodies(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw, headers, routeOptions }, _reply, done) => {
    const given = headers['content-type']
    if (given !== undefined && given !== JSON_MEDIA_TYPE) headers['content-type'] = mediaTypeOf(given)
    const encoding = headers['content-encoding']
    if (encoding === undefined || !hasBody(raw)) return done()
    done(encodingProblem(encoding, { takesEvents: routeOptions.config.rawBody === true }) ?? undefined)
  })
}
