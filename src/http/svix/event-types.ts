import { z } from 'zod'
import { GatewayError } from '../../domain/errors.ts'
import type { EventType } from '../../domain/event-type.ts'
import { jsonSchemaProblem } from '../../domain/json-schema.ts'
import {
  createEventType,
  editEventType,
  type EventTypeSettings,
  newEventType,
  removeEventType,
} from '../../manage/event-types.ts'
import { list, map, wholeBody } from '../bounded.ts'
import { named, withExample } from '../described.ts'
import { Instant, instant } from '../schemas.ts'
import { operation, type AnyOperation, Empty, noContent, ok, unlessReplayed } from './operation.ts'
import { pageJson, pageOf, readPage } from './pages.ts'
import type { Principal } from './principal.ts'
import { SvixError } from './problems.ts'
import { flag, iterator, limit, order } from './query.ts'
import { eventTypeName, orDefault, plainText, wordOf } from './schemas.ts'

const DESCRIPTION_CHARS_MAX = 4_096
const FEATURE_FLAGS_MAX = 100
const SCHEMA_VERSIONS_MAX = 100
const SCHEMAS_BYTES_MAX = 65_536

const description = plainText({ max: DESCRIPTION_CHARS_MAX })
const featureFlag = wordOf('a feature flag')

/** The schemas by version, as the JSON text that is stored. */
const schemas = map(wholeBody(z.record(z.string(), z.unknown())), { max: SCHEMA_VERSIONS_MAX, what: 'versions' })
  .transform((byVersion, ctx) => {
    for (const [version, schema] of Object.entries(byVersion)) {
      const problem = jsonSchemaProblem(schema)
      if (problem !== null) ctx.addIssue({ code: 'custom', message: problem, path: [version] })
    }
    // A value that is too deep to be written is a problem already.
    if (ctx.issues.length > 0) return z.NEVER
    const json = JSON.stringify(byVersion)
    if (Buffer.byteLength(json) <= SCHEMAS_BYTES_MAX) return json
    ctx.addIssue(`are larger than ${SCHEMAS_BYTES_MAX} bytes`)
    return z.NEVER
  })
  .describe('JSON Schemas by version; `examples` of version 1 are what send-example sends')

const settings = {
  description,
  archived: orDefault(z.boolean(), false),
  deprecated: orDefault(z.boolean(), false),
  schemas: schemas.nullish(),
  featureFlag: featureFlag.nullish(),
  featureFlags: list(featureFlag, { max: FEATURE_FLAGS_MAX }).nullish(),
  groupName: wordOf('a group name').nullish(),
}

const EventTypeUpdate = named(
  'EventTypeUpdate',
  withExample({ description: 'An invoice was paid' }, z.object(settings)),
)
const EventTypeIn = named(
  'EventTypeIn',
  withExample(
    { name: 'invoice.paid', description: 'An invoice was paid' },
    EventTypeUpdate.extend({ name: eventTypeName }),
  ),
)
const EventTypePatch = named(
  'EventTypePatch',
  withExample(
    { description: 'An invoice was paid' },
    z.object({
      ...settings,
      description: description.optional(),
      archived: z.boolean().optional(),
      deprecated: z.boolean().optional(),
    }),
  ),
)

const EventTypeOut = named(
  'EventTypeOut',
  z.object({
    name: z.string(),
    description: z.string(),
    archived: z.boolean(),
    deprecated: z.boolean(),
    schemas: z.record(z.string(), z.unknown()).nullable(),
    featureFlag: z.string().nullable(),
    featureFlags: z.array(z.string()),
    groupName: z.string().nullable(),
    createdAt: Instant,
    updatedAt: Instant,
  }),
)

/** The event type as JSON text, with its schemas as they are stored. */
function eventTypeJson(eventType: EventType): string {
  const json = JSON.stringify({
    name: eventType.name,
    description: eventType.description,
    archived: eventType.archived,
    deprecated: eventType.deprecated,
    featureFlag: eventType.featureFlags[0] ?? null,
    featureFlags: eventType.featureFlags,
    groupName: eventType.groupName,
    createdAt: instant(eventType.createdAt),
    updatedAt: instant(eventType.updatedAt),
  })
  return `${json.slice(0, -1)},"schemas":${eventType.schemas ?? 'null'}}`
}

const flagsFrom = (given: { featureFlag?: string | null | undefined; featureFlags?: string[] | null | undefined }) => {
  const flags = given.featureFlags !== undefined && given.featureFlags !== null ? given.featureFlags : []
  return Array.from(new Set(given.featureFlag ? [given.featureFlag, ...flags] : flags))
}

const settingsFrom = (given: z.output<typeof EventTypeUpdate>): EventTypeSettings => ({
  description: given.description,
  archived: given.archived,
  deprecated: given.deprecated,
  schemas: given.schemas ?? null,
  featureFlags: flagsFrom(given),
  groupName: given.groupName ?? null,
})

