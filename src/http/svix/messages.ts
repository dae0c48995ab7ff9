import { z } from 'zod'
import type { Application } from '../../domain/application.ts'
import type { MessageInfo } from '../../domain/message.ts'
import { expunge } from '../../manage/expunge.ts'
import { publish } from '../../manage/messages.ts'
import { memberOf } from '../../lib/json-slices.ts'
import type { Shown } from '../../store/port/messages.ts'
import { map, text, wholeBody } from '../bounded.ts'
import { named, withExample } from '../described.ts'
import { Instant } from '../schemas.ts'
import { ApplicationIn, applicationOnTheFly } from './applications.ts'
import { messageJson, shownPayload } from './message-json.ts'
import {
  type Call,
  operation,
  type AnyOperation,
  type Done,
  Empty,
  findApplication,
  noContent,
  ok,
  Replayed,
  type SvixContext,
} from './operation.ts'
import { pageJson, pageOf, readPage } from './pages.ts'
import { invalidField, SvixError } from './problems.ts'
import {
  channelParameter,
  eventTypes,
  flag,
  idWindow,
  instantParameter,
  iterator,
  limit,
  tagParameter,
} from './query.ts'
import { messageRecipe } from './repeats.ts'
import { instantIn } from '../instants.ts'
import { channel, eventTypeName, setOf, tag, uid } from './schemas.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const RETENTION_DAYS = { min: 5, max: 90 }
const RETENTION_HOURS = { min: 1, max: 2_160 }
const CHANNELS_MAX = 10
const TAGS_MAX = 5
const CONTENT_TYPE_CHARS_MAX = 256
/** Longest time by which a message can be sent ahead of its delivery. */
const DELIVER_AHEAD_MAX_MS = 30 * DAY_MS

/** A media type of RFC 9110, 8.3.1; its parameters are only checked to be plain characters. */
const CONTENT_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+([ \t]*;[\x20-\x7e\t]*)?$/

const CONTENT_TYPE_NAME = 'content-type'

/** Headers that SDKs send along with a raw payload: its type. Other headers are those of the endpoint. */
const rawHeaders = map(
  text({ max: CONTENT_TYPE_CHARS_MAX }).regex(CONTENT_TYPE, 'is no media type such as text/csv; charset=utf-8'),
  { max: 1, keyCharsMax: CONTENT_TYPE_NAME.length, keyPattern: '^[cC][oO][nN][tT][eE][nN][tT]-[tT][yY][pP][eE]$' },
).transform((headers, ctx) => {
  const [entry] = Object.entries(headers)
  if (entry === undefined || entry[0].toLowerCase() === CONTENT_TYPE_NAME) return entry?.[1] ?? null
  ctx.addIssue({ code: 'custom', message: 'is not content-type, the only header of a message', path: [entry[0]] })
  return z.NEVER
})

const payload = wholeBody(z.record(z.string(), z.unknown()))

export const MessageIn = named(
  'MessageIn',
  withExample(
    { eventType: 'invoice.paid', payload: { invoice: 'i1', total: 9.9 } },
    z
      .object({
        eventType: eventTypeName,
        payload: payload.optional(),
        data: payload.optional().meta({ deprecated: true }),
        eventId: uid('msg').nullish(),
        channels: setOf(channel, { max: CHANNELS_MAX }).nullish(),
        tags: setOf(tag, { max: TAGS_MAX }).nullish(),
        payloadRetentionPeriod: between(RETENTION_DAYS, 'days').nullish(),
        payloadRetentionHours: between(RETENTION_HOURS, 'hours').nullish(),
        deliverAt: instantIn.nullish(),
        transformationsParams: named(
          'TransformationsParams',
          z.object({ rawPayload: wholeBody(z.string()).nullish(), headers: rawHeaders.nullish() }),
        ).nullish(),
        application: ApplicationIn.nullish(),
      })
      .superRefine((given, ctx) => {
        const missing = given.payload === undefined && given.data === undefined
        if (missing) ctx.addIssue({ code: 'custom', path: ['payload'], message: 'missing field payload' })
        if (given.payload !== undefined && given.data !== undefined)
          ctx.addIssue({ code: 'custom', path: ['data'], message: 'is the same as payload: give one of them' })
      }),
  ),
)

function between({ min, max }: { min: number; max: number }, what: string) {
  const words = `has to be ${min} to ${max} ${what}`
  return z.number().int().min(min, words).max(max, words)
}

export const messageCommon = {
  id: z.string(),
  eventId: z.string().nullable(),
  eventType: z.string(),
  payload: z.unknown(),
  channels: z.array(z.string()).nullable(),
  tags: z.array(z.string()).optional(),
  timestamp: Instant,
  deliverAt: Instant.optional(),
}
export const MessageOut = named('MessageOut', z.object(messageCommon))

export const logQuery = {
  limit: limit(50),
  channel: channelParameter,
  tag: tagParameter,
  before: instantParameter,
  after: instantParameter,
  event_types: eventTypes,
  with_content: flag(true),
}

type LogQuery = z.output<z.ZodObject<typeof logQuery>> & { iterator?: string | undefined }

