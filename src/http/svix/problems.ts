/** Refusals in the words of the Svix API (`docs/svix-api.md`): its SDKs parse these bodies. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { GatewayError, type Issue } from '../../domain/errors.ts'
import type { Observer } from '../../telemetry/events.ts'
import { named } from '../described.ts'
import { inWordsFor, toGatewayError } from '../errors.ts'

export const SVIX_PREFIX = '/api/v1'

/** Operations of the SDKs that this API lacks, and whose paths look like messages. */
const LIKE_MESSAGES: ReadonlySet<string> = new Set(['expunge-all-contents', 'bulk-expunge'])

/** True when a request, whose method the path does not know, asks for an operation that this API lacks. */
export function isNotHere({ method, url, params }: { method: string; url: string; params: unknown }): boolean {
  const { msg_id: name } = params as { msg_id?: string }
  return method === 'POST' && url.startsWith(SVIX_PREFIX) && name !== undefined && LIKE_MESSAGES.has(name)
}

export const SvixRefusal = named('HttpErrorOut', z.object({ code: z.string(), detail: z.string() }))
export const SvixValidationRefusal = named(
  'HTTPValidationError',
  z.object({
    detail: z.array(
      named('ValidationError', z.object({ loc: z.array(z.string()), msg: z.string(), type: z.string() })),
    ),
  }),
)

/** The codes are the API's, odd spelling included. */
export const SVIX_ERRORS = {
  generic_error: { status: 400, detail: 'The query cannot be read.' },
  bad_token: { status: 400, detail: 'The subject of the token is not an organization (org_…).' },
  limit_reached: { status: 400, detail: 'The limit is reached.' },
  invalid_range: { status: 400, detail: 'The range of time is not valid.' },
  missing_payload: { status: 400, detail: 'The payload of the message is gone.' },
  invalid_scheme: { status: 400, detail: 'The event type has no example.' },
  authentication_failed: { status: 401, detail: 'Invalid token' },
  'insufficient access': { status: 403, detail: 'Insufficient access for the given operation.' },
  not_found: { status: 404, detail: 'Entity not found' },
  method_not_allowed: { status: 405, detail: 'This path exists, but not with this method.' },
  conflict: { status: 409, detail: 'A conflict has occurred' },
  event_type_exists: { status: 409, detail: 'An event_type with this name already exists' },
  payload_too_large: { status: 413, detail: 'Request payload is too large.' },
  not_implemented: { status: 501, detail: 'This API endpoint is not yet implemented.' },
} as const satisfies Record<string, { status: number; detail: string }>

export type SvixCode = keyof typeof SVIX_ERRORS

/** A refusal with a code of the Svix API. */
export class SvixError extends Error {
  readonly code: SvixCode
  constructor(code: SvixCode, detail: string = SVIX_ERRORS[code].detail) {
    super(detail)
    this.name = 'SvixError'
    this.code = code
  }
}

/** A validation error about one place. */
export const invalidField = (loc: readonly (string | number)[], msg: string, type = 'value_error') =>
  new GatewayError('validation', { issues: [{ loc: [...loc], msg, type }] })

/** Writes a place as the API does: list positions as `[0]`, everything as text. */
const place = (loc: readonly (string | number)[]): string[] =>
  loc.map((step) => (typeof step === 'number' ? `[${step}]` : step))

/** A finding of the schema library in the API's words. The API counts a value of the wrong kind as a decoding error. */
export function toSvixIssue(issue: z.core.$ZodIssue, part: string, given: unknown): Issue {
  const loc = [part, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))]
  const isMissing = issue.code === 'invalid_type' && valueAt(given, issue.path) === undefined
  if (isMissing) return { loc, msg: `missing field ${String(issue.path.at(-1) ?? part)}`, type: 'value_error.missing' }
  const isWrongKind = issue.code === 'invalid_type' || issue.code === 'invalid_union' || issue.code === 'invalid_value'
  return { loc, msg: issue.message, type: isWrongKind ? 'value_error.jsondecode' : 'value_error' }
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined | null)?.[step], value)

const OF_GATEWAY: Readonly<Record<string, SvixCode>> = {
  body_too_large: 'payload_too_large',
  not_found: 'not_found',
  subscription_not_found: 'not_found',
  message_not_found: 'not_found',
  method_not_allowed: 'method_not_allowed',
  edit_conflict: 'conflict',
}

export function svixBody(error: GatewayError | SvixError): { status: number; body: object } {
  if (error instanceof SvixError)
    return { status: SVIX_ERRORS[error.code].status, body: { code: error.code, detail: error.message } }
  if (error.issues !== null)
    return { status: 422, body: { detail: error.issues.map((issue) => ({ ...issue, loc: place(issue.loc) })) } }
  const code = OF_GATEWAY[error.code]
  if (code !== undefined) {
    const { status, detail } = SVIX_ERRORS[code]
    return { status, body: { code, detail: error.code === 'edit_conflict' ? error.message : detail } }
  }
  return { status: error.status, body: { code: error.code, detail: error.message } }
}

/** Answers errors thrown below `/api/v1`, and unknown paths there. */
export function useSvixErrors(app: FastifyInstance, observer: Observer): void {
  app.setErrorHandler((thrown, request, reply) => answer(thrown, request, reply))
  app.setNotFoundHandler(async () => {
    throw new SvixError('not_found')
  })

  function answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply) {
    const error = thrown instanceof SvixError ? thrown : toGatewayError(thrown)
    if (error.code === 'internal') observer.unexpected({ requestId: request.id, error: thrown })
    else if (error.code === 'store_unavailable') observer.storeTrouble({ doing: 'answer a request', error })
    const { status, body } = svixBody(error instanceof SvixError ? error : inWordsFor(request, error))
    if (status === 503) reply.header('retry-after', '1')
    return reply.code(status).send(body)
  }
}
