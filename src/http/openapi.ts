import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { constant, once, sendConstant } from './constants.ts'
import { docsRoutes } from './docs.ts'
import { Refusal } from './schemas.ts'

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export const VERSION = packageJson.version

/** What routes of a kind may answer besides what each of them says itself. */
function withCommonRefusals(schema: FastifySchema, { method, config }: RouteOptions): FastifySchema {
  const takesBody = [method].flat().some((one) => ['POST', 'PUT', 'PATCH'].includes(one))
  return {
    ...schema,
    response: {
      ...(schema.response as object),
      ...(config?.management !== false && { 401: Refusal, 403: Refusal, 421: Refusal, 429: Refusal }),
      ...(takesBody && { 413: Refusal, 415: Refusal }),
      ...(schema.tags?.includes('operation') !== true && { 503: Refusal }),
    },
  }
}

/** `GET /openapi.json`, generated from the routes' own schemas, and `GET /docs`, a page to try them, out of the package. */
export async function useOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hookferry',
        version: VERSION,
        description: 'A webhook gateway: events in exactly once, out at least once.',
        license: { name: 'MIT' },
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
    transform: ({ schema, route, ...rest }) =>
      jsonSchemaTransform({ ...rest, route, schema: withCommonRefusals(schema, route) }),
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
