/**
 * One operation of the Svix API. A request is checked in the order of the original: query, token, body, and then the
 * handler. Repeats under an idempotency key get the first answer, which is stored in the transaction of the first
 * write.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Application } from '../../domain/application.ts'
import type { Endpoint } from '../../domain/endpoint.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { AppId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import { parseJson } from '../../flow/receive.ts'
import type { Tokens } from '../../lib/jwt.ts'
import type { Answer } from '../../store/port/answers.ts'
import type { HttpContext, Server } from '../context.ts'
import { hopsOf } from '../hops.ts'
import { urlText } from '../bounded.ts'
import { bodyOf } from '../validation.ts'
import { type Access, authenticate, type Principal } from './principal.ts'
import { invalidField, SvixError, SvixRefusal, SvixValidationRefusal, toSvixIssue } from './problems.ts'
import { parseQuery } from './query.ts'
import { bodyOfRepeat } from './repeats.ts'

export interface SvixContext extends HttpContext {
  tokens: Tokens
}

/** The parts that a handler works with. */
export interface Call<Q, B> {
  principal: Principal
  params: Record<string, string>
  query: Q
  body: B
  /** The body's bytes. */
  bytes: Buffer
  /** Number of Hookferry deliveries that the request has been through. */
  hops: number
  userAgent: string | undefined
  /** The answer to store for repeats, or its ingredients; null when the request cannot be repeated under a key. */
  answer: (status: number, body: unknown) => Answer | null
}

/** A body that is a text is JSON already. */
export interface Done {
  status: number
  body: object | string | null
}

export const ok = (body: object | string): Done => ({ status: 200, body })
export const noContent: Done = { status: 204, body: null }

/** Thrown when a write turns out to have been made before under the same key. */
export class Replayed extends Error {
  override readonly name = 'Replayed'
}

/** Passes a write's result on, unless the result says that another request has been answered under this key. */
export function unlessReplayed<R extends string>(result: R): Exclude<R, 'replayed'> {
  if (result === 'replayed') throw new Replayed()
  return result as Exclude<R, 'replayed'>
}

export interface Operation<Q extends z.ZodType, B extends z.ZodType> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below `/api/v1`. */
  url: string
  id: string
  summary: string
  access: Access
  query?: Q
  /** The schema of the body, or a function that makes it: some schemas depend on the configuration. */
  body?: B | ((context: SvixContext) => B)
  /** Answers that are no refusals, by status; for the document. */
  answers: Record<number, z.ZodType>
  /** The write itself looks for an earlier answer, so that no separate read is needed before it. */
  writeKnowsRepeats?: boolean
  /** The operation takes events, so deliveries of a Hookferry may come here. */
  takesEvents?: boolean
  handle(context: SvixContext, call: Call<z.output<Q>, z.output<B>>): Promise<Done>
}

/** One of many operations; its schemas and handler agree. */
export type AnyOperation = Operation<z.ZodType, z.ZodType>

/** An operation as a value, found by its id. */
export const operation = <Q extends z.ZodType = z.ZodType<object>, B extends z.ZodType = z.ZodType>(
  described: Operation<Q, B>,
): AnyOperation => described

export const Empty = z.null()

const RepeatHeaders = z.object({
  'idempotency-key': urlText().optional().describe('A repeat of the key gets the first answer, for 12 hours'),
})

/** Values that the hooks leave for the handler. */
interface Looked {
  principal: Principal
  query: unknown
}
const looked = new WeakMap<FastifyRequest, Looked>()

export function defineOperation(app: Server, context: SvixContext, { body: described, ...rest }: AnyOperation): void {
  const body = typeof described === 'function' ? described(context) : described
  const one: Opened = { ...rest, body }
  const { method, url, access, query } = one
  app.route({
    method,
    url,
    config: { ownValidation: true, events: one.takesEvents === true },
    schema: {
      tags: [`svix: ${one.id.split('.').slice(1, -1).join('.') || 'other'}`],
      operationId: one.id,
      summary: one.summary,
      security: [{ svix: [] }],
      ...(query === undefined ? {} : { querystring: query }),
      ...(body === undefined ? {} : { body }),
      ...(method === 'POST' ? { headers: RepeatHeaders } : {}),
      params: z.object(Object.fromEntries([...url.matchAll(/:(\w+)/g)].map(([, name]) => [name, urlText()]))),
      response: {
        ...one.answers,
        401: SvixRefusal,
        403: SvixRefusal,
        404: SvixRefusal,
        409: SvixRefusal,
        422: SvixValidationRefusal,
      },
    },
    onRequest: async (request) => {
      const parsed = query === undefined ? {} : parseQuery(query, request.query)
      const principal = await authenticate(context.tokens, request.headers.authorization, access)
      looked.set(request, { principal, query: parsed })
    },
    // The answers are texts already, so there is nothing for the framework's types to compare.
    handler: (request, reply) => serve(context, one, { request, reply }) as never,
  })
}

