import { z } from 'zod'
import { type Application, DEFAULT_APP } from '../../domain/application.ts'
import type { OrgId } from '../../domain/ids.ts'
import { uidProblem } from '../../domain/uid.ts'
import { edit } from '../../flow/edit.ts'
import type { Principal } from './principal.ts'
import type { Server } from '../context.ts'
import { named, withExample } from '../described.ts'
import { Instant, instant } from '../schemas.ts'
import {
  defineOperation,
  Empty,
  findApplication,
  noContent,
  ok,
  type SvixContext,
  unlessReplayed,
} from './operation.ts'
import { pageOf, readPage } from './pages.ts'
import { invalidField, SvixError } from './problems.ts'
import { flag, iterator, limit, notHere, order } from './query.ts'
import { firstGiven, metadata, displayName, throttleRate, uid } from './schemas.ts'

export const ApplicationIn = named(
  'ApplicationIn',
  withExample(
    { name: 'Acme', uid: 'acme' },
    z.object({
      name: displayName,
      uid: uid('app').nullish(),
      throttleRate: throttleRate.nullish(),
      rateLimit: throttleRate.nullish().meta({ deprecated: true }),
      metadata: metadata.nullish(),
    }),
  ),
)

const ApplicationPatch = named(
  'ApplicationPatch',
  withExample(
    { name: 'Acme Ltd' },
    z.object({
      name: displayName.optional(),
      uid: uid('app').nullish(),
      throttleRate: throttleRate.nullish(),
      rateLimit: throttleRate.nullish().meta({ deprecated: true }),
      metadata: metadata.nullish(),
    }),
  ),
)

const ApplicationOut = named(
  'ApplicationOut',
  z.object({
    id: z.string(),
    uid: z.string().optional(),
    name: z.string(),
    rateLimit: z.number().int().optional().meta({ deprecated: true }),
    throttleRate: z.number().int().nullable(),
    metadata: z.record(z.string(), z.string()),
    createdAt: Instant,
    updatedAt: Instant,
  }),
)

const toApplicationOut = (application: Application): z.infer<typeof ApplicationOut> => ({
  ...(application.uid === null ? {} : { uid: application.uid }),
  name: application.name,
  ...(application.throttleRate === null ? {} : { rateLimit: application.throttleRate }),
  throttleRate: application.throttleRate,
  id: application.id,
  createdAt: instant(application.createdAt),
  updatedAt: instant(application.updatedAt),
  metadata: application.metadata,
})

/** What a whole application says about itself. */
const settingsFrom = (given: z.output<typeof ApplicationIn>) => ({
  name: given.name,
  uid: given.uid ?? null,
  throttleRate: firstGiven(given.throttleRate, given.rateLimit) ?? null,
  metadata: given.metadata ?? {},
})

const notListed = notHere('applications are listed whatever their endpoints are')

const TAKEN = 'An application with that id or uid already exists'

export function newApplication(
  { ids, clock }: Pick<SvixContext, 'ids' | 'clock'>,
  orgId: OrgId,
  given: z.output<typeof ApplicationIn>,
): Application {
  const now = clock.now()
  return {
    ...settingsFrom(given),
    orgId,
    id: ids.next('app', now),
    createdAt: now,
    updatedAt: now,
  }
}

/** The application with this uid, made if there is none: two requests at once find the same one. */
export async function findOrCreateApplication(
  context: SvixContext,
  orgId: OrgId,
  given: z.output<typeof ApplicationIn>,
): Promise<Application> {
  const application = newApplication(context, orgId, given)
  if ((await context.store.createApplication(application)) === 'created') {
    context.applications.forget(application)
    return application
  }
  const existing = await context.store.findApplication(orgId, given.uid ?? '')
  if (existing === null) throw new SvixError('conflict')
  return existing
}

/** The application of the path; made on the fly where the request brings one along that has the path's uid. */
export async function applicationOnTheFly(
  context: SvixContext,
  { principal, params }: { principal: Principal; params: Record<string, string> },
  given: z.output<typeof ApplicationIn> | null | undefined,
): Promise<Application> {
  const idOrUid = params['app_id']!
  const problem = idOrUid.startsWith('app_') ? null : uidProblem('app', idOrUid)
  if (problem !== null) throw invalidField(['path', 'app_id_or_uid'], problem)
  const found = await context.applications.find(principal.orgId, idOrUid)
  if (found !== null) return found
  if (given == null) throw new SvixError('not_found', 'Application not found')
  const at = ['body', 'application', 'uid']
  if (given.uid == null) throw invalidField(at, 'is needed to create it', 'application_uid_missing')
  if (given.uid !== idOrUid) throw invalidField(at, 'is not that of the path', 'application_uid_mismatch')
  return findOrCreateApplication(context, principal.orgId, given)
}

