/** Creates, changes and removes applications of an organization. */
import { type Application, DEFAULT_APP } from '../domain/application.ts'
import type { OrgId } from '../domain/ids.ts'
import type { Answer } from '../store/port/answers.ts'
import type { ManageContext } from './context.ts'
import { edit } from './edit.ts'

export type ApplicationSettings = Pick<Application, 'name' | 'uid' | 'throttleRate' | 'metadata'>

/** A new application, not stored yet. */
export function newApplication(
  { ids, clock }: Pick<ManageContext, 'ids' | 'clock'>,
  orgId: OrgId,
  settings: ApplicationSettings,
): Application {
  const now = clock.now()
  return { ...settings, orgId, id: ids.next('app', now), createdAt: now, updatedAt: now }
}

/** `uid_taken`: another application of the organization has this uid. */
export async function createApplication(
  context: ManageContext,
  application: Application,
  answer: Answer | null = null,
): Promise<'created' | 'uid_taken' | 'replayed'> {
  const result = await context.store.createApplication(application, { answer, announce: [] })
  if (result === 'created') context.applications.forget(application)
  return result
}

/**
 * The application with this uid, made if there is none: two requests at the same time find the same one. Null when
 * neither worked.
 */
export async function findOrCreateApplication(
  context: ManageContext,
  orgId: OrgId,
  settings: ApplicationSettings & { uid: string },
): Promise<Application | null> {
  const application = newApplication(context, orgId, settings)
  if ((await createApplication(context, application)) === 'created') return application
  return context.store.findApplication(orgId, settings.uid)
}

/**
 * The application after the edit; null when there is none. Throws `edit_conflict` when other writers never stop
 * changing it.
 */
export async function editApplication(
  context: ManageContext,
  { orgId, idOrUid }: { orgId: OrgId; idOrUid: string },
  change: (before: Application) => Partial<ApplicationSettings>,
): Promise<Application | 'uid_taken' | null> {
  const { store, clock, applications } = context
  const edited = await edit({
    now: clock.now(),
    change,
    read: () => store.findApplication(orgId, idOrUid),
    write: (after: Application, before: Application) => store.updateApplication(after, before.updatedAt),
  })
  if (edited === null || edited.result === 'unknown' || edited.result === 'refused') return null
  if (edited.result === 'uid_taken') return 'uid_taken'
  applications.forget(edited.before, edited.after)
  return edited.after
}

/**
 * Removes the application with its endpoints; their waiting deliveries are cancelled. `is_default`: the plain routes
 * need it.
 */
export async function removeApplication(
  context: ManageContext,
  application: Application,
): Promise<'removed' | 'unknown' | 'is_default'> {
  if (application.id === DEFAULT_APP) return 'is_default'
  const { store, clock, applications, cache, cancelWaiting } = context
  const endpoints = await store.endpointsOf(application.id)
  const wasThere = await store.deleteApplication(application.orgId, application.id, clock.now())
  applications.forget(application)
  for (const { id } of endpoints) {
    cache.forget(application.id, id)
    cancelWaiting(application.id, id, 'all')
  }
  return wasThere ? 'removed' : 'unknown'
}
