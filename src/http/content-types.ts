/**
 * Corrects the content types that senders give. Every body is JSON, or checked to be JSON, under any content type. So a
 * content type that is doubled, empty or otherwise unreadable is corrected before the framework sees it. Otherwise the
 * framework would refuse the request before its signature is checked.
 */
import type { FastifyInstance } from 'fastify'
import { JSON_MEDIA_TYPE, mediaTypeOf } from '../domain/media-type.ts'
import { encodingProblem } from '../flow/inflated.ts'
import { hasBody } from './lingering.ts'

/** Corrects the type. Also refuses, before the body is read, compressed bodies that could not be read afterwards. */
export function useReadableBodies(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw, headers, routeOptions }, _reply, done) => {
    const given = headers['content-type']
    if (given !== undefined && given !== JSON_MEDIA_TYPE) headers['content-type'] = mediaTypeOf(given)
    const encoding = headers['content-encoding']
    if (encoding === undefined || !hasBody(raw)) return done()
    done(encodingProblem(encoding, { takesEvents: routeOptions.config.rawBody === true }) ?? undefined)
  })
}
