/** Checks a request as far as that is possible without knowing its sender. */
import { isUtf8 } from 'node:buffer'
import { eventTypeFrom, eventTypeProblem } from '../domain/event-filter.ts'
import { GatewayError, invalid, type Issue } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import { jsonProblem } from '../lib/json-problem.ts'
import { isFormType, jsonTypeOf } from '../domain/media-type.ts'
import type { SourceRequest } from '../sources/source.ts'
import { cloudEventKey, keySaid, type Said, sendsFormPayload, typeSaid } from '../domain/sender-headers.ts'

/** A request as any transport can hand it over, without any part of a web framework. */
export interface RawRequest extends SourceRequest {
  /** Names in lower case; the values of a repeated header are joined. */
  header(name: string): string | undefined
  /** Number of Hookferry deliveries that the event has been through. */
  hops: number
}

export interface ReceivedEvent {
  body: Uint8Array
  hops: number
  contentType: string
  eventType: string
  /** The sender's key for "this is the same request again"; null when the sender gave none. */
  idempotencyKey: string | null
}

/** The event type of an event that names none. */
const DEFAULT_EVENT_TYPE = 'webhook'

/**
 * Reads the event's type and idempotency key, and makes sure that the body is JSON. `requireType` is for doors where
 * only the type tells who wants the event. Throws `validation`, naming every problem.
 */
export function receive(
  request: RawRequest,
  query: { event_type?: string | undefined },
  { requireType }: { requireType: boolean },
): ReceivedEvent {
  const issues: Issue[] = []
  const header = (name: string) => request.header(name)
  const bodyIssues: Issue[] = []
  const content = readContent(request, bodyIssues)

  const type = typeOf(header, query) ?? (content.type === null ? null : { loc: ['body', 'type'], value: content.type })
  const eventType = type === null ? (requireType ? null : DEFAULT_EVENT_TYPE) : eventTypeFrom(type.value)
  const typeProblem = eventType === null ? TYPE_MISSING : eventTypeProblem(eventType)
  if (typeProblem !== null)
    issues.push({
      loc: type?.loc ?? ['query', 'event_type'],
      msg: typeProblem,
      type: type === null ? 'missing' : 'value_error',
    })

  const key = keySaid(header) ?? content.key
  if (key !== null && (key.value === '' || key.value.length > LIMITS.idempotencyKeyCharsMax))
    issues.push({
      loc: ['header', key.name],
      msg: `has to be 1 to ${LIMITS.idempotencyKeyCharsMax} characters long`,
      type: 'value_error',
    })
  issues.push(...bodyIssues)

  if (issues.length > 0 || eventType === null) throw new GatewayError('validation', { issues })
  return {
    body: content.body,
    hops: request.hops,
    contentType: content.mediaType,
    eventType,
    idempotencyKey: key?.value ?? null,
  }
}

const TYPE_MISSING = "Name the event type: the header X-Event-Type or a provider's own, or ?event_type="

type Place = Issue['loc']

/**
 * The type that the request around the body names: the gateway's own words first, then those of providers and
 * standards.
 */
function typeOf(header: RawRequest['header'], query: { event_type?: string | undefined }) {
  const own = header('x-event-type')
  if (own !== undefined) return { loc: ['header', 'X-Event-Type'] as Place, value: own }
  if (query.event_type !== undefined) return { loc: ['query', 'event_type'] as Place, value: query.event_type }
  const said = typeSaid(header)
  return said === null ? null : { loc: ['header', said.name] as Place, value: said.value }
}

/** The JSON of a request, and its attributes if it is a CloudEvent in structured mode. */
interface Content {
  body: Uint8Array
  mediaType: string
  type: string | null
  key: Said | null
}

/** Only the body's bytes are kept; their meaning is the receiver's affair. */
function readContent(request: RawRequest, issues: Issue[]): Content {
  const mediaType = request.header('content-type')
  const content: Content = { body: request.body, mediaType: jsonTypeOf(mediaType), type: null, key: null }
  try {
    const value = parseJson(request.body)
    return content.mediaType.toLowerCase().startsWith('application/cloudevents+')
      ? { ...content, ...ofCloudEvent(value) }
      : content
  } catch (error) {
    const isForm = mediaType !== undefined && isFormType(mediaType)
    const payload = isForm && sendsFormPayload((name) => request.header(name)) ? formPayload(request.body) : null
    if (payload !== null) return { ...content, body: payload }
    if (!(error instanceof GatewayError) || error.issues === null) throw error
    issues.push(...(isForm ? [FORM] : error.issues))
    return content
  }
}

const FORM: Issue = {
  loc: ['body'],
  msg: 'The body is a form and not JSON. Choose the content type application/json in the settings of whatever sends it.',
  type: 'json_invalid',
}

/** The JSON text in a form's `payload`, as GitHub sends it unless it is told to send JSON; null without one. */
function formPayload(body: Uint8Array): Uint8Array | null {
  const form = new URLSearchParams(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  const payload = Buffer.from(form.get('payload') ?? '')
  try {
    parseJson(payload)
    return payload
  } catch {
    return null
  }
}

function ofCloudEvent(value: unknown): Pick<Content, 'type' | 'key'> {
  const { type, source, id } = (value ?? {}) as Record<string, unknown>
  const isIdentified = typeof source === 'string' && typeof id === 'string' && source !== '' && id !== ''
  return {
    type: typeof type === 'string' ? type : null,
    key: isIdentified ? { name: 'id', value: cloudEventKey(source, id) } : null,
  }
}

/** The body's value; throws `validation` when it is not JSON in UTF-8 (RFC 8259, 8.1). */
export function parseJson(body: Uint8Array): unknown {
  if (!isUtf8(body)) throw invalid(['body'], 'The body is not UTF-8.', 'json_invalid')
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'))
  } catch (error) {
    const reason = body.byteLength === 0 ? 'it is empty' : jsonProblem(error as Error)
    throw invalid(['body'], `The body is not JSON: ${reason}`, 'json_invalid')
  }
}
