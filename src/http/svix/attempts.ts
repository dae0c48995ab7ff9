/** What became of messages: attempts, the messages that an endpoint was sent, the endpoints that a message was sent to. */
import { z } from 'zod'
import type { Attempt } from '../../domain/attempt.ts'
import type { AttemptId, EndpointId, MessageId } from '../../domain/ids.ts'
import type { AttemptedEndpoint, AttemptedMessage, DeliveryStatus, Shown } from '../../store/log.ts'
import type { Server } from '../context.ts'
import { urlText } from '../bounded.ts'
import { named, onWire } from '../described.ts'
import { Instant, instant, instantOrNull } from '../schemas.ts'
import { EndpointCommon, toEndpointCommon } from './endpoint-schemas.ts'
import { messageJson, shownPayload } from './message-json.ts'
import { findMessage, logFilter, logQuery, messageCommon, startsAtTheEnd } from './messages.ts'
import {
  type Call,
  defineOperation,
  Empty,
  findApplication,
  findEndpoint,
  noContent,
  ok,
  Replayed,
  type SvixContext,
} from './operation.ts'
import { pageJson, pageOf, readPage } from './pages.ts'
import { SvixError } from './problems.ts'
import { flag, iterator, limit, statusCodeClass, statusParameter } from './query.ts'

/** The API's numbers and words. `canceled` is newer than many clients: they are told of a failure unless they ask for it. */
const STATUS: Readonly<Record<DeliveryStatus, number>> = { success: 0, pending: 1, fail: 2, sending: 3, canceled: 4 }

const MessageStatus = named(
  'MessageStatusCode',
  onWire(z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3), z.literal(4)]), {
    type: 'integer',
    enum: [0, 1, 2, 3, 4],
  }),
)
const statusMembers = {
  status: MessageStatus,
  statusText: named('MessageStatusText', z.enum(['success', 'pending', 'fail', 'sending', 'canceled'])),
}

function statusOf(status: DeliveryStatus, isExpanded: boolean) {
  const shown = status === 'canceled' && !isExpanded ? 'fail' : status
  return { status: STATUS[shown], statusText: shown }
}

const AttemptOut = named(
  'MessageAttemptOut',
  z.object({
    id: z.string(),
    msgId: z.string(),
    endpointId: z.string(),
    url: z.string(),
    response: z.string(),
    responseStatusCode: z.number().int(),
    responseDurationMs: z.number().int(),
    ...statusMembers,
    triggerType: named(
      'MessageAttemptTriggerType',
      onWire(z.union([z.literal(0), z.literal(1)]), { type: 'integer', enum: [0, 1] }),
    ),
    timestamp: Instant,
  }),
)

const toAttemptOut = (attempt: Attempt, withContent: boolean) => ({
  url: attempt.url,
  // Without an answer, what went wrong is the next best thing to read.
  response: withContent ? (attempt.response ?? attempt.error ?? '') : '{}',
  responseStatusCode: attempt.statusCode ?? 0,
  responseDurationMs: attempt.durationMs,
  ...statusOf(attempt.outcome === 'success' ? 'success' : 'fail', false),
  triggerType: attempt.trigger === 'manual' ? 1 : 0,
  msgId: attempt.msgId,
  endpointId: attempt.endpointId,
  id: attempt.id,
  timestamp: instant(attempt.at),
})

const attemptQuery = {
  ...logQuery,
  iterator: iterator('atmpt'),
  status: statusParameter,
  status_code_class: statusCodeClass,
}
const AttemptQuery = z.object(attemptQuery)
const AttemptQueryOfMessage = z.object({ ...attemptQuery, endpoint_id: urlText().optional() })
type QueryOfMessage = z.output<typeof AttemptQueryOfMessage>

const expanded = flag(false).describe('Cancelled deliveries are told as 4 `canceled` and not as 2 `fail`')
const AttemptedMessageQuery = z.object({
  ...logQuery,
  iterator: iterator('msg'),
  status: statusParameter,
  expanded_statuses: expanded,
})
const EndpointMessageOut = named(
  'EndpointMessageOut',
  z.object({ ...messageCommon, ...statusMembers, nextAttempt: Instant.optional() }),
)
const MessageEndpointOut = named(
  'MessageEndpointOut',
  EndpointCommon.extend({ ...statusMembers, nextAttempt: Instant.nullable() }),
)

