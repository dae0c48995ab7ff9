import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'

const packageJson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

export const VERSION = packageJson.version

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
        { name: 'deliveries', description: 'What became of them' },
        { name: 'operation', description: 'Probes and metrics' },
      ],
      components: {
        securitySchemes: {
          management: {
            type: 'http',
            scheme: 'bearer',
            description: 'One of API_KEY; not needed while API_KEY is unset.',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { tryItOutEnabled: true, displayRequestDuration: true, persistAuthorization: true },
    staticCSP: true,
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
