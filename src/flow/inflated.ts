/** Inflates compressed bodies, and only once their sender is known: a signature covers the bytes as they came. */
import { CODINGS, codingsOf } from '../domain/content-encoding.ts'
import { GatewayError, invalid } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import { Inflater, InflateError } from '../lib/inflate.ts'
import type { RawRequest } from './receive.ts'

/** Bodies that are being inflated take no more memory than bodies that are being received. */
export function createInflater(sizes: { maxBodyBytes: number; maxBodyBytesInProgress: number }): Inflater {
  const room = Math.max(1, Math.floor(sizes.maxBodyBytesInProgress / sizes.maxBodyBytes))
  return new Inflater({
    bytesMax: sizes.maxBodyBytes,
    atOnceMax: Math.min(LIMITS.inflatedAtOnce, room),
    waitingMax: LIMITS.inflatedWaitingMax,
  })
}

/** The reason why the body that a header announces cannot be read; null when it can be. */
export function encodingProblem(header: string, { takesEvents }: { takesEvents: boolean }): GatewayError | null {
  const codings = codingsOf(header)
  if (codings !== null && (takesEvents || codings.length === 0)) return null
  const detail = takesEvents
    ? `The Content-Encoding of the body is not understood: leave it out, or make it ${CODINGS.join(', ')}.`
    : 'This route takes no compressed bodies: leave out the Content-Encoding.'
  return new GatewayError('unsupported_encoding', { detail })
}

/**
 * The request with its body as it was before compression. For a body that is not compressed, the same request is
 * returned, without a promise. Throws `unsupported_encoding`, `body_too_large`, `overloaded`, or `validation` when the
 * body is not what the header says.
 */
export function inflated<R extends RawRequest>(inflater: Inflater, request: R): R | Promise<R> {
  const header = request.header('content-encoding')
  if (header === undefined) return request
  const problem = encodingProblem(header, { takesEvents: true })
  if (problem !== null) throw problem
  const codings = codingsOf(header) ?? []
  if (codings.length === 0) return request
  return inflater.inflate(request.body, codings).then((body) => ({ ...request, body }), refuse)
}

function refuse(error: unknown): never {
  if (!(error instanceof InflateError)) throw error
  if (error.problem === 'too_large')
    throw new GatewayError('body_too_large', { detail: 'The body is larger than MAX_BODY once it is inflated.' })
  if (error.problem === 'busy') throw new GatewayError('overloaded')
  throw invalid(['header', 'Content-Encoding'], `does not fit the body: ${error.message}`, 'encoding_invalid')
}
