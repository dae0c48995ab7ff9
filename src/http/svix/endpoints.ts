/**
 * Endpoints of an application: `/app/{app_id}/endpoint`. The endpoints that tell an organization's operators have the
 * same operations under another path (`operational-webhooks.ts`).
 */
import { z } from 'zod'
import type { Application } from '../../domain/application.ts'
import { blankEndpoint, type Endpoint } from '../../domain/endpoint.ts'
import type { AppId } from '../../domain/ids.ts'
import { createEndpoint, editEndpoint, removeEndpoint } from '../../manage/endpoints.ts'
import { unknownEventTypes } from '../../manage/event-types.ts'
import type { Answer } from '../../store/port/answers.ts'
import {
  type EndpointIn,
  endpointInSchema,
  EndpointOut,
  endpointPatchSchema,
  endpointUpdateSchema,
  newSecret,
  settingsFrom,
  settingsPatched,
  toEndpointOut,
} from './endpoint-schemas.ts'
import {
  type AnyOperation,
  Empty,
  findApplication,
  findEndpoint,
  noContent,
  ok,
  operation,
  type SvixContext,
  unlessReplayed,
} from './operation.ts'
import { pageOf, readPage } from './pages.ts'
import type { Access, Principal } from './principal.ts'
import { invalidField, SvixError } from './problems.ts'
import { iterator, limit, order } from './query.ts'

/** Endpoints of one sort: their path, the names of their operations, and their application. */
export interface EndpointCollection {
  path: string
  operations: string
  /** Portal tokens see only the endpoints of applications. */
  access: (capability: Access) => Access
  application: (context: SvixContext, call: Named) => Promise<Application>
  /** The application for a new endpoint; it is made if necessary. */
  toCreateIn: (context: SvixContext, call: Named) => Promise<Application>
  /** Number of endpoints up to which this token may create another one, and the setting or reason that says so. */
  limit: (context: SvixContext, principal: Principal) => { max: number; by: string }
  /** The application; null when there is nothing to list yet. */
  toList: (context: SvixContext, call: Named) => Promise<Application | null>
}

interface Named {
  principal: Principal
  params: Record<string, string>
}

export const OF_APPLICATIONS: EndpointCollection = {
  path: '/app/:app_id/endpoint',
  operations: 'v1.endpoint',
  access: (capability) => capability,
  application: findApplication,
  toCreateIn: findApplication,
  limit({ config }, { appId }) {
    const { applicationEndpointsMax: all, portalEndpointsMax: portal } = config
    return appId !== null && portal < all
      ? { max: portal, by: 'PORTAL_ENDPOINTS_MAX' }
      : { max: all, by: 'APPLICATION_ENDPOINTS_MAX' }
  },
  toList: findApplication,
}

const TAKEN = 'An endpoint with that id or uid already exists'

/** The event types of a filter have to be known: a misspelt one would silently get nothing. */
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

/** Creates the endpoint unless the application has as many as it may have. */
async function create(
  context: SvixContext,
  collection: EndpointCollection,
  { principal, application, answer }: { principal: Principal; application: Application; answer: Answer | null },
  endpoint: Endpoint,
): Promise<void> {
  const { max, by } = collection.limit(context, principal)
  const result = unlessReplayed(await createEndpoint(context.manage, application, endpoint, { max, answer }))
  if (result === 'uid_taken') throw new SvixError('conflict', TAKEN)
  if (result === 'unknown') throw new SvixError('not_found')
  if (result === 'limit_reached')
    throw new SvixError('limit_reached', `There are ${max} endpoints or more, and ${by} allows no other one.`)
}

async function edit(
  { manage }: SvixContext,
  { application, endpoint }: { application: Application; endpoint: Endpoint },
  change: (before: Endpoint) => Partial<Endpoint>,
): Promise<Endpoint> {
  const edited = await editEndpoint(manage, { application, id: endpoint.id }, change)
  if (edited === null || edited === 'replayed' || edited === 'refused') throw new SvixError('not_found')
  if (edited === 'uid_taken') throw new SvixError('conflict', TAKEN)
  return edited
}

