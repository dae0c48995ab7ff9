/**
 * `GET /docs`: a page for trying the API, from the package. The plug-in that makes the page reads a file for each
 * request. So each file is requested once, on a separate server that listens nowhere.
 */
import { promises as files } from 'node:fs'
import { createRequire } from 'node:module'
import fastify, { type FastifyInstance } from 'fastify'
import { GatewayError } from '../domain/errors.ts'
import { type Constant, constant, once, sendConstant } from './constants.ts'

/**
 * The policy of the page: everything it loads comes from here. The plug-in's own policy allows other hosts, and forbids
 * plain HTTP.
 */
const POLICY =
  "default-src 'self'; base-uri 'self'; frame-ancestors 'self'; img-src 'self' data:; object-src 'none'; script-src-attr 'none'"

const PREFIX = '/docs'

export function docsRoutes(app: FastifyInstance): void {
  const page = once(readPage)
  const answer = async (path: string): Promise<Constant> => {
    const found = (await page()).get(path)
    if (found === undefined) throw new GatewayError('not_found')
    return found
  }
  const routes = { [PREFIX]: pagePath, [`${PREFIX}/static/:file`]: filePath }
  for (const [url, pathOf] of Object.entries(routes))
    app.get(url, { config: { management: false }, schema: { hide: true } }, async (request, reply) => {
      const found = await answer(pathOf(request.url.split('?', 1)[0]!))
      return sendConstant(request, reply.header('content-security-policy', POLICY), found)
    })
}

/** The links on the page are relative, so the page depends on the slash at the end. */
const pagePath = (path: string): string => (path.endsWith('/') ? `${PREFIX}/` : PREFIX)
const filePath = (path: string): string => path.replace(/\/$/, '')

async function readPage(): Promise<ReadonlyMap<string, Constant>> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import('@fastify/swagger'),
    import('@fastify/swagger-ui'),
  ])
  const plugin = createRequire(import.meta.url).resolve('@fastify/swagger-ui')
  const names = await files.readdir(plugin.replace(/[^/\\]+$/, 'static'))
  const server = fastify()
  try {
    await server.register(swagger)
    await server.register(swaggerUi, {
      routePrefix: PREFIX,
      uiConfig: { tryItOutEnabled: true, displayRequestDuration: true, persistAuthorization: true },
    })
    const page = new Map<string, Constant>()
    for (const path of [PREFIX, `${PREFIX}/`, ...names.map((name) => `${PREFIX}/static/${name}`), INITIALIZER]) {
      const { statusCode, headers, rawPayload } = await server.inject(path)
      if (statusCode === 200) page.set(path, constant(String(headers['content-type']), rawPayload))
    }
    return page
  } finally {
    await server.close()
  }
}

/** The plug-in makes this one; it is no file. It tells the page where the document is. */
const INITIALIZER = `${PREFIX}/static/swagger-initializer.js`
