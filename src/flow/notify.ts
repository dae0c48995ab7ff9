/** Notifications: events that are handed on to Svix, once each, and to the subscriptions that want them. */
import { DEFAULT_APP } from '../domain/application.ts'
import type { Candidate } from '../domain/endpoint.ts'
import { GatewayError, invalid, type Issue } from '../domain/errors.ts'
import { LIMITS } from '../domain/limits.ts'
import { fromBinaryMode, type Notification, readNotification } from '../domain/notification.ts'
import { arrayElements } from '../lib/json-slices.ts'
import { acceptAll, type NewEvent, type Receipt } from './accept.ts'
import type { InboundContext } from './flow.ts'
import { inflated } from './inflated.ts'
import { parseJson, type RawRequest } from './receive.ts'
import { route } from './route.ts'

export interface Notified extends Receipt {
  eventId: string
}

/**
 * Takes in one event or many, all or none. `svix` is the endpoint that stands for the Svix destination, null when it is not
 * configured. Throws `validation`, naming every problem, or a 503.
 */
export async function notify(
  context: InboundContext,
  request: NotificationRequest,
  svix: Candidate | null,
): Promise<Notified[]> {
  const notifications = read(await inflated(context.inflater, request))
  if (notifications.length === 0) return []
  const candidates = await context.cache.ofApplication(DEFAULT_APP)
  const now = context.clock.now()
  const events = notifications.map((notification): NewEvent => {
    const wanted = route(candidates, { eventType: notification.eventType, channels: null })
    return {
      appId: DEFAULT_APP,
      eventType: notification.eventType,
      channels: null,
      contentType: notification.contentType,
      eventId: notification.identity,
      body: notification.body,
      hops: request.hops,
      idempotency: null,
      inbox: null,
      endpoints: svix === null ? wanted : [svix, ...wanted],
    }
  })
  const receipts = await acceptAll(context, events, now)
  return receipts.map((receipt, i) => ({ ...receipt, eventId: notifications[i]!.eventId }))
}

export interface NotificationRequest extends RawRequest {
  /** The headers that begin with `ce-`, without that. */
  cloudEventHeaders: Readonly<Record<string, string>>
}

/** The events of a request, in whichever of the ways it brings them. */
function read(request: NotificationRequest): Notification[] {
  const contentType = request.header('content-type')?.toLowerCase() ?? ''
  const issues: Issue[] = []
  // The batch's type begins with that of a single event, so it is asked for first.
  const isBatch = contentType.startsWith('application/cloudevents-batch')
  const isCloudEvent = contentType.startsWith('application/cloudevents')
  const isBinary = !isCloudEvent && 'specversion' in request.cloudEventHeaders
  const found = isBinary ? [readBinary(request, issues)] : readJson(request.body, { isBatch, isCloudEvent }, issues)
  if (issues.length > 0) throw new GatewayError('validation', { issues })
  return found.filter((one) => one !== null)
}

function readJson(
  body: Uint8Array,
  { isBatch, isCloudEvent }: { isBatch: boolean; isCloudEvent: boolean },
  issues: Issue[],
): (Notification | null)[] {
  const value = parseJson(body)
  if (!Array.isArray(value)) {
    if (isBatch) throw invalid(['body'], 'A batch of CloudEvents is a JSON array.')
    return [readNotification(value, body, { loc: ['body'], isCloudEvent }, issues)]
  }
  if (value.length > LIMITS.notificationsMax)
    throw invalid(['body'], `There are ${value.length} events; a request may bring ${LIMITS.notificationsMax}.`)
  const slices = arrayElements(body)
  return value.map((event, i) => {
    // A copy of its own for each: a view would keep the whole request in memory for as long as one of its events is.
    const slice = Uint8Array.from(slices[i]!)
    return readNotification(event, slice, { loc: ['body', i], isCloudEvent }, issues)
  })
}

function readBinary(request: NotificationRequest, issues: Issue[]): Notification | null {
  const contentType = request.header('content-type')
  const { attributes, body } = fromBinaryMode(request.cloudEventHeaders, contentType, request.body, issues)
  return readNotification(attributes, body, { loc: ['header'], prefix: 'ce-', isCloudEvent: true }, issues)
}
