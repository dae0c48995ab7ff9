import { randomBytes } from 'node:crypto'
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../domain/errors.ts'
import { useManagementKeys } from './auth.ts'
import { URL_CHARS_MAX } from './bounded.ts'
import { useOwnPagesOnly } from './browsers.ts'
import { useReadableBodies } from './content-types.ts'
import type { HttpContext, Server } from './context.ts'
import { deliveryRoutes } from './deliveries.ts'
import { deliveryListRoutes } from './delivery-list.ts'
import { useHops } from './hops.ts'
import { bodyFor, toGatewayError, useErrors } from './errors.ts'
import { inboxRoutes } from './inbox.ts'
import { ingestRoutes } from './ingest.ts'
import { collectMethods } from './methods.ts'
import { notificationRoutes } from './notifications.ts'
import { useOpenApi } from './openapi.ts'
import { probeRoutes } from './probes.ts'
import { doorRoutes } from './source-door.ts'
import { sourceRoutes } from './sources.ts'
import { subscriptionRoutes } from './subscriptions.ts'
import { SVIX_PREFIX } from './svix/problems.ts'
import { svixApi } from './svix/svix-api.ts'
import { taskRoutes } from './tasks.ts'
import { useValidation } from './validation.ts'

/**
 * Deadlines for the headers, and for the whole request; a slower client's connection is closed. Node checks every
 * second.
 */
const HEADERS_TIMEOUT_MS = 20_000
const REQUEST_TIMEOUT_MS = 60_000
const CHECK_EVERY_MS = 1_000
/**
 * Longer than the usual idle time of load balancers (60 s), so that they and not the gateway close idle connections.
 */
const KEEP_ALIVE_TIMEOUT_MS = 65_000

/** The server with all routes, not listening yet. */
export async function buildServer(context: HttpContext): Promise<Server> {
  const { connections } = context
  const requestId = requestIds()
  const app: Server = fastify({
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // The gateway's own words refuse a request without a Host.
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
      requireHostHeader: false,
    },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: URL_CHARS_MAX },
    forceCloseConnections: 'idle',
    // Requests that still arrive on an open connection are served: the store closes after the last request, and the
    // answer closes the connection.
    return503OnClosing: false,
    genReqId: requestId,
    logger: false,
    frameworkErrors: (error, request, reply) => {
      // The hooks do not run for requests that the router could not read.
      const known = toGatewayError(error)
      if (!connections.begin(reply)) return
      connections.beforeAnswer(reply)
      reply.raw.once('finish', () => {
        if (connections.end(reply)) logRequest(context, reply, reply.statusCode)
      })
      void (reply as FastifyReply).header('x-request-id', request.id).code(known.status).send(bodyFor(known))
    },
    clientErrorHandler: (error, socket) => connections.refuseUnreadable(error, socket),
  }).withTypeProvider<ZodTypeProvider>()

  useValidation(app, connections.bodies)
  useErrors(app, context.observer)
  useRequestLog(app, context)
  useHops(app, context.config.maxHops)
  useReadableBodies(app)
  // No browser sends a key on its own; a client has to know it.
  if (context.secrets.apiKeys.length > 0) useManagementKeys(app, context.secrets.apiKeys, context.clock)
  else useOwnPagesOnly(app, context.config)
  connections.watch(app.server, {
    abandoned: (reply) => logRequest(context, reply, ABANDONED),
    refused: (reply, status) => logRequest(context, reply, status),
    unreadable(status) {
      const id = requestId()
      context.observer.unreadable({ requestId: id, status })
      return id
    },
  })
  const forbidOtherMethods = collectMethods(app)
  // A worker only makes deliveries. It answers probes and metrics, and no other request.
  const isWorker = context.config.role === 'worker'
  if (!isWorker) await useOpenApi(app)
  await app.register(async (routes: Server) => {
    probeRoutes(routes, context)
    if (isWorker) return
    inboxRoutes(routes, context)
    subscriptionRoutes(routes, context)
    sourceRoutes(routes, context)
    doorRoutes(routes, context)
    ingestRoutes(routes, context)
    notificationRoutes(routes, context)
    deliveryListRoutes(routes, context)
    deliveryRoutes(routes, context)
    taskRoutes(routes, context)
  })
  if (!isWorker) await app.register((svix: Server) => svixApi(svix, context), { prefix: SVIX_PREFIX })
  forbidOtherMethods()
  app.setNotFoundHandler(async () => {
    throw new GatewayError('not_found')
  })
  await app.ready()
  return app
}

/** The client's own request id if it is well-formed, otherwise a new one: unique, and cheap. */
function requestIds(): (request?: IncomingMessage) => string {
  const start = randomBytes(6).toString('hex')
  let count = 0
  return (request) => {
    const given = request?.headers['x-request-id']
    return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : `${start}-${(count++).toString(36)}`
  }
}

/**
 * The status, in log and metrics, of a request whose connection ended before its answer was out. No client ever gets
 * it.
 */
const ABANDONED = 499

function useRequestLog(app: FastifyInstance, context: HttpContext): void {
  const { connections } = context
  app.decorateRequest('inboxLine', null)
  app.decorateRequest('source', null)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    // A client that keeps the connection would send its next request to a gateway that is about to stop.
    if (context.isStopping()) reply.header('connection', 'close')
    // No client waits for the answers that a closed connection still held.
    if (connections.begin(reply)) done(unclearRequest(request.raw) ?? undefined)
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    connections.beforeAnswer(reply)
    done()
  })
  app.addHook('preClose', async () => connections.close())
  app.addHook('onResponse', (_request, reply, done) => {
    if (connections.end(reply)) logRequest(context, reply, reply.statusCode)
    done()
  })
}

/**
 * Headers that leave open which host or which protocol is meant (RFC 9112, 2.3 and 3.2); intermediaries may have read
 * them otherwise.
 */
function unclearRequest({ httpVersion, rawHeaders }: IncomingMessage): GatewayError | null {
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return new GatewayError('bad_request', { detail: `HTTP/${httpVersion} is not spoken here; HTTP/1.1 is.` })
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) return null
  return new GatewayError('bad_request', { detail: `The request has ${hosts} Host headers; it has to have one.` })
}

function logRequest({ observer }: HttpContext, reply: FastifyReply, status: number): void {
  const { request } = reply
  const { url } = request
  const query = url.indexOf('?')
  observer.requestServed({
    requestId: request.id,
    method: request.method,
    path: query < 0 ? url : url.slice(0, query),
    route: request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched'),
    status,
    latencyMs: reply.elapsedTime,
    inbox: request.routeOptions.config.inbox === true ? (request.inboxLine ?? { dup: false, result: 'error' }) : null,
  })
}
