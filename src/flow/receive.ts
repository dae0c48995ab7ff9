/** What came in, checked as far as that is possible without knowing who sent it. */
import { isUtf8 } from 'node:buffer'
import { eventTypeProblem } from '../domain/event-filter.ts'
import { GatewayError, invalid, type Issue } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'

/** A request as any transport can hand it over: nothing of a web framework in it. */
export interface RawRequest {
  /** Names in lower case; a repeated header has its values joined. */
  header(name: string): string | undefined
  /** The bytes as they came; empty when there was no body. */
  body: Uint8Array
  /** How many deliveries of Hookferry lie behind it. */
  hops: number
}

export interface ReceivedEvent {
  body: Uint8Array
  hops: number
  contentType: string
  eventType: string
  /** The sender's word for "this is the same request again"; null when it gave none. */
  idempotencyKey: string | null
}

/** The event type of an event that names none. */
const DEFAULT_EVENT_TYPE = 'webhook'

/**
 * Reads the event's type and idempotency key, and sees to it that the body is JSON. `requireType` is for doors where only
 * the type tells who wants the event. Throws `validation`, naming every problem.
 */
export function receive(
  request: RawRequest,
  query: { event_type?: string | undefined },
  { requireType }: { requireType: boolean },
): ReceivedEvent {
  const issues: Issue[] = []
  const header = request.header('x-event-type')
  const eventType = header ?? query.event_type ?? (requireType ? undefined : DEFAULT_EVENT_TYPE)
  const loc = header === undefined ? ['query', 'event_type'] : ['header', 'X-Event-Type']
  if (eventType === undefined)
    issues.push({ loc, msg: 'Name the event type: the header X-Event-Type, or ?event_type=', type: 'missing' })
  else {
    const problem = eventTypeProblem(eventType)
    if (problem !== null) issues.push({ loc, msg: problem, type: 'value_error' })
  }

  const key = request.header('idempotency-key') ?? request.header('x-github-delivery')
  if (key !== undefined && (key === '' || key.length > LIMITS.idempotencyKeyCharsMax))
    issues.push({
      loc: ['header', request.header('idempotency-key') === undefined ? 'X-GitHub-Delivery' : 'Idempotency-Key'],
      msg: `has to be 1 to ${LIMITS.idempotencyKeyCharsMax} characters long`,
      type: 'value_error',
    })
  issues.push(...jsonIssues(request.body))

  if (issues.length > 0 || eventType === undefined) throw new GatewayError('validation', { issues })
  return {
    body: request.body,
    hops: request.hops,
    contentType: request.header('content-type') ?? 'application/json',
    eventType,
    idempotencyKey: key ?? null,
  }
}

/** What keeps the body from being JSON. Only its bytes are kept; what they say is the receiver's affair. */
function jsonIssues(body: Uint8Array): readonly Issue[] {
  try {
    parseJson(body)
    return []
  } catch (error) {
    if (error instanceof GatewayError && error.issues !== null) return error.issues
    throw error
  }
}

/** The body's value; throws `validation` when it is not JSON in UTF-8 (RFC 8259, 8.1). */
export function parseJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw invalid(['body'], 'The body is not UTF-8.', 'json_invalid')
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch (error) {
    const reason = body.byteLength === 0 ? 'The body is empty' : (error as Error).message
    throw invalid(['body'], `The body is not JSON: ${reason}`, 'json_invalid')
  }
}
