/**
 * Checks requests here and not by the framework's own validation, which stops at the first wrong part: a caller should
 * learn of every problem at once.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { GatewayError, type Issue } from '../domain/errors.ts'
import { parseJson, type RawRequest } from '../flow/receive.ts'
import { IN_PLAIN_WORDS, toIssues } from '../flow/validate.ts'
import { unknownMembers } from './closed.ts'
import { hopsOf } from './hops.ts'
import { assertBounded } from './unbounded.ts'
import type { Bodies } from './bodies.ts'

const PARTS = [
  ['params', 'path'],
  ['querystring', 'query'],
  ['body', 'body'],
] as const

/** Bodies arrive as bytes on every route. A route whose schema has a `body` gets it parsed and checked. */
export function useValidation(app: FastifyInstance, bodies: Bodies): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, message, done) => bodies.read(message, done))
  app.setValidatorCompiler(() => (value) => ({ value }))
  app.setSerializerCompiler(() => JSON.stringify)
  app.addHook('onRoute', assertBounded)
  app.addHook('preValidation', (request, _reply, done) => {
    validate(request)
    done()
  })
}

function validate(request: FastifyRequest): void {
  const { schema, config } = request.routeOptions
  if (schema === undefined || config.ownValidation === true) return
  const issues: Issue[] = []
  for (const [part, loc] of PARTS) {
    const type = schema[part]
    if (!(type instanceof z.ZodType) || (part === 'body' && config.rawBody === true)) continue
    const target = part === 'querystring' ? 'query' : part
    try {
      const given = part === 'body' ? parseJson(bodyOf(request)) : request[target]
      if (part === 'body') issues.push(...unknownMembers(type, given))
      const parsed = type.safeParse(given, IN_PLAIN_WORDS)
      if (parsed.success) request[target] = parsed.data
      else issues.push(...parsed.error.issues.flatMap((issue) => toIssues(issue, loc, given)))
    } catch (error) {
      if (!(error instanceof GatewayError) || error.issues === null) throw error
      issues.push(...error.issues)
    }
  }
  if (issues.length > 0) throw new GatewayError('validation', { issues })
}

const NO_BYTES = Buffer.alloc(0)

/** The body's bytes, as they came. */
export const bodyOf = (request: FastifyRequest): Buffer => (Buffer.isBuffer(request.body) ? request.body : NO_BYTES)

/** A header's values, one for each time the header came. Node joins them when it keeps headers by name. */
function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === name) values.push(rawHeaders[i + 1]!)
  }
  return values
}

function splitUrl(url: string): [path: string, query: string] {
  const at = url.indexOf('?')
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

/** The request without the framework. */
export function rawOf(request: FastifyRequest): RawRequest {
  // Read once: the headers are asked for dozens of names, and the framework's own getter looks twice each time.
  const { headers } = request.raw
  const [path, query] = splitUrl(request.url)
  return {
    header(name) {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    headers: (name) => (headers[name] === undefined ? [] : valuesOf(request.raw.rawHeaders, name)),
    method: request.method,
    path,
    query,
    body: bodyOf(request),
    hops: hopsOf(request),
  }
}
