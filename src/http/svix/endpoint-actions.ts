/** Acts on an endpoint besides changing it: counts, examples, and delivery of the messages that it missed. */
import { z } from 'zod'
import { taskOperation } from './tasks.ts'
import { BUCKET_MS, type OrgId } from '../../domain/ids.ts'
import { exampleOf, sendExample } from '../../manage/messages.ts'
import { named, withExample } from '../described.ts'
import { count } from '../schemas.ts'
import { messageJson, shownPayload } from './message-json.ts'
import { MessageOut } from './messages.ts'
import {
  operation,
  type AnyOperation,
  findApplication,
  findEndpoint,
  ok,
  Replayed,
  type SvixContext,
} from './operation.ts'
import { SvixError } from './problems.ts'
import { instantParameter } from './query.ts'
import { messageRecipe } from './repeats.ts'
import { eventTypeName } from './schemas.ts'

const DAY_MS = 86_400_000
/** Tolerance for clocks that differ, and for the time that requests take. */
const LEEWAY_MS = 5 * 60_000
const STATS_WINDOW_MS = 28 * DAY_MS

const EndpointStats = named(
  'EndpointStats',
  z.object({ success: count, pending: count, sending: count, fail: count, canceled: count }),
)
/** As many as the schemas of an event type can hold. */
const EXAMPLE_INDEX_MAX = 65_535
const EventExampleIn = named(
  'EventExampleIn',
  withExample(
    { eventType: 'svix.ping' },
    z.object({ eventType: eventTypeName, exampleIndex: z.number().int().min(0).max(EXAMPLE_INDEX_MAX).nullish() }),
  ),
)

const PING = 'svix.ping'

const path = '/app/:app_id/endpoint/:endpoint_id'

async function example(
  { store }: SvixContext,
  { orgId, name, index }: { orgId: OrgId; name: string; index: number },
): Promise<object> {
  const eventType = await store.getEventType(orgId, name)
  if (eventType === null) throw new SvixError('not_found')
  const found = exampleOf(eventType, index)
  if (found === null)
    throw new SvixError('invalid_scheme', 'The event type has no such example: give its schema version 1 `examples`.')
  return found
}

const endpointGetStats = operation({
  method: 'GET',
  url: `${path}/stats`,
  id: 'v1.endpoint.get-stats',
  summary: 'Count the messages for an endpoint by what became of them',
  access: 'ViewBase',
  query: z.object({ since: instantParameter, until: instantParameter }),
  answers: {
    200: EndpointStats,
  },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const { id: endpointId } = await findEndpoint(context, appId, call.params['endpoint_id'])
    const now = context.clock.now()
    const until = call.query.until ?? now
    const since = call.query.since ?? until - STATS_WINDOW_MS
    if (until > now + LEEWAY_MS) throw new SvixError('invalid_range', '`until` cannot be in the future')
    if (since > until) throw new SvixError('invalid_range', '`since` cannot be after `until`')
    if (until - since > STATS_WINDOW_MS + LEEWAY_MS)
      throw new SvixError('invalid_range', '`since` cannot be more than 28 days before `until`')
    // Messages are found by the times of their ids, so all messages of the last moment belong to the range.
    return ok(await context.store.countDeliveries({ appId, endpointId, since, until: until + BUCKET_MS }))
  },
})

const endpointSendExample = operation({
  method: 'POST',
  url: `${path}/send-example`,
  id: 'v1.endpoint.send-example',
  summary: 'Send the example of an event type to this endpoint alone',
  access: 'organization',
  body: EventExampleIn,
  answers: { 200: MessageOut },
  writeKnowsRepeats: true,
  async handle(context, call) {
    const application = await findApplication(context, call)
    const endpoint = await findEndpoint(context, application.id, call.params['endpoint_id'])
    const { eventType, exampleIndex } = call.body
    const isPing = eventType === PING
    const value = isPing
      ? { success: true }
      : await example(context, { orgId: call.principal.orgId, name: eventType, index: exampleIndex ?? 0 })
    const payload = Buffer.from(JSON.stringify(value))
    const published = await sendExample(context.manage, application, {
      endpoint,
      eventType,
      channels: null,
      contentType: 'application/json',
      eventId: null,
      body: payload,
      hops: 0,
      more: { tags: null, shownPayload: null, retentionMs: null, deliverAt: null },
      answerFor: (id) => call.answer(200, messageRecipe(application.id, id, false)),
    })
    if (published.kind !== 'published') throw new Replayed()
    return ok(messageJson(published.message, shownPayload(false, payload)))
  },
})

const endpointRecover = taskOperation({
  kind: 'endpoint.recover',
  url: `${path}/recover`,
  id: 'v1.endpoint.recover',
  summary: 'Try all messages again that failed at this endpoint since then',
})

const endpointReplayMissing = taskOperation({
  kind: 'endpoint.replay',
  url: `${path}/replay-missing`,
  id: 'v1.endpoint.replay-missing',
  summary: 'Deliver all messages since then that this endpoint would have wanted and was never sent',
})

export const endpointActionOperations: readonly AnyOperation[] = [
  endpointGetStats,
  endpointSendExample,
  endpointRecover,
  endpointReplayMissing,
]
