/** Lists results of messages: attempts, the messages sent to an endpoint, the endpoints that a message was sent to. */
import { z } from 'zod'
import { type Attempt, FAILURES, SUCCESS } from '../../domain/attempt.ts'
import type { AttemptId, EndpointId, MessageId } from '../../domain/ids.ts'
import { resend } from '../../manage/resend.ts'
import type { AttemptedEndpoint, AttemptedMessage, DeliveryStatus } from '../../store/port/history.ts'
import type { Shown } from '../../store/port/messages.ts'
import { urlText } from '../bounded.ts'
import { named } from '../described.ts'
import { Instant, instant, instantOrNull } from '../schemas.ts'
import { EndpointCommon, toEndpointCommon } from './endpoint-schemas.ts'
import { messageJson, shownPayload } from './message-json.ts'
import { findMessage, logFilter, logQuery, messageCommon, startsAtTheEnd } from './messages.ts'
import {
  type Call,
  type Done,
  operation,
  type AnyOperation,
  Empty,
  findApplication,
  findEndpoint,
  noContent,
  ok,
  Replayed,
  type SvixContext,
} from './operation.ts'
import { attemptJson, AttemptOut, STATUS, statusMembers, statusOf, toAttemptOut } from './attempt-schemas.ts'
import { pageJson, pageOf, readPage } from './pages.ts'
import { SvixError } from './problems.ts'
import { flag, iterator, limit, notHere, statusCodeClass, statusParameter } from './query.ts'

/** `message` is JSON text; null when the client did not ask for it. */
interface AttemptRow {
  attempt: Attempt
  message: string | null
}

/** An attempt has an answer or none: there is no third status to expand. */
const noDifference = flag(false).describe('Makes no difference: attempts are 0 `success` or 2 `fail`')

const attemptQuery = {
  ...logQuery,
  iterator: iterator('atmpt'),
  status: statusParameter,
  status_code_class: statusCodeClass,
  expanded_statuses: noDifference,
}
const AttemptQuery = z.object({ ...attemptQuery, with_msg: flag(false).describe('Attempts come with their messages') })
const AttemptQueryOfMessage = z.object({
  ...attemptQuery,
  with_msg: notHere('ask for the message, which is the same for all of them'),
  endpoint_id: urlText().optional(),
})
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

async function listAttempts(
  { store, clock }: SvixContext,
  { query }: Call<z.output<typeof AttemptQuery>, unknown>,
  of: { appId: `app_${string}`; endpointId: EndpointId | null; msgId: MessageId | null },
) {
  // An attempt has one of these two statuses, and never another.
  const isNone = query.status !== undefined && query.status !== STATUS.success && query.status !== STATUS.fail
  const filter = {
    ...of,
    ...logFilter('atmpt', query, clock.now()),
    outcomes: query.status === undefined ? null : query.status === STATUS.success ? SUCCESS : FAILURES,
    statusCodes:
      query.status_code_class === undefined
        ? null
        : { from: query.status_code_class, below: query.status_code_class + 100 },
  }
  const page = await readPage(query, {
    order: 'descending',
    keyOf: ({ attempt }: AttemptRow) => attempt.id,
    read: async (keyset) => {
      const attempts = isNone ? [] : await store.listAttempts(filter, keyset)
      const rows: AttemptRow[] = []
      // One after the other, because a page is bounded by the bytes in it, messages included.
      for (const attempt of attempts)
        rows.push({ attempt, message: query.with_msg ? await messageOf(store, attempt, query.with_content) : null })
      return rows
    },
    fromTheEnd: startsAtTheEnd(query),
  })
  return ok(
    pageJson({ ...page, data: page.data.map((one) => attemptJson(one.attempt, query.with_content, one.message)) }),
  )
}

async function messageOf(
  store: SvixContext['store'],
  { appId, msgId }: Attempt,
  withContent: boolean,
): Promise<string | null> {
  const message = await store.getMessage(appId, msgId)
  if (message === null) return null
  const bytes = withContent ? await store.getShownPayload(appId, msgId) : null
  return messageJson(message, shownPayload(withContent, bytes))
}

const messageAttemptListByEndpoint = operation({
  method: 'GET',
  url: '/app/:app_id/attempt/endpoint/:endpoint_id',
  id: 'v1.message-attempt.list-by-endpoint',
  summary: 'List the attempts at an endpoint, newest first',
  access: 'ViewBase',
  query: AttemptQuery,
  answers: { 200: pageOf(AttemptOut) },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const endpoint = await findEndpoint(context, appId, call.params['endpoint_id'])
    return listAttempts(context, call, { appId, endpointId: endpoint.id, msgId: null })
  },
})

async function listOfMessage(context: SvixContext, call: Call<QueryOfMessage, unknown>): Promise<Done> {
  const { id: appId } = await findApplication(context, call)
  const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
  const named = call.params['endpoint_id'] ?? call.query.endpoint_id
  const endpoint = named === undefined ? null : await findEndpoint(context, appId, named)
  return listAttempts(context, call, { appId, endpointId: endpoint?.id ?? null, msgId })
}

const ofMessage = {
  method: 'GET',
  summary: 'List the attempts of a message, newest first',
  access: 'ViewBase',
  answers: { 200: pageOf(AttemptOut) },
  handle: listOfMessage,
} as const

const messageAttemptListByMsg = operation<z.ZodType<QueryOfMessage>>({
  ...ofMessage,
  url: '/app/:app_id/attempt/msg/:msg_id',
  id: 'v1.message-attempt.list-by-msg',
  query: AttemptQueryOfMessage,
})