export function attemptOperations(app: Server, context: SvixContext): void {
  const { store, clock } = context

  async function listAttempts(
    { query }: Call<z.output<typeof AttemptQuery>, unknown>,
    of: { appId: `app_${string}`; endpointId: EndpointId | null; msgId: MessageId | null },
  ) {
    // An attempt is either of the two; the others have none.
    const isNone = query.status !== undefined && query.status !== STATUS.success && query.status !== STATUS.fail
    const filter = {
      ...of,
      ...logFilter('atmpt', query, clock.now()),
      succeeded: query.status === undefined ? null : query.status === STATUS.success,
      statusCodes:
        query.status_code_class === undefined
          ? null
          : { from: query.status_code_class, below: query.status_code_class + 100 },
    }
    const page = await readPage(query, {
      order: 'descending',
      keyOf: (attempt: Attempt) => attempt.id,
      read: (keyset) => (isNone ? Promise.resolve([]) : store.listAttempts(filter, keyset)),
      fromTheEnd: startsAtTheEnd(query),
    })
    return ok({ ...page, data: page.data.map((one) => toAttemptOut(one, query.with_content)) })
  }

  defineOperation(app, context, {
    method: 'GET',
    url: '/app/:app_id/attempt/endpoint/:endpoint_id',
    id: 'v1.message-attempt.list-by-endpoint',
    summary: 'List the attempts at an endpoint, newest first',
    access: 'ViewBase',
    query: AttemptQuery,
    answers: { 200: pageOf(AttemptOut) },
    async handle(call) {
      const { id: appId } = await findApplication(context, call)
      const endpoint = await findEndpoint(context, appId, call.params['endpoint_id'])
      return listAttempts(call, { appId, endpointId: endpoint.id, msgId: null })
    },
  })

  const listOfMessage = async (call: Call<QueryOfMessage, unknown>) => {
    const { id: appId } = await findApplication(context, call)
    const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
    const named = call.params['endpoint_id'] ?? call.query.endpoint_id
    const endpoint = named === undefined ? null : await findEndpoint(context, appId, named)
    return listAttempts(call, { appId, endpointId: endpoint?.id ?? null, msgId })
  }
  const lists = [
    ['/app/:app_id/attempt/msg/:msg_id', 'v1.message-attempt.list-by-msg', AttemptQueryOfMessage],
    // Older clients ask here.
    ['/app/:app_id/msg/:msg_id/attempt', 'v1.message-attempt.list-by-msg-deprecated', AttemptQueryOfMessage],
    // The path names the endpoint.
    [
      '/app/:app_id/msg/:msg_id/endpoint/:endpoint_id/attempt',
      'v1.message-attempt.list-by-endpoint-deprecated',
      AttemptQuery,
    ],
  ] as const
  for (const [url, id, query] of lists)
    defineOperation<z.ZodType<QueryOfMessage>>(app, context, {
      method: 'GET',
      url,
      id,
      summary: 'List the attempts of a message, newest first',
      access: 'ViewBase',
      query,
      answers: { 200: pageOf(AttemptOut) },
      handle: listOfMessage,
    })

  defineOperation(app, context, {
    method: 'GET',
    url: '/app/:app_id/endpoint/:endpoint_id/msg',
    id: 'v1.message-attempt.list-attempted-messages',
    summary: 'List the messages that were tried at an endpoint, newest first',
    access: 'ViewBase',
    query: AttemptedMessageQuery,
    answers: { 200: pageOf(EndpointMessageOut) },
    async handle(call) {
      const { query } = call
      const { id: appId } = await findApplication(context, call)
      const endpoint = await findEndpoint(context, appId, call.params['endpoint_id'])
      const filter = {
        appId,
        endpointId: endpoint.id,
        ...logFilter('msg', query, clock.now()),
        status: statusFilter(query.status, query.expanded_statuses),
      }
      const page = await readPage(query, {
        order: 'descending',
        keyOf: (one: AttemptedMessage & Shown) => one.message.id,
        read: (keyset) => store.listAttemptedMessages(filter, keyset, query.with_content),
        fromTheEnd: startsAtTheEnd(query),
      })
      const data = page.data.map(({ message, status, nextAttemptAt, payload }) =>
        messageJson(message, shownPayload(query.with_content, payload), {
          ...statusOf(status, query.expanded_statuses),
          ...(nextAttemptAt === null ? {} : { nextAttempt: instant(nextAttemptAt) }),
        }),
      )
      return ok(pageJson({ ...page, data }))
    },
  })

  defineOperation(app, context, {
    method: 'GET',
    url: '/app/:app_id/msg/:msg_id/endpoint',
    id: 'v1.message-attempt.list-attempted-destinations',
    summary: 'List the endpoints that a message was tried at, deleted ones too',
    access: 'ViewBase',
    query: z.object({ limit: limit(50), iterator: iterator('ep'), expanded_statuses: expanded }),
    answers: { 200: pageOf(MessageEndpointOut) },
    async handle(call) {
      const { id: appId } = await findApplication(context, call)
      const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
      const page = await readPage(call.query, {
        order: 'ascending',
        keyOf: ({ endpoint }: AttemptedEndpoint) => endpoint.id,
        read: (keyset) => store.listAttemptedEndpoints(appId, msgId, keyset),
      })
      const data = page.data.map(({ endpoint, delivery, status }) => ({
        ...toEndpointCommon(endpoint),
        ...statusOf(status, call.query.expanded_statuses),
        nextAttempt: instantOrNull(delivery.nextAttemptAt),
      }))
      return ok({ ...page, data })
    },
  })

  defineOperation(app, context, {
    method: 'GET',
    url: '/app/:app_id/msg/:msg_id/attempt/:attempt_id',
    id: 'v1.message-attempt.get',
    summary: 'Read an attempt',
    access: 'ViewBase',
    answers: { 200: AttemptOut },
    async handle(call) {
      const { id: appId } = await findApplication(context, call)
      const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
      const attempt = await store.getAttempt(appId, msgId, call.params['attempt_id'] as AttemptId)
      if (attempt === null) throw new SvixError('not_found')
      return ok(toAttemptOut(attempt, true))
    },
  })

  defineOperation(app, context, {
    method: 'DELETE',
    url: '/app/:app_id/msg/:msg_id/attempt/:attempt_id/content',
    id: 'v1.message-attempt.expunge-content',
    summary: 'Take away what the receiver answered',
    access: 'organization',
    answers: { 204: Empty },
    async handle(call) {
      const { id: appId } = await findApplication(context, call)
      const { id: msgId } = await findMessage(context, appId, call.params['msg_id'], 'Message not found')
      if (!(await store.expungeAttempt(appId, msgId, call.params['attempt_id'] as AttemptId)))
        throw new SvixError('not_found', 'Message attempt not found')
      return noContent
    },
  })

  defineOperation(app, context, {
    method: 'POST',
    url: '/app/:app_id/msg/:msg_id/endpoint/:endpoint_id/resend',
    id: 'v1.message-attempt.resend',
    summary: 'Make one more attempt now; the scheduled ones go on',
    access: 'CreateAttempts',
    answers: { 202: named('EmptyResponse', z.object({})) },
    async handle(call) {
      const { id: appId } = await findApplication(context, call)
      const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
      const endpoint = await findEndpoint(context, appId, call.params['endpoint_id'])
      const now = clock.now()
      const extras = { answer: call.answer(202, {}), announce: [] }
      const result = await store.resend({ appId, msgId, endpointId: endpoint.id }, now, extras)
      if (result === 'replayed') throw new Replayed()
      if (result === 'unknown') throw new SvixError('not_found')
      if (result === 'expired') throw new SvixError('missing_payload')
      context.inbound.handoff.noteDue(now)
      return { status: 202, body: {} }
    },
  })
}

/** Which deliveries have the status that was asked for, in the words in which they are told. */
function statusFilter(status: number | undefined, isExpanded: boolean): DeliveryStatus[] | null {
  if (status === undefined) return null
  if (status === STATUS.fail && !isExpanded) return ['fail', 'canceled']
  return (Object.keys(STATUS) as DeliveryStatus[]).filter((name) => STATUS[name] === status)
}