const settingsPatched = (given: z.output<typeof EventTypePatch>): Partial<EventTypeSettings> => ({
  ...(given.description === undefined ? {} : { description: given.description }),
  ...(given.archived === undefined ? {} : { archived: given.archived }),
  ...(given.deprecated === undefined ? {} : { deprecated: given.deprecated }),
  ...(given.schemas === undefined ? {} : { schemas: given.schemas }),
  ...(given.groupName === undefined ? {} : { groupName: given.groupName }),
  ...(given.featureFlag === undefined && given.featureFlags === undefined ? {} : { featureFlags: flagsFrom(given) }),
})

/** Types with feature flags are only for portal tokens that have one of the flags. */
const isVisible = (principal: Principal, { featureFlags }: EventType) =>
  principal.appId === null || featureFlags.length === 0 || featureFlags.some((one) => principal.flags.includes(one))

const eventTypeList = operation({
  method: 'GET',
  url: '/event-type',
  id: 'v1.event-type.list',
  summary: 'List event types by name',
  access: 'ViewBase',
  query: z.object({
    limit: limit(50),
    iterator: iterator(null),
    order,
    include_archived: flag(false),
    with_content: flag(false),
  }),
  answers: { 200: pageOf(EventTypeOut) },
  async handle(context, { principal, query }) {
    const flags = principal.appId === null ? null : principal.flags
    const page = await readPage(query, {
      order: query.order ?? 'ascending',
      keyOf: (eventType: EventType) => eventType.name,
      read: (keyset) =>
        context.store.listEventTypes(
          {
            orgId: principal.orgId,
            includeArchived: query.include_archived,
            flags,
            withContent: query.with_content,
          },
          keyset,
        ),
    })
    return ok(pageJson({ ...page, data: page.data.map(eventTypeJson) }))
  },
})

const eventTypeCreate = operation({
  method: 'POST',
  url: '/event-type',
  id: 'v1.event-type.create',
  summary: 'Create an event type, or bring an archived one back',
  access: 'organization',
  body: EventTypeIn,
  answers: { 201: EventTypeOut },
  async handle(context, { principal, body, answer }) {
    const eventType = newEventType(context.manage, { orgId: principal.orgId, name: body.name }, settingsFrom(body))
    const out = eventTypeJson(eventType)
    if (unlessReplayed(await createEventType(context.manage, eventType, answer(201, out))) === 'exists')
      throw new SvixError('event_type_exists')
    return { status: 201, body: out }
  },
})

const eventTypeGet = operation({
  method: 'GET',
  url: '/event-type/:event_type_name',
  id: 'v1.event-type.get',
  summary: 'Read an event type',
  access: 'ViewBase',
  answers: { 200: EventTypeOut },
  async handle(context, { principal, params }) {
    const eventType = await context.store.getEventType(principal.orgId, params['event_type_name']!)
    if (eventType === null || !isVisible(principal, eventType)) throw new SvixError('not_found')
    return ok(eventTypeJson(eventType))
  },
})

const eventTypeUpdate = operation({
  method: 'PUT',
  url: '/event-type/:event_type_name',
  id: 'v1.event-type.update',
  summary: 'Replace an event type, or create it',
  access: 'organization',
  body: EventTypeUpdate,
  answers: { 200: EventTypeOut, 201: EventTypeOut },
  async handle(context, { principal, params, body }) {
    const name = params['event_type_name']!
    const path = { orgId: principal.orgId, name }
    const edited = await editEventType(context.manage, path, () => settingsFrom(body))
    if (edited !== null) return ok(eventTypeJson(edited))
    const named = eventTypeName.safeParse(name)
    if (!named.success)
      throw new GatewayError('validation', {
        issues: [{ loc: ['path', 'event_type_name'], msg: named.error.issues[0]!.message, type: 'value_error' }],
      })
    const eventType = newEventType(context.manage, path, settingsFrom(body))
    if ((await createEventType(context.manage, eventType)) !== 'created') throw new SvixError('conflict')
    return { status: 201, body: eventTypeJson(eventType) }
  },
})

const eventTypePatch = operation({
  method: 'PATCH',
  url: '/event-type/:event_type_name',
  id: 'v1.event-type.patch',
  summary: 'Change some members of an event type',
  access: 'organization',
  body: EventTypePatch,
  answers: { 200: EventTypeOut },
  async handle(context, { principal, params, body }) {
    const path = { orgId: principal.orgId, name: params['event_type_name']! }
    const edited = await editEventType(context.manage, path, () => settingsPatched(body))
    if (edited === null) throw new SvixError('not_found')
    return ok(eventTypeJson(edited))
  },
})

const eventTypeDelete = operation({
  method: 'DELETE',
  url: '/event-type/:event_type_name',
  id: 'v1.event-type.delete',
  summary: 'Archive an event type; with `expunge`, remove it',
  access: 'organization',
  query: z.object({ expunge: flag(false) }),
  answers: { 204: Empty },
  async handle(context, { principal, params, query }) {
    const path = { orgId: principal.orgId, name: params['event_type_name']! }
    const wasThere = await removeEventType(context.manage, { ...path, expunge: query.expunge })
    if (!wasThere) throw new SvixError('not_found')
    return noContent
  },
})

export const eventTypeOperations: readonly AnyOperation[] = [
  eventTypeList,
  eventTypeCreate,
  eventTypeGet,
  eventTypeUpdate,
  eventTypePatch,
  eventTypeDelete,
]