export function applicationOperations(app: Server, context: SvixContext): void {
  const { store, applications, clock } = context

  async function editApplication(
    { principal, idOrUid }: { principal: Principal; idOrUid: string },
    change: (before: Application) => Partial<Application>,
  ): Promise<Application | null> {
    const edited = await edit({
      what: 'application',
      now: clock.now(),
      change,
      read: () => store.findApplication(principal.orgId, idOrUid),
      write: (after, before) => store.updateApplication(after, before.updatedAt),
    })
    if (edited === null || edited.result === 'unknown') return null
    const { result, before, after } = edited
    if (result === 'uid_taken') throw new SvixError('conflict', TAKEN)
    applications.forget(before, after)
    return after
  }

  defineOperation(app, context, {
    method: 'GET',
    url: '/app',
    id: 'v1.application.list',
    summary: 'List applications',
    access: 'organization',
    query: z.object({
      limit: limit(50),
      iterator: iterator('app'),
      order,
      exclude_apps_with_no_endpoints: notListed,
      exclude_apps_with_disabled_endpoints: notListed,
      exclude_apps_with_svix_play_endpoints: notListed,
    }),
    answers: { 200: pageOf(ApplicationOut) },
    async handle({ principal, query }) {
      const page = await readPage(query, {
        order: query.order ?? 'ascending',
        keyOf: (application: Application) => application.id,
        read: (keyset) => store.listApplications(principal.orgId, keyset),
      })
      return ok({ ...page, data: page.data.map(toApplicationOut) })
    },
  })

  defineOperation(app, context, {
    method: 'POST',
    url: '/app',
    id: 'v1.application.create',
    summary: 'Create an application',
    access: 'organization',
    query: z.object({ get_if_exists: flag(false) }),
    body: ApplicationIn,
    answers: { 200: ApplicationOut, 201: ApplicationOut },
    async handle({ principal, query, body, answer }) {
      const application = newApplication(context, principal.orgId, body)
      const out = toApplicationOut(application)
      const extras = { answer: answer(201, out), announce: [] }
      if (unlessReplayed(await store.createApplication(application, extras)) === 'created') {
        applications.forget(application)
        return { status: 201, body: out }
      }
      const existing = query.get_if_exists ? await store.findApplication(principal.orgId, body.uid ?? '') : null
      if (existing === null) throw new SvixError('conflict', TAKEN)
      const found = toApplicationOut(existing)
      const stored = answer(200, found)
      if (stored !== null) unlessReplayed(await store.saveAnswer(stored))
      return ok(found)
    },
  })

  defineOperation(app, context, {
    method: 'GET',
    url: '/app/:app_id',
    id: 'v1.application.get',
    summary: 'Read an application',
    access: 'ViewBase',
    answers: { 200: ApplicationOut },
    handle: async (call) => ok(toApplicationOut(await findApplication(context, call))),
  })

  defineOperation(app, context, {
    method: 'PUT',
    url: '/app/:app_id',
    id: 'v1.application.update',
    summary: 'Replace an application, or create one where there is none',
    access: 'organization',
    body: ApplicationIn,
    answers: { 200: ApplicationOut, 201: ApplicationOut },
    async handle({ principal, params, body }) {
      const edited = await editApplication({ principal, idOrUid: params['app_id']! }, () => settingsFrom(body))
      if (edited !== null) return ok(toApplicationOut(edited))
      const application = newApplication(context, principal.orgId, body)
      if ((await store.createApplication(application)) !== 'created') throw new SvixError('conflict', TAKEN)
      applications.forget(application)
      return { status: 201, body: toApplicationOut(application) }
    },
  })

  defineOperation(app, context, {
    method: 'PATCH',
    url: '/app/:app_id',
    id: 'v1.application.patch',
    summary: 'Change some members of an application',
    access: 'organization',
    body: ApplicationPatch,
    answers: { 200: ApplicationOut },
    async handle({ principal, params, body }) {
      const rate = firstGiven(body.throttleRate, body.rateLimit)
      const edited = await editApplication({ principal, idOrUid: params['app_id']! }, () => ({
        ...(body.name === undefined ? {} : { name: body.name }),
        ...(body.uid === undefined ? {} : { uid: body.uid }),
        ...(rate === undefined ? {} : { throttleRate: rate }),
        ...(body.metadata === undefined ? {} : { metadata: body.metadata ?? {} }),
      }))
      if (edited === null) throw new SvixError('not_found')
      return ok(toApplicationOut(edited))
    },
  })

  defineOperation(app, context, {
    method: 'DELETE',
    url: '/app/:app_id',
    id: 'v1.application.delete',
    summary: 'Delete an application with its endpoints; what waits for them is cancelled',
    access: 'organization',
    answers: { 204: Empty },
    async handle(call) {
      const application = await findApplication(context, call)
      if (application.id === DEFAULT_APP)
        throw new SvixError('conflict', 'The default application is that of the plain routes and cannot be deleted.')
      const endpoints = await store.endpointsOf(application.id)
      const wasThere = await store.deleteApplication(call.principal.orgId, application.id, clock.now())
      applications.forget(application)
      for (const { id } of endpoints) {
        context.cache.forget(application.id, id)
        context.editing.cancelWaiting(application.id, id, 'all')
      }
      if (!wasThere) throw new SvixError('not_found')
      return noContent
    },
  })
}