/** Older clients use this operation. */
const messageAttemptListByMsgDeprecated = operation<z.ZodType<QueryOfMessage>>({
  ...ofMessage,
  url: '/app/:app_id/msg/:msg_id/attempt',
  id: 'v1.message-attempt.list-by-msg-deprecated',
  query: AttemptQueryOfMessage,
})

/** The path names the endpoint. */
const messageAttemptListByEndpointDeprecated = operation<z.ZodType<QueryOfMessage>>({
  ...ofMessage,
  url: '/app/:app_id/msg/:msg_id/endpoint/:endpoint_id/attempt',
  id: 'v1.message-attempt.list-by-endpoint-deprecated',
  query: AttemptQuery,
})

const messageAttemptListAttemptedMessages = operation({
  method: 'GET',
  url: '/app/:app_id/endpoint/:endpoint_id/msg',
  id: 'v1.message-attempt.list-attempted-messages',
  summary: 'List the messages that were tried at an endpoint, newest first',
  access: 'ViewBase',
  query: AttemptedMessageQuery,
  answers: { 200: pageOf(EndpointMessageOut) },
  async handle(context, call) {
    const { query } = call
    const { id: appId } = await findApplication(context, call)
    const endpoint = await findEndpoint(context, appId, call.params['endpoint_id'])
    const filter = {
      appId,
      endpointId: endpoint.id,
      ...logFilter('msg', query, context.clock.now()),
      status: statusFilter(query.status, query.expanded_statuses),
    }
    const page = await readPage(query, {
      order: 'descending',
      keyOf: (one: AttemptedMessage & Shown) => one.message.id,
      read: (keyset) => context.store.listAttemptedMessages(filter, keyset, query.with_content),
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

const messageAttemptListAttemptedDestinations = operation({
  method: 'GET',
  url: '/app/:app_id/msg/:msg_id/endpoint',
  id: 'v1.message-attempt.list-attempted-destinations',
  summary: 'List the endpoints that a message was tried at, deleted ones too',
  access: 'ViewBase',
  query: z.object({ limit: limit(50), iterator: iterator('ep'), expanded_statuses: expanded }),
  answers: { 200: pageOf(MessageEndpointOut) },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
    const page = await readPage(call.query, {
      order: 'ascending',
      keyOf: ({ endpoint }: AttemptedEndpoint) => endpoint.id,
      read: (keyset) => context.store.listAttemptedEndpoints(appId, msgId, keyset),
    })
    const data = page.data.map(({ endpoint, delivery, status }) => ({
      ...toEndpointCommon(endpoint),
      ...statusOf(status, call.query.expanded_statuses),
      nextAttempt: instantOrNull(delivery.nextAttemptAt),
    }))
    return ok({ ...page, data })
  },
})

const messageAttemptGet = operation({
  method: 'GET',
  url: '/app/:app_id/msg/:msg_id/attempt/:attempt_id',
  id: 'v1.message-attempt.get',
  summary: 'Read an attempt',
  access: 'ViewBase',
  query: z.object({ expanded_statuses: noDifference }),
  answers: { 200: AttemptOut },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
    const attempt = await context.store.getAttempt(appId, msgId, call.params['attempt_id'] as AttemptId)
    if (attempt === null) throw new SvixError('not_found')
    return ok(toAttemptOut(attempt, true))
  },
})

const messageAttemptExpungeContent = operation({
  method: 'DELETE',
  url: '/app/:app_id/msg/:msg_id/attempt/:attempt_id/content',
  id: 'v1.message-attempt.expunge-content',
  summary: 'Take away what the receiver answered',
  access: 'organization',
  answers: { 204: Empty },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const { id: msgId } = await findMessage(context, appId, call.params['msg_id'], 'Message not found')
    if (!(await context.store.expungeAttempt(appId, msgId, call.params['attempt_id'] as AttemptId)))
      throw new SvixError('not_found', 'Message attempt not found')
    return noContent
  },
})

const messageAttemptResend = operation({
  method: 'POST',
  url: '/app/:app_id/msg/:msg_id/endpoint/:endpoint_id/resend',
  id: 'v1.message-attempt.resend',
  summary: 'Make one more attempt now; the scheduled ones go on',
  access: 'CreateAttempts',
  answers: { 202: named('EmptyResponse', z.object({})) },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const { id: msgId } = await findMessage(context, appId, call.params['msg_id'])
    const endpoint = await findEndpoint(context, appId, call.params['endpoint_id'])
    const result = await resend(context.manage, { appId, msgId, endpointId: endpoint.id }, call.answer(202, {}))
    if (result === 'replayed') throw new Replayed()
    if (result === 'unknown') throw new SvixError('not_found')
    if (result === 'expired') throw new SvixError('missing_payload')
    return { status: 202, body: {} }
  },
})

export const attemptOperations: readonly AnyOperation[] = [
  messageAttemptListByEndpoint,
  messageAttemptListByMsg,
  messageAttemptListByMsgDeprecated,
  messageAttemptListByEndpointDeprecated,
  messageAttemptListAttemptedMessages,
  messageAttemptListAttemptedDestinations,
  messageAttemptGet,
  messageAttemptExpungeContent,
  messageAttemptResend,
]

/** The delivery statuses that the API shows as the requested one; null is all. */
function statusFilter(status: number | undefined, isExpanded: boolean): DeliveryStatus[] | null {
  if (status === undefined) return null
  if (status === STATUS.fail && !isExpanded) return ['fail', 'canceled']
  return (Object.keys(STATUS) as DeliveryStatus[]).filter((name) => STATUS[name] === status)
}
