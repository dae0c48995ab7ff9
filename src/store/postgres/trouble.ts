/** Translates errors of the database into refusals. */
import { GatewayError } from '../../domain/errors.ts'

/**
 * The SQLSTATE (https://www.postgresql.org/docs/14/errcodes-appendix.html); undefined when the error is not the
 * server's answer.
 */
export const sqlState = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)
    ? error.code
    : undefined

export const isUniqueViolation = (error: unknown, constraints: readonly string[]): boolean =>
  sqlState(error) === '23505' &&
  error instanceof Error &&
  'constraint' in error &&
  constraints.includes(String(error.constraint))

/** Unique keys whose violation means that the request is a repeat. */
const REPEATED = ['idempotency_pkey', 'msg_event_id', 'messages_pkey', 'answer_pkey']

/** True when another node has just stored the same: a second question finds it. */
export const isRepeat = (error: unknown): boolean => isUniqueViolation(error, REPEATED)

/** True when two transactions collided: the server has rolled this one back, and it can simply be run again. */
export const isCollision = (error: unknown): boolean => ['40001', '40P01'].includes(sqlState(error) ?? '')

/** True for errors of our own code: neither the server nor the network throws these. */
const isBug = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError

/** True when the connection is gone, or leads to a server that takes no writes any more: it must not be used again. */
export function isConnectionTrouble(error: unknown): boolean {
  const state = sqlState(error)
  if (state === undefined) return !isBug(error)
  return state.startsWith('08') || state.startsWith('57P') || state === '25006'
}

/** True when the database could not do it now; otherwise the operation itself is at fault. */
export function isUnavailable(error: unknown): boolean {
  const state = sqlState(error)
  if (state === undefined) return !isBug(error)
  // Cancelled by a time-out, a lock that was not free in time, full disk or memory, I/O errors, too much contention.
  return (
    isConnectionTrouble(error) ||
    isCollision(error) ||
    ['57014', '55P03', '25P03'].includes(state) ||
    ['53', '58', 'F0', 'XX'].includes(state.slice(0, 2))
  )
}

/** Turns an error of the database into a refusal. */
export function toRefusal(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError(isUnavailable(error) ? 'store_unavailable' : 'internal', { cause: error })
}

/** The reason in one line, without secrets. An AggregateError (no address answered) has its reasons inside. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (error instanceof GatewayError && error.cause !== undefined) return reasonOf(error.cause)
  const text = error instanceof Error ? error.message : String(error)
  return text.replaceAll(/\s+/g, ' ').trim()
}
