/** Creating, changing and deleting endpoints, whichever API asks for it: the write, who is told, and what is forgotten. */
import type { ApplicationCache } from '../cache/application-cache.ts'
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { Application } from '../domain/application.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { EndpointId } from '../domain/ids.ts'
import { endpointEvent } from '../domain/operational.ts'
import type { Clock } from '../lib/clock.ts'
import type { Answer } from '../store/once.ts'
import type { Endpoints, Queue } from '../store/store.ts'
import type { Handoff } from './accept.ts'
import { announcements, type AnnounceContext } from './announce.ts'
import type { CancelWaiting } from './cancel-waiting.ts'
import { edit } from './edit.ts'
import type { Observer } from '../telemetry/events.ts'

export interface EditContext extends AnnounceContext {
  store: Pick<Endpoints, 'createEndpoint' | 'updateEndpoint' | 'deleteEndpoint' | 'getEndpoint'> & Queue
  cache: EndpointCache
  applications: ApplicationCache
  handoff: Pick<Handoff, 'noteDue'>
  cancelWaiting: CancelWaiting
  clock: Clock
  observer: Observer
}

type Told = 'endpoint.created' | 'endpoint.updated' | 'endpoint.deleted'

const telling = (
  context: EditContext,
  application: Application,
  { type, endpoint, now }: { type: Told; endpoint: Endpoint; now: number },
) => announcements(context, application.orgId, [endpointEvent(type, application, endpoint)], { now })

/** What is left to do once a write is durable. */
function written(context: EditContext, endpoint: Pick<Endpoint, 'appId' | 'id'>, announced: number): void {
  context.cache.forget(endpoint.appId, endpoint.id)
  if (announced > 0) context.handoff.noteDue(context.clock.now())
}

/** `unknown`: the application was deleted meanwhile. `limit_reached`: it has `max` endpoints already. */
export async function createEndpoint(
  context: EditContext,
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
 * Reads, changes and writes; starts over when somebody else wrote in between. `change` may throw a refusal. Returns the
 * endpoint as it is afterwards; null when there is none. Throws `edit_conflict` when the others never stop. `isTold` says
 * whether the endpoint's owner is told of it.
 */
export async function editEndpoint(
  context: EditContext,
  { application, id }: { application: Application; id: EndpointId },
  change: (before: Endpoint) => Partial<Endpoint>,
  { answer = null, isTold = true }: { answer?: Answer | null; isTold?: boolean } = {},
): Promise<Endpoint | 'uid_taken' | 'replayed' | null> {
  const now = context.clock.now()
  let told = 0
  const edited = await edit({
    what: 'subscription',
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

/** False when it was deleted already. */
export async function removeEndpoint(
  context: EditContext,
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
