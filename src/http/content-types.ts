/**
 * Every body is JSON, or checked to be, whatever it is called. So a content type that is doubled, empty or otherwise unreadable
 * is put right before the framework looks at it: it would refuse the request before anybody has looked at its signature.
 */
import type { FastifyInstance } from 'fastify'
import { JSON_MEDIA_TYPE, mediaTypeOf } from '../domain/media-type.ts'

export function useReadableContentTypes(app: FastifyInstance): void {
  app.addHook('onRequest', ({ headers }, _reply, done) => {
    const given = headers['content-type']
    if (given !== undefined && given !== JSON_MEDIA_TYPE) headers['content-type'] = mediaTypeOf(given)
    done()
  })
}
