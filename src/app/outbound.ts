/** Opens the way out: drivers, the dispatcher if this node attempts deliveries, and their background services. */
import { DEFAULT_APP } from '../domain/application.ts'
import { SVIX_ENDPOINT } from '../domain/endpoint.ts'
import type { Handoff } from '../flow/accept.ts'
import { carryOut, type OutboundContext } from '../flow/flow.ts'
import { prepareSvixEndpoint } from '../manage/svix-endpoint.ts'
import { createCanceller } from '../services/canceller.ts'
import { ApplicationPaces } from '../services/dispatch/application-pace.ts'
import { Dispatcher } from '../services/dispatch/dispatcher.ts'
import { Expunged } from '../services/dispatch/expunged.ts'
import { Pacing } from '../services/dispatch/pacing.ts'
import { storeOnly, withDoorbell } from '../services/doorbell.ts'
import { runServices } from '../services/service.ts'
import type { Store } from '../store/store.ts'
import { type Drivers, openDrivers } from './drivers.ts'
import type { Ground } from './ground.ts'
import type { Nodes } from './nodes.ts'
import { workOf } from './work.ts'

export interface Outbound extends AsyncDisposable, Pick<Drivers, 'guard' | 'resolver'> {
  context: OutboundContext
  /** The dispatcher; null at a node that attempts nothing. */
  dispatcher: Dispatcher | null
  handoff: Handoff
}

export async function openOutbound(ground: Ground, store: Store, nodes: Nodes): Promise<Outbound> {
  const { config, clock, observer, hints, end, isAlone } = ground
  const { cache, redis } = nodes
  await using stack = new AsyncDisposableStack()
  const { guard, resolver, drivers } = stack.use(await openDrivers(ground))
  await prepareSvixEndpoint(store, config.svix, clock)
  cache.forget(DEFAULT_APP, SVIX_ENDPOINT)

  const limiter = redis?.limiter ?? null
  const pacing = new Pacing(clock, limiter, new ApplicationPaces(nodes.applications, clock, limiter))
  const canceller = createCanceller({ queue: store, cache, clock })
  const context = outboundContext(ground, { store, nodes, drivers, pacing, cancelWaiting: canceller.cancelWaiting })
  const expunged = new Expunged({ clock, recent: isAlone ? null : (withinMs) => store.recentlyExpunged(withinMs) })
  hints.subscribe('expunged', (id) => expunged.note([id]))
  const dispatcher = config.role === 'api' ? null : openDispatcher(context, { ground, expunged, pacing, redis })
  hints.subscribe('due', (at) => dispatcher?.noteDue(at))
  const handoff = handoffOf(ground.owner, dispatcher, redis)
  const work = dispatcher === null ? [] : workOf(ground, { store, cache, pacing, dispatcher, handoff, expunged })

  // Closing has the reverse order: first the services, then the attempts, then the drivers.
  stack.defer(() => dispatcher?.drain(end.drainBy))
  stack.use(runServices([canceller, ...work], clock, (service, error) => observer.serviceFailed({ service, error })))
  const owned = stack.move()
  return { context, dispatcher, handoff, guard, resolver, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

interface OutboundParts {
  store: Store
  nodes: Nodes
  drivers: OutboundContext['drivers']
  pacing: Pacing
  cancelWaiting: OutboundContext['cancelWaiting']
}

const outboundContext = (
  { config, clock, ids, observer, random, owner }: Ground,
  { store, nodes, drivers, pacing, cancelWaiting }: OutboundParts,
): OutboundContext => ({
  cancelWaiting,
  drivers,
  clock,
  ids,
  observer,
  random,
  owner,
  queue: store,
  cache: nodes.cache,
  applications: nodes.applications,
  pressure: pacing,
  deliveryTimeoutMs: config.deliveryTimeoutMs,
  messageRetentionMs: config.messageRetentionMs,
  retryScheduleMs: config.retryScheduleMs,
  endpointDisableAfterMs: config.endpointDisableAfterMs,
})

function openDispatcher(
  context: OutboundContext,
  parts: { ground: Ground; expunged: Expunged; pacing: Pacing; redis: Nodes['redis'] },
): Dispatcher {
  const { ground, expunged, pacing, redis } = parts
  const { queue, cache, clock, owner, observer } = context
  return new Dispatcher({
    queue,
    cache,
    clock,
    owner,
    expunged,
    pacing,
    concurrency: ground.config.dispatchConcurrency,
    endpointConcurrency: ground.config.endpointConcurrency,
    carryOut: (delivery, succeeded) => carryOut(context, delivery, succeeded),
    onTrouble: (doing, error) => observer.storeTrouble({ doing, error }),
    onLeftBehind: (dueAt) => redis?.bell.ring(dueAt),
  })
}

/** Hands over accepted deliveries: to this node if it has room, and to other nodes that may be waiting. */
function handoffOf(owner: string, dispatcher: Dispatcher | null, redis: Nodes['redis']): Handoff {
  if (dispatcher === null) return storeOnly(owner, redis?.bell ?? null)
  return redis === null ? dispatcher : withDoorbell(dispatcher, redis.bell)
}