/** An operation with a body schema that is made later. */
type Opened = Omit<AnyOperation, 'body'> & { body: z.ZodType | undefined }

async function serve(
  context: SvixContext,
  operation: Opened,
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
): Promise<FastifyReply> {
  const { principal, query } = looked.get(request)!
  const key = operation.method === 'POST' ? repeatKey(request) : null
  const bytes = bodyOf(request)
  const now = context.clock.now()
  const call = (): Call<unknown, unknown> => ({
    principal,
    params: request.params as Record<string, string>,
    query,
    body: bodyFor(operation, bytes),
    bytes,
    hops: hopsOf(request),
    userAgent: request.headers['user-agent'],
    answer: (status, body) =>
      key === null
        ? null
        : {
            orgId: principal.orgId,
            key,
            status,
            body: toText(body),
            at: now,
            expiresAt: now + LIMITS.answerKeptMs,
          },
  })
  const first =
    key === null || operation.writeKnowsRepeats === true
      ? null
      : await context.store.getAnswer(principal.orgId, key, now)
  if (first !== null) return sendAgain(context, reply, first)
  try {
    return send(reply, await operation.handle(context, call()))
  } catch (error) {
    if (key === null || !isRefusal(error)) throw error
    const stored = await context.store.getAnswer(principal.orgId, key, now)
    if (stored !== null) return sendAgain(context, reply, stored)
    throw error instanceof Replayed ? new SvixError('conflict') : error
  }
}

function bodyFor({ method, body }: Opened, bytes: Buffer): unknown {
  // A change without any member is treated as a body that was lost on the way.
  if (method === 'PATCH' && bytes.length === 0) throw invalidField(['body'], 'is empty', 'value_error.missing')
  return body === undefined ? undefined : parseBody(body, bytes)
}

/**
 * True for an error that may hide a repeat. A stored answer is looked for first: the first request may have succeeded,
 * and this repeat fails only because its body differs or the object of its path is gone.
 */
const isRefusal = (error: unknown): boolean =>
  error instanceof Replayed || error instanceof SvixError || (error instanceof GatewayError && error.status < 500)

const toText = (body: unknown): string => (body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body))

const sendAgain = async (
  context: SvixContext,
  reply: FastifyReply,
  { status, body }: Pick<Answer, 'status' | 'body'>,
) => send(reply, { status, body: await bodyOfRepeat(context, body) })

function send(reply: FastifyReply, { status, body }: { status: number; body: unknown }): FastifyReply {
  reply.code(status)
  const text = toText(body)
  if (text === '') return reply.send()
  return reply.type('application/json; charset=utf-8').send(text)
}

/** The identity of a request for repeats: the caller, the key, and the target. The body is not part of it. */
function repeatKey({ headers, url }: FastifyRequest): string | null {
  const key = headers['idempotency-key']
  if (typeof key !== 'string' || key === '') return null
  // Clients differ in the slash at the end of the path.
  const path = url.replace(/\/(?=\?|$)/, '')
  return createHash('sha256').update(`${headers.authorization}\0${key}\0${path}`).digest('base64url')
}

/** A missing body is read as an empty object, so that the required members are reported as missing. */
export function parseBody<B extends z.ZodType>(schema: B, bytes: Buffer): z.output<B> {
  const given = bytes.length === 0 ? {} : readJson(bytes)
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw new GatewayError('validation', {
    issues: parsed.error.issues.map((issue) => toSvixIssue(issue, 'body', given)),
  })
}

function readJson(bytes: Buffer): unknown {
  try {
    return parseJson(bytes)
  } catch (error) {
    const issue = error instanceof GatewayError ? error.issues?.[0] : undefined
    if (issue === undefined) throw error
    throw invalidField(issue.loc, issue.msg, 'value_error.jsondecode')
  }
}

/** The application that a path names. A portal token finds only its own. */
export async function findApplication(
  { applications }: Pick<SvixContext, 'applications'>,
  { principal, params }: { principal: Principal; params: Record<string, string> },
  detail?: string,
): Promise<Application> {
  const application = await applications.find(principal.orgId, params['app_id'] ?? '')
  if (application === null || (principal.appId !== null && principal.appId !== application.id))
    throw new SvixError('not_found', detail)
  return application
}

/** The endpoint that a path names. The gateway's own destinations are no endpoints of the API. */
export async function findEndpoint(
  { store }: Pick<SvixContext, 'store'>,
  appId: AppId,
  idOrUid: string | undefined,
): Promise<Endpoint> {
  const endpoint = await store.findEndpoint(appId, idOrUid ?? '')
  if (endpoint === null || endpoint.managed) throw new SvixError('not_found')
  return endpoint
}
