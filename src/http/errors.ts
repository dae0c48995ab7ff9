import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, ERRORS, GatewayError, refusalOfRead } from '../domain/errors.ts'
import type { Observer } from '../telemetry/events.ts'

/** Refusals by the framework itself, in the catalogue's words. */
const FRAMEWORK_CODES: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_REOPENED_CLOSE_SERVER: 'shutting_down',
}

/** The one place where errors become answers. */
export function useErrors(app: FastifyInstance, observer: Observer): void {
  app.setErrorHandler((error, request, reply) => answer(error, request, reply))

  function answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply) {
    const error = toGatewayError(thrown)
    if (error.code === 'internal') observer.unexpected({ requestId: request.id, error: thrown })
    else if (error.code === 'store_unavailable') observer.storeTrouble({ doing: 'answer a request', error })
    if (error.status === 503) reply.header('retry-after', '1')
    return reply.code(error.status).send(bodyFor(inWordsFor(request, error)))
  }
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD'])

/** The refusal in the words for what was asked: a read sends nothing that could be accepted. */
export const inWordsFor = ({ method }: Pick<FastifyRequest, 'method'>, error: GatewayError): GatewayError =>
  READS.has(method) ? refusalOfRead(error) : error

export function bodyFor(error: GatewayError): object {
  if (error.issues !== null) return { detail: error.issues, code: error.code }
  // The inbox's contract gives this body to the letter.
  if (error.code === 'invalid_signature') return { detail: error.message }
  return { detail: error.message, code: error.code }
}

export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const { code, statusCode, message } = error as Partial<FastifyError>
  const known = code === undefined ? undefined : FRAMEWORK_CODES[code]
  if (known !== undefined) return new GatewayError(known, { cause: error })
  // The framework could not read the request: a bad URL, or a wrong content length.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new GatewayError('bad_request', { detail: message ?? ERRORS.bad_request.detail, cause: error })
  return new GatewayError('internal', { cause: error })
}