/** The filter that the lists of messages and attempts share. */
export function logFilter(prefix: 'msg' | 'atmpt', query: LogQuery, now: number) {
  return {
    ...idWindow(prefix, query, now),
    eventTypes: query.event_types ?? null,
    channel: query.channel ?? null,
    tag: query.tag ?? null,
  }
}

/** With only `after`, the client means the oldest page: the first messages after that time. */
export const startsAtTheEnd = (query: LogQuery): boolean => query.after !== undefined && query.before === undefined

const PayloadQuery = z.object({ with_content: flag(true) })

async function createMessage(
  context: SvixContext,
  call: Call<z.output<typeof PayloadQuery>, z.output<typeof MessageIn>>,
): Promise<Done> {
  const { body, query } = call
  const application = await applicationOnTheFly(context, call, body.application)
  const raw = body.transformationsParams?.rawPayload ?? null
  // A copy: the payload may be held for long, and a view would hold the whole request.
  const member = Uint8Array.from(memberOf(call.bytes, ['payload', 'data'])!)
  if (body.deliverAt != null && body.deliverAt > context.clock.now() + DELIVER_AHEAD_MAX_MS)
    throw invalidField(['body', 'deliverAt'], 'is more than 30 days ahead')
  const published = await publish(context.manage, application, {
    eventType: body.eventType,
    channels: body.channels ?? null,
    contentType: (raw === null ? null : body.transformationsParams?.headers) ?? 'application/json',
    eventId: body.eventId ?? null,
    body: raw === null ? member : Buffer.from(raw),
    hops: call.hops,
    more: {
      tags: body.tags ?? null,
      shownPayload: raw === null ? null : member,
      retentionMs: retentionOf(body),
      deliverAt: body.deliverAt ?? null,
    },
    answerFor: (id) => call.answer(202, messageRecipe(application.id, id, query.with_content)),
  })
  if (published.kind === 'replayed') throw new Replayed()
  if (published.kind === 'duplicate') throw new SvixError('conflict', 'A message with this eventId already exists')
  return { status: 202, body: messageJson(published.message, shownPayload(query.with_content, member)) }
}

const retentionOf = (given: z.output<typeof MessageIn>): number | null =>
  given.payloadRetentionHours != null
    ? given.payloadRetentionHours * HOUR_MS
    : given.payloadRetentionPeriod != null
      ? given.payloadRetentionPeriod * DAY_MS
      : null

const messageCreate = operation({
  method: 'POST',
  url: '/app/:app_id/msg',
  id: 'v1.message.create',
  summary: 'Send a message to the endpoints of an application that want it',
  access: 'organization',
  query: PayloadQuery,
  body: MessageIn,
  answers: { 202: MessageOut },
  writeKnowsRepeats: true,
  takesEvents: true,
  handle: (context, call) => createMessage(context, call),
})

const messageList = operation({
  method: 'GET',
  url: '/app/:app_id/msg',
  id: 'v1.message.list',
  summary: 'List messages, newest first',
  access: 'ViewBase',
  query: z.object({ ...logQuery, iterator: iterator('msg') }),
  answers: { 200: pageOf(MessageOut) },
  async handle(context, call) {
    const { query } = call
    const { id: appId } = await findApplication(context, call)
    const filter = { appId, ...logFilter('msg', query, context.clock.now()) }
    const page = await readPage(query, {
      order: 'descending',
      keyOf: (message: MessageInfo & Shown) => message.id,
      read: (keyset) => context.store.listMessages(filter, keyset, query.with_content),
      fromTheEnd: startsAtTheEnd(query),
    })
    const data = page.data.map((one) => messageJson(one, shownPayload(query.with_content, one.payload)))
    return ok(pageJson({ ...page, data }))
  },
})

const messageGet = operation({
  method: 'GET',
  url: '/app/:app_id/msg/:msg_id',
  id: 'v1.message.get',
  summary: 'Read a message',
  access: 'ViewBase',
  query: PayloadQuery,
  answers: { 200: MessageOut },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const message = await findMessage(context, appId, call.params['msg_id'])
    const bytes = call.query.with_content ? await context.store.getShownPayload(appId, message.id) : null
    return ok(messageJson(message, shownPayload(call.query.with_content, bytes)))
  },
})

const messageExpungeContent = operation({
  method: 'DELETE',
  url: '/app/:app_id/msg/:msg_id/content',
  id: 'v1.message.expunge-content',
  summary: 'Take the payload of a message away; what waits for its delivery is cancelled',
  access: 'organization',
  answers: { 204: Empty },
  async handle(context, call) {
    const { id: appId } = await findApplication(context, call)
    const { id } = await findMessage(context, appId, call.params['msg_id'], 'Message not found')
    await expunge(context.manage, appId, id)
    return noContent
  },
})

export const messageOperations: readonly AnyOperation[] = [
  messageCreate,
  messageList,
  messageGet,
  messageExpungeContent,
]

/** The message that a path names, by its id or event id. */
export async function findMessage(
  { store }: Pick<SvixContext, 'store'>,
  appId: Application['id'],
  idOrEventId: string | undefined,
  detail?: string,
): Promise<MessageInfo> {
  const message = await store.findMessage(appId, idOrEventId ?? '')
  if (message === null) throw new SvixError('not_found', detail)
  return message
}
