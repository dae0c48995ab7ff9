/**
 * Events as they come to `/notifications`: plain JSON objects with an id and a type, or CloudEvents 1.0 in their three
 * HTTP modes (https://github.com/cloudevents/spec, http-protocol-binding.md and json-format.md).
 */
import { isUtf8 } from 'node:buffer'
import { cloudEventIdentity, decodeAttribute } from './cloud-event-header.ts'
import type { Issue } from './errors.ts'
import { eventTypeFrom, eventTypeProblem } from './event-filter.ts'
import { isFormType, isJsonType, JSON_MEDIA_TYPE } from './media-type.ts'
import { jsonProblem } from '../lib/json-problem.ts'

export const EVENT_ID_CHARS_MAX = 1_024

/** An event with its identity, by which a repeat is recognised. */
export interface Notification {
  /** The event's own id, as its sender wrote it. */
  eventId: string
  /** Unique in the application for ever: the id, and with CloudEvents the source too. */
  identity: string
  eventType: string
  /** Media type of the body on its way out: receivers recognise a CloudEvent by it (http-protocol-binding.md 3). */
  contentType: string
  body: Uint8Array
}

const CLOUD_EVENT_MEDIA_TYPE = 'application/cloudevents+json'

/** The event's place in the request, for the issues, and whether the request says that it is a CloudEvent. */
export interface EventPlace {
  loc: (string | number)[]
  /** Prefix of the event's member names in issues. */
  prefix?: 'ce-'
  isCloudEvent: boolean
}

/** Reads one event; null when there are issues. An event with a `specversion` is a CloudEvent wherever it stands. */
export function readNotification(
  value: unknown,
  body: Uint8Array,
  { loc, prefix, ...place }: EventPlace,
  issues: Issue[],
): Notification | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    issues.push({ loc, msg: 'An event is a JSON object.', type: 'value_error' })
    return null
  }
  const event = value as Record<string, unknown>
  const before = issues.length
  const at = (name: string) => [...loc, `${prefix ?? ''}${name}`]
  const text = (name: string) => {
    const problem = textProblem(event[name])
    if (problem === null) return event[name] as string
    issues.push({ loc: at(name), ...problem })
    return null
  }
  const eventId = text('id')
  const type = text('type')
  const isCloudEvent = place.isCloudEvent || 'specversion' in event
  const source = isCloudEvent ? text('source') : null
  if (isCloudEvent && event['specversion'] !== '1.0')
    issues.push({
      loc: at('specversion'),
      msg: 'The version of CloudEvents that is understood is "1.0".',
      type: event['specversion'] === undefined ? 'missing' : 'value_error',
    })
  const eventType = type === null ? null : eventTypeFrom(type)
  const typeProblem = eventType === null ? null : eventTypeProblem(eventType)
  if (typeProblem !== null) issues.push({ loc: at('type'), msg: typeProblem, type: 'value_error' })
  if (issues.length > before || eventId === null || eventType === null) return null
  const contentType = isCloudEvent ? CLOUD_EVENT_MEDIA_TYPE : JSON_MEDIA_TYPE
  return { eventId, identity: identityOf(eventId, source), eventType, contentType, body }
}

function textProblem(value: unknown): Pick<Issue, 'msg' | 'type'> | null {
  if (value === undefined) return { msg: 'Field required', type: 'missing' }
  if (typeof value === 'string' && value !== '' && value.length <= EVENT_ID_CHARS_MAX && value.isWellFormed())
    return null
  return { msg: `has to be a text of 1 to ${EVENT_ID_CHARS_MAX} characters`, type: 'value_error' }
}

/** A plain id is its own identity. A pair is written as a JSON array, and so is a plain id that looks like one. */
const identityOf = (id: string, source: string | null): string =>
  source !== null ? cloudEventIdentity(source, id) : id.startsWith('[') ? JSON.stringify([id]) : id

/**
 * Reads an event in CloudEvents' binary mode: its attributes, which are in headers, and the JSON text of the same event
 * in structured mode. JSON data stands in that text byte for byte. `issues` names everything that cannot be read.
 */
export function fromBinaryMode(
  headers: Readonly<Record<string, string>>,
  contentType: string | undefined,
  data: Uint8Array,
  issues: Issue[],
): { attributes: Record<string, string>; body: Uint8Array } {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (!ATTRIBUTE.test(name)) {
      issues.push({ loc: ['header', `ce-${name}`], msg: NO_ATTRIBUTE, type: 'value_error' })
      continue
    }
    const decoded = decodeAttribute(value)
    attributes[name] = decoded ?? value
    if (decoded === null)
      issues.push({ loc: ['header', `ce-${name}`], msg: 'is not UTF-8 after percent-decoding', type: 'value_error' })
  }
  if (contentType !== undefined)
    attributes['datacontenttype'] = isJsonForm(contentType, data) ? JSON_MEDIA_TYPE : contentType
  return { attributes, body: inStructuredMode(attributes, data, issues) }
}

// spec.md, "Naming conventions"; `data` is the name of what the attributes are about.
const ATTRIBUTE = /^(?!data$)[a-z0-9]+$/
const NO_ATTRIBUTE = 'is no attribute: names are made of a-z and 0-9, and the data is the body of the request'

/** The type that curl sends by default: no form begins like an object or a list. */
const isJsonForm = (contentType: string, data: Uint8Array): boolean =>
  isFormType(contentType) &&
  /^\s*[{[]/.test(Buffer.from(data.subarray(0, 64)).toString('latin1')) &&
  dataProblem(data) === null

const TEXT_TYPE = /^(?:text\/|application\/(?:xml|x-www-form-urlencoded)[ \t]*(?:;|$)|[^;]*\+xml[ \t]*(?:;|$))/i
const OTHER_CHARSET = /;[ \t]*charset=(?!"?(?:utf-?8|us-ascii)"?[ \t]*(?:;|$))/i

/** True when data is text that JSON can hold. */
const isText = (contentType: string, data: Uint8Array): boolean =>
  TEXT_TYPE.test(contentType) && !OTHER_CHARSET.test(contentType) && isUtf8(data)

/**
 * Decides by json-format.md 3.1.1 which data is JSON, and how other data is written. Without data there is no member
 * for it.
 */
function inStructuredMode(attributes: Record<string, string>, data: Uint8Array, issues: Issue[]): Uint8Array {
  const open = JSON.stringify(attributes).slice(0, -1)
  if (data.byteLength === 0) return Buffer.from(`${open}}`)
  const contentType = attributes['datacontenttype']
  if (contentType !== undefined && !isJsonType(contentType)) {
    const bytes = Buffer.from(data)
    const member = isText(contentType, data)
      ? `"data":${JSON.stringify(bytes.toString('utf8'))}`
      : `"data_base64":"${bytes.toString('base64')}"`
    return Buffer.from(`${open},${member}}`)
  }
  const problem = dataProblem(data)
  if (problem !== null) issues.push({ loc: ['body'], msg: `The data is not JSON: ${problem}`, type: 'json_invalid' })
  return Buffer.concat([Buffer.from(`${open},"data":`), data, Buffer.from('}')])
}

function dataProblem(bytes: Uint8Array): string | null {
  if (!isUtf8(bytes)) return 'it is not UTF-8'
  try {
    JSON.parse(Buffer.from(bytes).toString('utf8'))
    return null
  } catch (error) {
    return jsonProblem(error as Error)
  }
}
