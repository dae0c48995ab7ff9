import { z } from 'zod'
import type { Application } from '../../domain/application.ts'
import { uidProblem } from '../../domain/uid.ts'
import {
  createApplication,
  editApplication,
  findOrCreateApplication,
  newApplication,
  removeApplication,
  type ApplicationSettings,
} from '../../manage/applications.ts'
import type { Principal } from './principal.ts'
import { named, withExample } from '../described.ts'
import { Instant, instant } from '../schemas.ts'
import {
  operation,
  type AnyOperation,
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

/** The settings that a whole application describes. */
const settingsFrom = (given: z.output<typeof ApplicationIn>): ApplicationSettings => ({
  name: given.name,
  uid: given.uid ?? null,
  throttleRate: firstGiven(given.throttleRate, given.rateLimit) ?? null,
  metadata: given.metadata ?? {},
})

const notListed = notHere('applications are listed whatever their endpoints are')

const TAKEN = 'An application with that id or uid already exists'

/** The application of the path. It is made on the fly when the request carries an application with the path's uid. */
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
  const made = await findOrCreateApplication(context.manage, principal.orgId, {
    ...settingsFrom(given),
    uid: given.uid,
  })
  if (made === null) throw new SvixError('conflict')
  return made
}

function unlessTaken<T>(edited: T | 'uid_taken'): T {
  if (edited === 'uid_taken') throw new SvixError('conflict', TAKEN)
  return edited
}

const applicationList = operation({
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
  async handle(context, { principal, query }) {
    const page = await readPage(query, {
      order: query.order ?? 'ascending',
      keyOf: (application: Application) => application.id,
      read: (keyset) => context.store.listApplications(principal.orgId, keyset),
    })
    return ok({ ...page, data: page.data.map(toApplicationOut) })
  },
})

const applicationCreate = operation({
  method: 'POST',
  url: '/app',
  id: 'v1.application.create',
  summary: 'Create an application',
  access: 'organization',
  query: z.object({ get_if_exists: flag(false) }),
  body: ApplicationIn,
  answers: { 200: ApplicationOut, 201: ApplicationOut },
  async handle(context, { principal, query, body, answer }) {
    const application = newApplication(context, principal.orgId, settingsFrom(body))
    const out = toApplicationOut(application)
    const result = unlessReplayed(await createApplication(context.manage, application, answer(201, out)))
    if (result === 'created') return { status: 201, body: out }
    const existing = query.get_if_exists ? await context.store.findApplication(principal.orgId, body.uid ?? '') : null
    if (existing === null) throw new SvixError('conflict', TAKEN)
    const found = toApplicationOut(existing)
    const stored = answer(200, found)
    if (stored !== null) unlessReplayed(await context.store.saveAnswer(stored))
    return ok(found)
  },
})

const applicationGet = operation({
  method: 'GET',
  url: '/app/:app_id',
  id: 'v1.application.get',
  summary: 'Read an application',
  access: 'ViewBase',
  answers: { 200: ApplicationOut },
  handle: async (context, call) => ok(toApplicationOut(await findApplication(context, call))),
})

const applicationUpdate = operation({
  method: 'PUT',
  url: '/app/:app_id',
  id: 'v1.application.update',
  summary: 'Replace an application, or create one where there is none',
  access: 'organization',
  body: ApplicationIn,
  answers: { 200: ApplicationOut, 201: ApplicationOut },
  async handle(context, { principal, params, body }) {
    const path = { orgId: principal.orgId, idOrUid: params['app_id']! }
    const edited = unlessTaken(await editApplication(context.manage, path, () => settingsFrom(body)))
    if (edited !== null) return ok(toApplicationOut(edited))
    const application = newApplication(context, principal.orgId, settingsFrom(body))
    if ((await createApplication(context.manage, application)) !== 'created') throw new SvixError('conflict', TAKEN)
    return { status: 201, body: toApplicationOut(application) }
  },
})

const applicationPatch = operation({
  method: 'PATCH',
  url: '/app/:app_id',
  id: 'v1.application.patch',
  summary: 'Change some members of an application',
  access: 'organization',
  body: ApplicationPatch,
  answers: { 200: ApplicationOut },
  async handle(context, { principal, params, body }) {
    const rate = firstGiven(body.throttleRate, body.rateLimit)
    const change = () => ({
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(body.uid === undefined ? {} : { uid: body.uid }),
      ...(rate === undefined ? {} : { throttleRate: rate }),
      ...(body.metadata === undefined ? {} : { metadata: body.metadata ?? {} }),
    })
    const path = { orgId: principal.orgId, idOrUid: params['app_id']! }
    const edited = unlessTaken(await editApplication(context.manage, path, change))
    if (edited === null) throw new SvixError('not_found')
    return ok(toApplicationOut(edited))
  },
})

const applicationDelete = operation({
  method: 'DELETE',
  url: '/app/:app_id',
  id: 'v1.application.delete',
  summary: 'Delete an application with its endpoints; what waits for them is cancelled',
  access: 'organization',
  answers: { 204: Empty },
  async handle(context, call) {
    const application = await findApplication(context, call)
    const result = await removeApplication(context.manage, application)
    if (result === 'is_default')
      throw new SvixError('conflict', 'The default application is that of the plain routes and cannot be deleted.')
    if (result === 'unknown') throw new SvixError('not_found')
    return noContent
  },
})

export const applicationOperations: readonly AnyOperation[] = [
  applicationList,
  applicationCreate,
  applicationGet,
  applicationUpdate,
  applicationPatch,
  applicationDelete,
]
