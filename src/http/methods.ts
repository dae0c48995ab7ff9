/** Answers 405 when a path is known but not with this method. By default the framework says 404, or 400 to QUERY. */
import type { FastifyInstance, FastifyReply, HTTPMethods } from 'fastify'
import { GatewayError } from '../domain/errors.ts'
import { isNotHere, SVIX_PREFIX } from './svix/problems.ts'

/**
 * Methods that get routes of their own on paths that do not know them. The other methods that Node reads (PROPFIND,
 * QUERY, …) belong to no path.
 */
const ROUTED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const
const IS_ROUTED: ReadonlySet<string> = new Set(ROUTED)

/** Collects the routes that are added from now on, until the returned function adds the routes that answer 405. */
export function collectMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<HTTPMethods>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    known.set(url, methods)
  })
  let allowed: [RegExp, string][] = []
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404 || IS_ROUTED.has(request.method)) return done()
    const path = request.url.split('?', 1)[0]!
    const found = allowed.find(([pattern]) => pattern.test(path))
    return done(found === undefined ? new GatewayError('not_found') : notAllowed(reply, path, found[1]))
  })
  return () => {
    // The routes added here are announced too, so the lists are copied before.
    const routes = Array.from(known).filter(([url]) => !url.includes('*'))
    // Of two patterns that match, the one with more fixed steps is meant.
    routes.sort(([a], [b]) => a.split(':').length - b.split(':').length)
    allowed = routes.map(([url, methods]) => [patternOf(url), [...methods].join(', ')])
    for (const route of routes) forbidOthers(app, route)
  }
}

function forbidOthers(app: FastifyInstance, [url, methods]: [string, Set<HTTPMethods>]): void {
  const method = ROUTED.filter(
    // In the Svix API these are preflights, which are answered for all of its paths.
    (one) => !methods.has(one) && !(one === 'OPTIONS' && url.startsWith(SVIX_PREFIX)),
  )
  const allow = [...methods].join(', ')
  if (method.length === 0) return
  app.route({
    url,
    method,
    config: { management: false },
    schema: { hide: true },
    handler: (request, reply) => {
      if (isNotHere(request)) throw new GatewayError('not_found')
      throw notAllowed(reply, url, allow)
    },
  })
}

function notAllowed(reply: FastifyReply, path: string, allow: string): GatewayError {
  void reply.header('allow', allow)
  if (path.startsWith(SVIX_PREFIX)) void reply.header('access-control-allow-origin', '*')
  return new GatewayError('method_not_allowed')
}

/** The paths of a route: `:id` is one step, and a slash at the end makes no difference. */
const patternOf = (url: string): RegExp =>
  new RegExp(`^${url.replace(/\/$/, '').replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}/?$`)
