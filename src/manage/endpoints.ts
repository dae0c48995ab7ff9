/**
 * Creates, changes and removes endpoints. The write includes the messages that tell the organization of it; after the
 * write, caches forget.
 */
import type { Application } from '../domain/application.ts'
import { type Endpoint, rotateSecrets } from '../domain/endpoint.ts'
import type { EndpointId } from '../domain/ids.ts'
import { endpointEvent } from '../domain/operational.ts'
import type { Answer } from '../store/port/answers.ts'
import { announcements } from '../flow/announce.ts'
import { edit } from './edit.ts'
import type { ManageContext } from './context.ts'

type Told = 'endpoint.created' | 'endpoint.updated' | 'endpoint.deleted'

const telling = (
  context: ManageContext,
  application: Application,
  { type, endpoint, now }: { type: Told; endpoint: Endpoint; now: number },
) => announcements(context, application.orgId, [endpointEvent(type, application, endpoint)], { now })

/** The work that remains once a write is durable. */
function written(context: ManageContext, endpoint: Pick<Endpoint, 'appId' | 'id'>, announced: number): void {
  context.cache.forget(endpoint.appId, endpoint.id)
  if (announced > 0) context.handoff.noteDue(context.clock.now())
}

/** `unknown`: the application was deleted meanwhile. `limit_reached`: it has `max` endpoints already. */
export async function createEndpoint(
  context: ManageContext,
  application: Application,
  endpoint: Endpoint,
  { max, answer = null }: { max: number; answer?: Answer | null },
): Promise<'created' | 'uid_taken' | 'unknown' | 'limit_reached' | 'replayed'> {
  const announce = await telling(context, application, { type: 'endpoint.created', endpoint, now: context.clock.now() })
  const result = await context.store.createEndpoint(endpoint, { answer, announce }, max)
  if (result === 'created') written(context, endpoint, announce.length)
  return result
}

/**
 * Reads, changes and writes; starts over when another writer came between. `change` may refuse with null. Returns the
 * endpoint after the edit; null when there is none. Throws `edit_conflict` when other writers never stop. `isTold` says
 * whether the endpoint's owner is told of the edit.
 */
export async function editEndpoint(
  context: ManageContext,
  { application, id }: { application: Application; id: EndpointId },
  change: (before: Endpoint) => Partial<Endpoint> | null,
  { answer = null, isTold = true }: { answer?: Answer | null; isTold?: boolean } = {},
): Promise<Endpoint | 'uid_taken' | 'replayed' | 'refused' | null> {
  const now = context.clock.now()
  let told = 0
  const edited = await edit({
    now,
    change,
    read: () => context.store.getEndpoint(application.id, id),
    async write(after, before) {
      const announce = isTold
        ? await telling(context, application, { type: 'endpoint.updated', endpoint: after, now })
        : []
      told = announce.length
      return context.store.updateEndpoint(after, before.updatedAt, { answer, announce })
    },
  })
  if (edited === null || edited.result === 'unknown') return null
  const { result, before, after } = edited
  if (result !== 'updated') return result
  written(context, after, told)
  if (after.disabled && !before.disabled) context.cancelWaiting(after.appId, after.id, 'all')
  return context.store.getEndpoint(after.appId, after.id)
}

/** False when the endpoint was deleted already. */
export async function removeEndpoint(
  context: ManageContext,
  application: Application,
  endpoint: Endpoint,
): Promise<boolean> {
  const now = context.clock.now()
  const announce = await telling(context, application, { type: 'endpoint.deleted', endpoint, now })
  const wasThere = await context.store.deleteEndpoint({ appId: endpoint.appId, id: endpoint.id }, now, {
    answer: null,
    announce,
  })
  context.cache.forget(endpoint.appId, endpoint.id)
  if (!wasThere) return false
  written(context, endpoint, announce.length)
  context.cancelWaiting(endpoint.appId, endpoint.id, 'all')
  return true
}

/** Longest overlap, in milliseconds. It is longer than a receiver needs to take the new secret. */
export const ROTATION_OVERLAP_MS = { fallback: 86_400_000, max: 604_800_000 }

/**
 * Gives an endpoint a new secret; the old ones also sign for `overlapMs`. `limit_reached`: ten old secrets still sign.
 * Null: the endpoint is gone.
 */
export async function rotateSecret(
  context: ManageContext,
  { application, id }: { application: Application; id: EndpointId },
  { secret, overlapMs }: { secret: string; overlapMs: number },
  answer: Answer | null = null,
): Promise<Endpoint | 'limit_reached' | 'replayed' | null> {
  const edited = await editEndpoint(
    context,
    { application, id },
    ({ secrets }) => {
      const rotated = rotateSecrets(secrets, { secret, graceMs: overlapMs, now: context.clock.now() })
      return rotated && { secrets: rotated }
    },
    { answer },
  )
  if (edited === 'refused') return 'limit_reached'
  // A rotation changes no uid.
  return edited === 'uid_taken' ? null : edited
}
