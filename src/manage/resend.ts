/** Makes one more attempt by hand. The schedule of the delivery stays as it is; a missing delivery is made. */
import type { DeliveryKey } from '../domain/delivery.ts'
import { SVIX_ENDPOINT } from '../domain/endpoint.ts'
import type { AppId, EndpointId } from '../domain/ids.ts'
import type { MessageInfo } from '../domain/message.ts'
import { route } from '../flow/route.ts'
import type { Answer } from '../store/port/answers.ts'
import type { ManageContext } from './context.ts'

/** `unknown`: the message or the endpoint is gone. `expired`: the payload is gone. */
export async function resend(
  { store, clock, handoff }: ManageContext,
  { appId, msgId, endpointId }: Omit<DeliveryKey, 'run'>,
  answer: Answer | null = null,
): Promise<'added' | 'unknown' | 'expired' | 'replayed'> {
  const now = clock.now()
  const result = await store.resend({ appId, msgId, endpointId }, now, { answer, announce: [] })
  if (typeof result === 'string') return result
  handoff.noteDue(now)
  return 'added'
}

/**
 * Resends a message to `only`, otherwise to all endpoints that have a delivery of it. If no endpoint has one, the
 * message goes to those that name its type now: it may have come in for a single endpoint, and is then not for those
 * that take everything. Returns the number of attempts that are due. `expired`: the payload is gone.
 */
export async function resendToAll(
  context: ManageContext,
  message: MessageInfo,
  only: EndpointId | undefined,
): Promise<number | 'expired'> {
  const { store, cache } = context
  const { appId, id: msgId } = message
  const known = (await store.deliveriesOf(appId, msgId)).map((delivery) => delivery.endpointId)
  const all = known.length > 0 ? known : await wantedNow(context, appId, message)
  let queued = 0
  for (const endpointId of only === undefined ? all : [only]) {
    const endpoint = await cache.get(appId, endpointId)
    // Only an event with its own identity can become one message in Svix. Notifications have one.
    if (endpoint === null || (endpoint.id === SVIX_ENDPOINT && !isNotification(message, known))) continue
    const result = await resend(context, { appId, msgId, endpointId })
    // The payload was there when the message was looked up; retention or an expunge has removed it since.
    if (result === 'expired') return 'expired'
    if (result === 'added') queued++
  }
  return queued
}

const isNotification = (message: MessageInfo, known: readonly EndpointId[]): boolean =>
  message.eventId !== null || known.includes(SVIX_ENDPOINT)

const wantedNow = async ({ cache }: ManageContext, appId: AppId, message: MessageInfo): Promise<EndpointId[]> =>
  route(await cache.ofApplication(appId), { ...message, audience: 'named' }).map((endpoint) => endpoint.id)
