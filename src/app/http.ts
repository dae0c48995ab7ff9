/** Opens the way in (connections, routes), and closes it. */
import type { AddressInfo } from 'node:net'
import { LIMITS } from '../domain/limits.ts'
import { createInflater } from '../flow/inflated.ts'
import type { SourceContext } from '../flow/take-in.ts'
import { Connections } from '../http/connections.ts'
import type { HttpContext, Server } from '../http/context.ts'
import { connectionsWithin, openFilesMax } from '../lib/open-files.ts'
import { storeProblem } from '../http/readiness.ts'
import { buildServer } from '../http/server.ts'
import type { Clock } from '../lib/clock.ts'
import { Hidden } from '../lib/hidden.ts'
import { every, runServices } from '../services/service.ts'
import type { Store } from '../store/store.ts'
import { readingsOf } from '../telemetry/readings.ts'
import type { Ground } from './ground.ts'
import type { Nodes } from './nodes.ts'
import type { Outbound } from './outbound.ts'
import { signingSecretOf } from './store.ts'

export interface Http extends AsyncDisposable {
  server: Server
}

export interface HttpParts {
  store: Store
  nodes: Nodes
  outbound: Outbound
}

export async function openHttp(ground: Ground, parts: HttpParts): Promise<Http> {
  const { clock, metrics, observer } = ground
  const { store, nodes, outbound } = parts
  await using stack = new AsyncDisposableStack()
  const connections = openConnections(ground)
  const { dispatcher, resolver } = outbound
  metrics.read(readingsOf({ cache: nodes.cache, resolver, connections, dispatcher, store, clock }))
  const sweep = every('connections', clock, connections.sweepEveryMs, async () => connections.sweep())
  stack.use(runServices([sweep], clock, (service, error) => observer.serviceFailed({ service, error })))
  const jwtSecret = ground.secrets.jwtSecret ?? new Hidden(await signingSecretOf(store))
  const context: HttpContext = {
    ...contextOf(ground, parts),
    jwtSecret,
    connections,
    publicUrl: () => ground.config.publicUrl ?? `http://localhost:${portOf(server) ?? ground.config.port}`,
  }
  const server = await buildServer(context)
  stack.defer(() => closeServer(server, connections, clock))
  const owned = stack.move()
  return { server, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

function contextOf(
  { config, secrets, clock, ids, observer, metrics, hints, end }: Ground,
  { store, nodes, outbound }: HttpParts,
): Omit<HttpContext, 'jwtSecret' | 'connections' | 'publicUrl'> {
  const { cache, applications, sources } = nodes
  const { handoff, guard } = outbound
  const inbound: SourceContext = {
    handoff,
    ids,
    observer,
    cache,
    sources,
    clock,
    queue: store,
    messageRetentionMs: config.messageRetentionMs,
    inflater: createInflater(config),
  }
  return {
    config,
    secrets,
    store,
    cache,
    applications,
    inbound,
    guard,
    clock,
    ids,
    observer,
    metrics,
    storeProblem: storeProblem(store, clock),
    manage: {
      ...inbound,
      store,
      applications,
      cancelWaiting: outbound.context.cancelWaiting,
      taskStarted: () => hints.publish('taskAdded', null),
      discard: (msgId) => hints.publish('expunged', msgId),
    },
    isStopping: () => end.isAnnounced,
  }
}

/** Bounds of inbound connections. Warns when the system allows fewer connections than are configured. */
function openConnections({ config, log, observer }: Ground): Connections {
  const files = openFilesMax()
  const connectionsMax = connectionsWithin(config.maxConnections, files, config.dispatchConcurrency)
  if (connectionsMax < config.maxConnections)
    log.warn({ connections: connectionsMax, files }, 'fewer connections than MAX_CONNECTIONS: see ulimit -n')
  return new Connections(
    {
      connectionsMax,
      pipelinedMax: config.maxPipelined,
      bodyBytesMax: config.maxBodyBytes,
      bodyBytesInProgressMax: config.maxBodyBytesInProgress,
      unreadTimeoutMs: config.unreadTimeoutMs,
    },
    observer,
  )
}

/** Some clients wait only once their answer is made. */
const CLOSE_WAITING_EVERY_MS = 500

/** Serves the requests under way. Slow clients may not use up the time of the deliveries. */
async function closeServer(server: Server, connections: Connections, clock: Clock): Promise<void> {
  const closeWaiting = () => {
    connections.closeWaiting()
    timer = clock.after(CLOSE_WAITING_EVERY_MS, closeWaiting)
  }
  let timer = clock.after(LIMITS.drainClientsMs, closeWaiting)
  const closed = server.close()
  connections.closeSilent()
  await closed
  timer.cancel()
}

/** The port that the server listens on; undefined while it does not listen. */
const portOf = ({ server }: Server): number | undefined => (server.address() as AddressInfo | null)?.port