const endpointList = (collection: EndpointCollection) =>
  operation({
    method: 'GET',
    url: collection.path,
    id: `${collection.operations}.list`,
    summary: 'List endpoints',
    access: collection.access('ViewBase'),
    query: z.object({ limit: limit(50), iterator: iterator('ep'), order }),
    answers: { 200: pageOf(EndpointOut) },
    async handle(context, call) {
      const application = await collection.toList(context, call)
      const page = await readPage(call.query, {
        order: call.query.order ?? 'descending',
        keyOf: (endpoint: z.infer<typeof EndpointOut>) => endpoint.id,
        // Sizes are those of the endpoints as shown, because the bound of a page is about its output: event types, for
        // one, are shown twice.
        read: async (keyset) =>
          application === null ? [] : (await context.store.pageEndpoints(application.id, keyset)).map(toEndpointOut),
      })
      return ok(page)
    },
  })

const endpointCreate = (collection: EndpointCollection) =>
  operation({
    method: 'POST',
    url: collection.path,
    id: `${collection.operations}.create`,
    summary: 'Create an endpoint',
    access: collection.access('ManageEndpoint'),
    body: ({ guard }) => endpointInSchema(guard),
    answers: { 201: EndpointOut },
    async handle(context, call) {
      const application = await collection.toCreateIn(context, call)
      const endpoint = newEndpoint(context, application.id, call.body)
      await checkEventTypes(context, application, endpoint.eventTypes)
      const out = toEndpointOut(endpoint)
      await create(
        context,
        collection,
        { principal: call.principal, application, answer: call.answer(201, out) },
        endpoint,
      )
      return { status: 201, body: out }
    },
  })

const endpointGet = (collection: EndpointCollection) =>
  operation({
    method: 'GET',
    url: `${collection.path}/:endpoint_id`,
    id: `${collection.operations}.get`,
    summary: 'Read an endpoint',
    access: collection.access('ViewBase'),
    answers: { 200: EndpointOut },
    async handle(context, call) {
      const { id } = await collection.application(context, call)
      return ok(toEndpointOut(await findEndpoint(context, id, call.params['endpoint_id'])))
    },
  })

const endpointUpdate = (collection: EndpointCollection) =>
  operation({
    method: 'PUT',
    url: `${collection.path}/:endpoint_id`,
    id: `${collection.operations}.update`,
    summary: 'Replace an endpoint, or create one where there is none; a secret that is there is kept',
    access: collection.access('ManageEndpoint'),
    body: ({ guard }) => endpointUpdateSchema(guard),
    answers: { 200: EndpointOut, 201: EndpointOut },
    async handle(context, call) {
      const application = await collection.toCreateIn(context, call)
      await checkEventTypes(context, application, call.body.eventTypes ?? call.body.filterTypes)
      const existing = await context.store.findEndpoint(application.id, call.params['endpoint_id']!)
      if (existing !== null && !existing.managed)
        return ok(
          toEndpointOut(
            await edit(context, { application, endpoint: existing }, (before) => settingsFrom(call.body, before)),
          ),
        )
      const endpoint = newEndpoint(context, application.id, call.body)
      await create(context, collection, { principal: call.principal, application, answer: null }, endpoint)
      return { status: 201, body: toEndpointOut(endpoint) }
    },
  })

const endpointPatch = (collection: EndpointCollection) =>
  operation({
    method: 'PATCH',
    url: `${collection.path}/:endpoint_id`,
    id: `${collection.operations}.patch`,
    summary: 'Change some members of an endpoint',
    access: collection.access('ManageEndpoint'),
    body: ({ guard }) => endpointPatchSchema(guard),
    answers: { 200: EndpointOut },
    async handle(context, call) {
      const application = await collection.application(context, call)
      const endpoint = await findEndpoint(context, application.id, call.params['endpoint_id'])
      await checkEventTypes(context, application, call.body.eventTypes ?? call.body.filterTypes)
      return ok(
        toEndpointOut(await edit(context, { application, endpoint }, (before) => settingsPatched(call.body, before))),
      )
    },
  })

const endpointDelete = (collection: EndpointCollection) =>
  operation({
    method: 'DELETE',
    url: `${collection.path}/:endpoint_id`,
    id: `${collection.operations}.delete`,
    summary: 'Delete an endpoint; what waits for it is cancelled',
    access: collection.access('ManageEndpoint'),
    answers: { 204: Empty },
    async handle(context, call) {
      const application = await collection.application(context, call)
      const endpoint = await findEndpoint(context, application.id, call.params['endpoint_id'])
      if (!(await removeEndpoint(context.manage, application, endpoint))) throw new SvixError('not_found')
      return noContent
    },
  })

export const endpointOperations = (collection: EndpointCollection): readonly AnyOperation[] =>
  [endpointList, endpointCreate, endpointGet, endpointUpdate, endpointPatch, endpointDelete].map((of) => of(collection))
