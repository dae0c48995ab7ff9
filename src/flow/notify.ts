/** Notifications: events that go to Svix, once each, and to the subscriptions that want them. */
import { DEFAULT_APP } from '../domain/application.ts'
import type { Candidate } from '../domain/endpoint.ts'
import { GatewayError, invalid, type Issue } from '../domain/errors.ts'
import { atPointer, stepsOf } from '../domain/json-pointer.ts'
import { LIMITS } from '../domain/limits.ts'
import { type EventPlace, fromBinaryMode, type Notification, readNotification } from '../domain/notification.ts'
import { type SvixApp, svixAppOf } from '../domain/svix-id.ts'
import { arrayElements } from '../lib/json-slices.ts'
import { acceptAll, type NewEvent, type Receipt } from './accept.ts'
import type { InboundContext } from './flow.ts'
import { inflated } from './inflated.ts'
import { parseJson, type RawRequest } from './receive.ts'
import { route } from './route.ts'

export interface Notified extends Receipt {
  eventId: string
}

/** The Svix destination of notifications. */
export interface SvixDestination {
  /** The endpoint that stands for Svix; null when there is none. */
  endpoint: Candidate | null
  /** The setting for the Svix application; null when it is not set. */
  app: SvixApp | null
}

/**
 * Takes in one event or many, all or none. Throws `validation`, naming every problem, including an event that names no
 * Svix application; or a 503.
 */
export async function notify(
  context: InboundContext,
  request: NotificationRequest,
  svix: SvixDestination,
): Promise<Notified[]> {
  const notifications = read(await inflated(context.inflater, request), svix.app)
  if (notifications.length === 0) return []
  const candidates = await context.cache.ofApplication(DEFAULT_APP)
  const now = context.clock.now()
  const events = notifications.map((notification): NewEvent => {
    const event = { eventType: notification.eventType, channels: null, audience: 'named' as const }
    const wanted = route(candidates, event)
    return {
      ...event,
      appId: DEFAULT_APP,
      contentType: notification.contentType,
      eventId: notification.identity,
      body: notification.body,
      hops: request.hops,
      idempotency: null,
      endpoints: svix.endpoint === null ? wanted : [svix.endpoint, ...wanted],
    }
  })
  const receipts = await acceptAll(context, events, now)
  return receipts.map((receipt, i) => ({ ...receipt, eventId: notifications[i]!.eventId }))
}

export interface NotificationRequest extends RawRequest {
  /** The headers that begin with `ce-`, without that prefix. */
  cloudEventHeaders: Readonly<Record<string, string>>
}

/** The events of a request, in any of the forms in which a request can carry them. */
function read(request: NotificationRequest, app: SvixApp | null): Notification[] {
  const contentType = request.header('content-type')?.toLowerCase() ?? ''
  const issues: Issue[] = []
  // The batch's type begins with that of a single event, so the batch is checked first.
  const isBatch = contentType.startsWith('application/cloudevents-batch')
  const isCloudEvent = contentType.startsWith('application/cloudevents')
  const isBinary = !isCloudEvent && 'specversion' in request.cloudEventHeaders
  const reading: Reading = { issues, app }
  const found = isBinary ? [readBinary(request, reading)] : readJson(request.body, { isBatch, isCloudEvent }, reading)
  if (issues.length > 0) throw new GatewayError('validation', { issues })
  return found.filter((one) => one !== null)
}

/** Problems found while reading a request, and the Svix application that its events have to name. */
interface Reading {
  issues: Issue[]
  app: SvixApp | null
}

function readJson(
  body: Uint8Array,
  { isBatch, isCloudEvent }: { isBatch: boolean; isCloudEvent: boolean },
  reading: Reading,
): (Notification | null)[] {
  const value = parseJson(body)
  if (!Array.isArray(value)) {
    if (isBatch) throw invalid(['body'], 'A batch of CloudEvents is a JSON array.')
    return [readOne(value, body, { loc: ['body'], isCloudEvent }, reading)]
  }
  if (value.length > LIMITS.notificationsMax)
    throw invalid(['body'], `There are ${value.length} events; a request may bring ${LIMITS.notificationsMax}.`)
  const slices = arrayElements(body)
  return value.map((event, i) => {
    // Each event gets a copy: a view would keep the whole request in memory for as long as one of its events exists.
    const slice = Uint8Array.from(slices[i]!)
    return readOne(event, slice, { loc: ['body', i], isCloudEvent }, reading)
  })
}

function readOne(value: unknown, body: Uint8Array, place: EventPlace, { issues, app }: Reading): Notification | null {
  const notification = readNotification(value, body, place, issues)
  const problem = app === null ? null : svixAppIssue(value, app, place.loc)
  if (problem !== null) issues.push(problem)
  return notification
}

/** Svix would refuse such an event for ever, and its id would be used up. So its sender is told. */
function svixAppIssue(event: unknown, app: SvixApp, loc: Issue['loc']): Issue | null {
  if ('id' in app || typeof event !== 'object' || event === null) return null
  const found = svixAppOf(event, app)
  if (!('problem' in found)) return null
  const isMissing = atPointer(event, app.pointer) === undefined
  return {
    loc: [...loc, ...stepsOf(app.pointer)],
    msg: found.problem,
    type: isMissing ? 'missing' : 'value_error',
  }
}

function readBinary(request: NotificationRequest, { issues, app }: Reading): Notification | null {
  const contentType = request.header('content-type')
  const { attributes, body } = fromBinaryMode(request.cloudEventHeaders, contentType, request.body, issues)
  const before = issues.length
  const notification = readNotification(
    attributes,
    body,
    { loc: ['header'], prefix: 'ce-', isCloudEvent: true },
    issues,
  )
  // The application may be named in the data, which is parsed only when a setting asks for it.
  if (notification === null || issues.length > before || app === null || 'id' in app) return notification
  const problem = svixAppIssue(parseJson(body), app, ['body'])
  if (problem !== null) issues.push(problem)
  return notification
}
