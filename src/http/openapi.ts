import swagger, { type SwaggerTransform } from '@fastify/swagger'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { VERSION } from '../lib/version.ts'
import { constant, once, sendConstant } from './constants.ts'
import { docsRoutes } from './docs.ts'
import { parametersOnWire, withComponents } from './openapi-document.ts'
import { Refusal } from './schemas.ts'
import { SVIX_PREFIX, SvixRefusal } from './svix/problems.ts'

/** Answers that routes of a kind may give besides those that each route lists itself. */
function withCommonRefusals(schema: FastifySchema, { method, config, url }: RouteOptions): FastifySchema {
  const takesBody = [method].flat().some((one) => ['POST', 'PUT', 'PATCH'].includes(one))
  const isProbe = schema.tags?.includes('operation') === true
  const own = schema.response as object
  const Refused = url.startsWith(SVIX_PREFIX) ? SvixRefusal : Refusal
  const statuses = [
    // These refusals come before the path or the body is checked.
    400,
    408,
    431,
    500,
    ...(config?.management !== false ? [401, 403, 421, 429] : []),
    ...(takesBody ? [413, 415] : []),
    ...(isProbe ? [] : [503]),
    ...(config?.events === true ? [508] : []),
  ]
  return { ...schema, response: { ...Object.fromEntries(statuses.map((status) => [status, Refused])), ...own } }
}

/** The schemas of a route as the document has them. */
const transform: SwaggerTransform = ({ schema, route, ...rest }) => {
  const made = jsonSchemaTransform({ ...rest, route, schema: withCommonRefusals(schema, route) })
  const parts = Object.entries(made.schema).map(([part, one]: [string, unknown]) => [
    part,
    PARAMETERS.has(part) ? parametersOnWire(one as object) : one,
  ])
  return { ...made, schema: Object.fromEntries(parts) as FastifySchema }
}

const PARAMETERS = new Set(['params', 'querystring', 'headers'])

/**
 * `GET /openapi.json`, generated from the routes' own schemas, and `GET /docs`, a page for trying them, from the
 * package.
 */
export async function useOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hookferry',
        version: VERSION,
        description: 'A webhook gateway: events in exactly once, out at least once.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'subscriptions', description: 'Where events go' },
        { name: 'ingest', description: 'Events in' },
        { name: 'inbox', description: 'Signed messages, stored exactly once' },
        { name: 'notifications', description: 'Events for Svix, each handed on once' },
        { name: 'deliveries', description: 'What became of them' },
        { name: 'operation', description: 'Probes and metrics' },
      ],
      components: {
        securitySchemes: {
          svix: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A token of an organization (`hookferry token org_…`) or of an application portal.',
          },
          management: {
            type: 'http',
            scheme: 'bearer',
            description: 'One of API_KEY; not needed while API_KEY is unset.',
          },
        },
      },
    },
    transform,
    transformObject: (made) =>
      'openapiObject' in made ? (withComponents(made.openapiObject) as typeof made.openapiObject) : {},
  })
  const document = once(async () => constant('application/json; charset=utf-8', JSON.stringify(app.swagger())))
  const yaml = once(async () => constant('application/x-yaml', app.swagger({ yaml: true })))
  // The page asks for the second one.
  for (const path of ['/openapi.json', '/docs/json'])
    app.get(path, { config: { management: false }, schema: { hide: true } }, async (request, reply) =>
      sendConstant(request, reply, await document()),
    )
  app.get('/docs/yaml', { config: { management: false }, schema: { hide: true } }, async (request, reply) =>
    sendConstant(request, reply, await yaml()),
  )
  docsRoutes(app)
}
