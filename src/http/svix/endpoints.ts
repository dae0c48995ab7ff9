/**
 * Endpoints of an application: `/app/{app_id}/endpoint`. The endpoints that operators of an organization are told at are the
 * same, under another path (`operational-webhooks.ts`).
 */
import { z } from 'zod'
import type { Application } from '../../domain/application.ts'
import { blankEndpoint, type Endpoint } from '../../domain/endpoint.ts'
import type { AppId } from '../../domain/ids.ts'
import { createEndpoint, editEndpoint, removeEndpoint } from '../../manage/endpoints.ts'
import { unknownEventTypes } from '../../manage/event-types.ts'
import type { Answer } from '../../store/port/answers.ts'
import type { Server } from '../context.ts'
import {
  type EndpointIn,
  endpointIn,
  EndpointOut,
  endpointPatch,
  endpointUpdate,
  newSecret,
  settingsFrom,
  settingsPatched,
  toEndpointOut,
} from './endpoint-schemas.ts'
import {
  defineOperation,
  Empty,
  findApplication,
  findEndpoint,
  noContent,
  ok,
  type SvixContext,
  unlessReplayed,
} from './operation.ts'
import { pageOf, readPage } from './pages.ts'
import type { Access, Principal } from './principal.ts'
import { invalidField, SvixError } from './problems.ts'
import { iterator, limit, order } from './query.ts'

/** A place where endpoints are: its path, its operations' names, and the application that they belong to. */
export interface EndpointPlace {
  path: string
  operations: string
  /** Portal tokens see those of applications only. */
  access: (capability: Access) => Access
  application: (call: Named) => Promise<Application>
  /** The application for a new one, made where that has to be. */
  toCreateIn: (call: Named) => Promise<Application>
  /** How many endpoints it may have for this token to create another one, and the setting or reason that says so. */
  limit: (principal: Principal) => { max: number; by: string }
  /** Null where there is nothing to list yet. */
  toList: (call: Named) => Promise<Application | null>
}

interface Named {
  principal: Principal
  params: Record<string, string>
}

export const ofApplications = (context: SvixContext): EndpointPlace => ({
  path: '/app/:app_id/endpoint',
  operations: 'v1.endpoint',
  access: (capability) => capability,
  application: (call) => findApplication(context, call),
  toCreateIn: (call) => findApplication(context, call),
  limit({ appId }) {
    const { applicationEndpointsMax: all, portalEndpointsMax: portal } = context.config
    return appId !== null && portal < all
      ? { max: portal, by: 'PORTAL_ENDPOINTS_MAX' }
      : { max: all, by: 'APPLICATION_ENDPOINTS_MAX' }
  },
  toList: (call) => findApplication(context, call),
})

const TAKEN = 'An endpoint with that id or uid already exists'

/** Event types of a filter have to be known, or a misspelt one would silently get nothing. */
async function checkEventTypes(
  { manage }: SvixContext,
  application: Application,
  names: readonly string[] | null | undefined,
): Promise<void> {
  if (names === null || names === undefined) return
  const unknown = await unknownEventTypes(manage, application.orgId, names)
  if (unknown.length > 0)
    throw invalidField(['body', 'eventTypes'], `The following event types don't exist: ${unknown.join(', ')}`)
}

export function newEndpoint(
  { ids, clock, config }: Pick<SvixContext, 'ids' | 'clock' | 'config'>,
  appId: AppId,
  given: Omit<EndpointIn, 'secret' | 'headers'> & Partial<Pick<EndpointIn, 'secret' | 'headers'>>,
): Endpoint {
  const now = clock.now()
  return {
    ...blankEndpoint({ appId, id: ids.next('ep', now), now }),
    ...settingsFrom(given, null),
    headers: given.headers ?? {},
    secrets: [{ secret: given.secret ?? newSecret(config.defaultSignatureType), expiresAt: null }],
  }
}

/** Creates it unless the application has as many as it may have. */
async function create(
  context: SvixContext,
  place: EndpointPlace,
  { principal, application, answer }: { principal: Principal; application: Application; answer: Answer | null },
  endpoint: Endpoint,
): Promise<void> {
  const { max, by } = place.limit(principal)
  const result = unlessReplayed(await createEndpoint(context.manage, application, endpoint, { max, answer }))
  if (result === 'uid_taken') throw new SvixError('conflict', TAKEN)
  if (result === 'unknown') throw new SvixError('not_found')
  if (result === 'limit_reached')
    throw new SvixError('limit_reached', `There are ${max} endpoints or more, and ${by} allows no other one.`)
}

