/**
 * The Svix API under `/api/v1`, so that the official Svix SDKs are the gateway's SDKs. `docs/svix-api.md` lists what it
 * shares with the original, and the promises that it keeps and the original does not.
 */
import cors from '@fastify/cors'
import { type TokenKeys, tokenKeys } from '../../domain/token-keys.ts'
import { createTokens } from '../../lib/jwt.ts'
import { constant, once, sendConstant } from '../constants.ts'
import type { HttpContext, Server } from '../context.ts'
import { partOf } from '../openapi-document.ts'
import { applicationOperations } from './applications.ts'
import { attemptOperations } from './attempts.ts'
import { authenticationOperations, logoutRoute } from './authentication.ts'
import { endpointActionOperations } from './endpoint-actions.ts'
import { endpointDetailOperations } from './endpoint-details.ts'
import { endpointOperations, OF_APPLICATIONS } from './endpoints.ts'
import { eventTypeOperations } from './event-types.ts'
import { healthRoutes } from './health.ts'
import { messageOperations } from './messages.ts'
import { type AnyOperation, defineOperation, type SvixContext } from './operation.ts'
import { OPERATIONAL } from './operational-webhooks.ts'
import { SVIX_PREFIX, useSvixErrors } from './problems.ts'
import { taskOperations } from './tasks.ts'

const OPERATIONS: readonly AnyOperation[] = [
  ...applicationOperations,
  ...endpointOperations(OF_APPLICATIONS),
  ...endpointDetailOperations(OF_APPLICATIONS),
  ...endpointActionOperations,
  ...eventTypeOperations,
  ...messageOperations,
  ...attemptOperations,
  ...taskOperations,
  ...authenticationOperations,
  ...endpointOperations(OPERATIONAL),
  ...endpointDetailOperations(OPERATIONAL),
]

/** The keys are valid: they were checked when the configuration was read. */
function keysOf({ config, jwtSecret }: HttpContext): TokenKeys {
  const read = tokenKeys(config.jwtAlgorithm, jwtSecret.reveal())
  if ('problem' in read) throw new Error(`JWT_SECRET ${read.problem}`)
  return read.keys
}

export async function svixApi(app: Server, http: HttpContext): Promise<void> {
  const context: SvixContext = {
    ...http,
    tokens: createTokens(keysOf(http), http.clock),
  }
  // Every request carries a token, which no browser sends on its own.
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, management: false }
  })
  // Portals are pages of other hosts, and they have their own tokens: no cookie is involved.
  await app.register(cors, {
    origin: '*',
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    maxAge: 600,
    // The framework would refuse an incomplete preflight in plain text, and clients parse refusals as JSON.
    strictPreflight: false,
  })
  useSvixErrors(app, context.observer)
  for (const one of OPERATIONS) defineOperation(app, context, one)
  logoutRoute(app)
  healthRoutes(app, context)
  const document = once(async () => {
    const ofThis = partOf(app.swagger(), SVIX_PREFIX)
    // Clients compare the type as a whole, so it has no charset.
    return constant('application/json', JSON.stringify(ofThis))
  })
  app.get('/openapi.json', { schema: { hide: true } }, async (request, reply) =>
    sendConstant(request, reply, await document()),
  )
}
