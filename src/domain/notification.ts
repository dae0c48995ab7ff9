/**
 * Events as they come to `/notifications`: plain JSON objects with an id and a type, or CloudEvents 1.0 in their three HTTP
 * modes (https://github.com/cloudevents/spec, http-protocol-binding.md and json-format.md).
 */
import type { Issue } from './errors.ts'
import { eventTypeProblem } from './event-filter.ts'

export const EVENT_ID_CHARS_MAX = 1_024

/** An event with its identity: what makes it the same event when it comes again. */
export interface Notification {
  /** The event's own id, as its sender wrote it. */
  eventId: string
  /** Unique in the application for ever: the id, and with CloudEvents the source too. */
  identity: string
  eventType: string
  body: Uint8Array
}

/** Reads one event. `loc` is where it stands in the request, for the issues; null when there are any. */
export function readNotification(
  value: unknown,
  body: Uint8Array,
  loc: (string | number)[],
  issues: Issue[],
): Notification | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    issues.push({ loc, msg: 'An event is a JSON object.', type: 'value_error' })
    return null
  }
  const event = value as Record<string, unknown>
  const before = issues.length
  const eventId = text(event, 'id', loc, issues)
  const eventType = text(event, 'type', loc, issues)
  const isCloudEvent = 'specversion' in event
  const source = isCloudEvent ? text(event, 'source', loc, issues) : null
  if (isCloudEvent && event['specversion'] !== '1.0')
    issues.push({
      loc: [...loc, 'specversion'],
      msg: 'The version of CloudEvents that is understood is "1.0".',
      type: 'value_error',
    })
  const typeProblem = eventType === null ? null : eventTypeProblem(eventType)
  if (typeProblem !== null) issues.push({ loc: [...loc, 'type'], msg: typeProblem, type: 'value_error' })
  if (issues.length > before || eventId === null || eventType === null) return null
  return { eventId, identity: identityOf(eventId, source), eventType, body }
}

function text(event: Record<string, unknown>, name: string, loc: (string | number)[], issues: Issue[]): string | null {
  const value = event[name]
  if (typeof value === 'string' && value !== '' && value.length <= EVENT_ID_CHARS_MAX && value.isWellFormed())
    return value
  issues.push(
    value === undefined
      ? { loc: [...loc, name], msg: 'Field required', type: 'missing' }
      : { loc: [...loc, name], msg: `has to be a text of 1 to ${EVENT_ID_CHARS_MAX} characters`, type: 'value_error' },
  )
  return null
}

/** A plain id is its own identity. A pair is written as a JSON array, and a plain id that looks like one is as well. */
const identityOf = (id: string, source: string | null): string =>
  source !== null ? JSON.stringify([source, id]) : id.startsWith('[') ? JSON.stringify([id]) : id

/**
 * An event in CloudEvents' binary mode, attributes in headers, as the JSON object that says the same in structured mode.
 * Throws a `RangeError` with the reason when a header cannot be decoded.
 */
export function fromBinaryMode(
  headers: Readonly<Record<string, string>>,
  contentType: string | undefined,
  data: Uint8Array,
): Record<string, unknown> {
  const event: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(headers)) event[name] = decodeHeader(name, value)
  if (contentType !== undefined) event['datacontenttype'] = contentType
  if (data.byteLength === 0) return event
  const isJson = contentType === undefined || /^[^;]*[/+]json\s*(;|$)/i.test(contentType)
  if (!isJson) event['data_base64'] = Buffer.from(data).toString('base64')
  else event['data'] = JSON.parse(Buffer.from(data).toString('utf8'))
  return event
}

/** http-protocol-binding.md 3.1.3.2: unquote once, then decode percent signs once; what is not UTF-8 then is refused. */
function decodeHeader(name: string, value: string): string {
  const unquoted = /^".*"$/s.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : value
  try {
    return decodeURIComponent(unquoted.replaceAll(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch {
    throw new RangeError(`The header ce-${name} is not UTF-8 after percent-decoding.`)
  }
}