export function endpointOperations(app: Server, context: SvixContext, place: EndpointPlace): void {
  const { store, manage, guard } = context
  const { path, operations, access } = place
  const EndpointUpdate = endpointUpdate(guard)

  async function edit(
    application: Application,
    endpoint: Endpoint,
    change: (before: Endpoint) => Partial<Endpoint>,
  ): Promise<Endpoint> {
    const edited = await editEndpoint(manage, { application, id: endpoint.id }, change)
    if (edited === null || edited === 'replayed' || edited === 'refused') throw new SvixError('not_found')
    if (edited === 'uid_taken') throw new SvixError('conflict', TAKEN)
    return edited
  }

  defineOperation(app, context, {
    method: 'GET',
    url: path,
    id: `${operations}.list`,
    summary: 'List endpoints',
    access: access('ViewBase'),
    query: z.object({ limit: limit(50), iterator: iterator('ep'), order }),
    answers: { 200: pageOf(EndpointOut) },
    async handle(call) {
      const application = await place.toList(call)
      const page = await readPage(call.query, {
        order: call.query.order ?? 'descending',
        keyOf: (endpoint: z.infer<typeof EndpointOut>) => endpoint.id,
        // As they are shown, for a page is bounded by what it shows: their event types, for one, are there twice.
        read: async (keyset) =>
          application === null ? [] : (await store.pageEndpoints(application.id, keyset)).map(toEndpointOut),
      })
      return ok(page)
    },
  })

  defineOperation(app, context, {
    method: 'POST',
    url: path,
    id: `${operations}.create`,
    summary: 'Create an endpoint',
    access: access('ManageEndpoint'),
    body: endpointIn(guard),
    answers: { 201: EndpointOut },
    async handle(call) {
      const application = await place.toCreateIn(call)
      const endpoint = newEndpoint(context, application.id, call.body)
      await checkEventTypes(context, application, endpoint.eventTypes)
      const out = toEndpointOut(endpoint)
      await create(context, place, { principal: call.principal, application, answer: call.answer(201, out) }, endpoint)
      return { status: 201, body: out }
    },
  })

  defineOperation(app, context, {
    method: 'GET',
    url: `${path}/:endpoint_id`,
    id: `${operations}.get`,
    summary: 'Read an endpoint',
    access: access('ViewBase'),
    answers: { 200: EndpointOut },
    async handle(call) {
      const { id } = await place.application(call)
      return ok(toEndpointOut(await findEndpoint(context, id, call.params['endpoint_id'])))
    },
  })

  defineOperation(app, context, {
    method: 'PUT',
    url: `${path}/:endpoint_id`,
    id: `${operations}.update`,
    summary: 'Replace an endpoint, or create one where there is none; a secret that is there is kept',
    access: access('ManageEndpoint'),
    body: EndpointUpdate,
    answers: { 200: EndpointOut, 201: EndpointOut },
    async handle(call) {
      const application = await place.toCreateIn(call)
      await checkEventTypes(context, application, call.body.eventTypes ?? call.body.filterTypes)
      const existing = await store.findEndpoint(application.id, call.params['endpoint_id']!)
      if (existing !== null && existing.driver === 'http')
        return ok(toEndpointOut(await edit(application, existing, (before) => settingsFrom(call.body, before))))
      const endpoint = newEndpoint(context, application.id, call.body)
      await create(context, place, { principal: call.principal, application, answer: null }, endpoint)
      return { status: 201, body: toEndpointOut(endpoint) }
    },
  })

  defineOperation(app, context, {
    method: 'PATCH',
    url: `${path}/:endpoint_id`,
    id: `${operations}.patch`,
    summary: 'Change some members of an endpoint',
    access: access('ManageEndpoint'),
    body: endpointPatch(guard),
    answers: { 200: EndpointOut },
    async handle(call) {
      const application = await place.application(call)
      const endpoint = await findEndpoint(context, application.id, call.params['endpoint_id'])
      await checkEventTypes(context, application, call.body.eventTypes ?? call.body.filterTypes)
      return ok(toEndpointOut(await edit(application, endpoint, (before) => settingsPatched(call.body, before))))
    },
  })

  defineOperation(app, context, {
    method: 'DELETE',
    url: `${path}/:endpoint_id`,
    id: `${operations}.delete`,
    summary: 'Delete an endpoint; what waits for it is cancelled',
    access: access('ManageEndpoint'),
    answers: { 204: Empty },
    async handle(call) {
      const application = await place.application(call)
      const endpoint = await findEndpoint(context, application.id, call.params['endpoint_id'])
      if (!(await removeEndpoint(manage, application, endpoint))) throw new SvixError('not_found')
      return noContent
    },
  })
}
