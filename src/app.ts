/** The composition root: the one place that knows which store and which drivers there are. */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createApplicationCache } from './cache/application-cache.ts'
import { createEndpointCache } from './cache/endpoint-cache.ts'
import { amongOthers } from './cache/freshness.ts'
import type { Config, Secrets } from './config.ts'
import type { Driver } from './destinations/driver.ts'
import { createAddressGuard } from './destinations/guard.ts'
import { createHttpDriver } from './destinations/http.ts'
import { proxyFrom } from './destinations/proxy-url.ts'
import { createNameResolver } from './destinations/resolver.ts'
import type { SvixDriverOptions } from './destinations/svix.ts'
import { DEFAULT_APP } from './domain/application.ts'
import { Encryption } from './domain/encryption.ts'
import { SVIX_ENDPOINT } from './domain/endpoint.ts'
import { type AppId, createIds, type EndpointId, type MessageId } from './domain/ids.ts'
import { LIMITS } from './domain/limits.ts'
import type { Handoff } from './flow/accept.ts'
import { carryOut, type InboundContext, type OutboundContext } from './flow/flow.ts'
import { prepareSvixEndpoint } from './manage/svix-endpoint.ts'
import { createInflater } from './flow/inflated.ts'
import { Connections } from './http/connections.ts'
import type { HttpContext, Server } from './http/context.ts'
import { connectionsWithin, openFilesMax } from './lib/open-files.ts'
import { storeProblem } from './http/readiness.ts'
import { buildServer } from './http/server.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { Hidden } from './lib/hidden.ts'
import type { Logger } from './lib/log.ts'
import { VERSION } from './lib/version.ts'
import type { SharedParts } from './redis/redis.ts'
import { ApplicationPaces } from './services/dispatch/application-pace.ts'
import { createCanceller } from './services/canceller.ts'
import { Dispatcher } from './services/dispatch/dispatcher.ts'
import { storeOnly, withDoorbell } from './services/doorbell.ts'
import { Expunged } from './services/dispatch/expunged.ts'
import { Pacing } from './services/dispatch/pacing.ts'
import { every, runServices } from './services/service.ts'
import { createTaskRunner } from './services/tasks.ts'
import { workOf } from './app/work.ts'
import type { Store } from './store/store.ts'
import type { Observer } from './telemetry/events.ts'
import { fanOut } from './telemetry/fan-out.ts'
import { readingsOf } from './telemetry/readings.ts'
import { openTelemetry } from './telemetry/telemetry.ts'

export interface App extends AsyncDisposable {
  server: Server
  /** Starts to listen; resolves with the address, such as `http://127.0.0.1:8000`. */
  listen(): Promise<string>
  /** From now on it is not ready, and answers close their connections; everything is still served. */
  announceEnd(): void
}

export interface AppOptions {
  config: Config
  secrets: Secrets
  log: Logger
  /** For tests: the time, and a number in [0, 1). */
  clock?: Clock
  random?: () => number
  /** A part died that cannot be opened again in this process. */
  onFatal: (error: Error) => void
}

/** Opens everything; what fails half-way closes what is open. Disposing drains: requests and attempts end, then the store closes. */
export async function buildApp({ config, secrets, log, onFatal, ...rest }: AppOptions): Promise<App> {
  const clock = rest.clock ?? systemClock
  const random = rest.random ?? Math.random
  const owner = `node_${randomBytes(8).toString('hex')}`
  await using stack = new AsyncDisposableStack()

  const isAlone = config.database.engine === 'sqlite'
  const { observer, metrics } = openTelemetry({ log, hasRedis: !isAlone && secrets.redisUrl !== null })
  const ids = createIds({ now: () => clock.now(), randomBytes })

  // Work that another node made due; there is nobody to tell of it yet.
  let wake = (_dueAt: number): void => {}
  let forget = (_appId: AppId, _id: EndpointId): void => {}
  let startTask = (): void => {}
  let learn = (_expunged: MessageId): void => {}
  const store = stack.use(
    await openStore(config, secrets, {
      observer,
      onFatal,
      onDue: (dueAt) => wake(dueAt),
      onChange: (appId, id) => forget(appId, id),
      onExpunged: (id) => learn(id),
      onTask: () => startTask(),
      onNotice: (notice) => log.warn(notice),
    }),
  )
  const redis =
    isAlone || secrets.redisUrl === null
      ? null
      : stack.use(
          await shareThrough(secrets.redisUrl.reveal(), {
            encryption: new Encryption(secrets.encryptionKeys, randomBytes),
            store,
            owner,
            clock,
            random,
            observer,
          }),
        )
  const cache = createEndpointCache(store, {
    shared: redis?.endpoints ?? null,
    ...(!isAlone && { freshness: amongOthers(clock, redis?.bus ?? null) }),
  })
  forget = (appId, id) => cache.forgetRemote(appId, id)
  const expunged = new Expunged({ clock, recent: isAlone ? null : (withinMs) => store.recentlyExpunged(withinMs) })
  learn = (id) => expunged.note([id])
  redis?.bus.listen({ onChange: (appId, id) => cache.forgetHere(appId, id), onDue: (dueAt) => wake(dueAt) })
  const applications = createApplicationCache(store, isAlone ? undefined : amongOthers(clock, null))
  const resolver = stack.use(createNameResolver({ clock, servers: config.dnsServers }))
  const guard = createAddressGuard({
    allowedSubnets: config.allowedSubnets,
    httpsOnly: config.httpsOnly,
    lookup: resolver.lookup,
    onBlocked: (blocked) => observer.targetBlocked(blocked),
  })
  const proxy = proxyFrom(secrets.proxyUrl?.reveal() ?? null, config.proxyExceptions)
  const http = stack.use(
    createHttpDriver({
      guard,
      proxy,
      verifyTls: config.verifyTls,
      clock,
      userAgent: `Hookferry/${VERSION}`,
      signatureHeaders: config.signatureHeaders,
      connectTimeoutMs: config.deliveryTimeoutMs,
    }),
  )

  const svix =
    config.svix === null || secrets.svixToken === null
      ? null
      : stack.use(await openSvixDriver({ ...config.svix, token: secrets.svixToken.reveal(), clock, proxy }))
  await prepareSvixEndpoint(store, config.svix, clock)
  cache.forget(DEFAULT_APP, SVIX_ENDPOINT)

  const canceller = createCanceller({ queue: store, cache, clock })
  const limiter = redis?.limiter ?? null
  const pacing = new Pacing(clock, limiter, new ApplicationPaces(applications, clock, limiter))
  const outbound: OutboundContext = {
    cancelWaiting: canceller.cancelWaiting,
    drivers: { http, svix },
    clock,
    deliveryTimeoutMs: config.deliveryTimeoutMs,
    queue: store,
    cache,
    applications,
    messageRetentionMs: config.messageRetentionMs,
    ids,
    observer,
    pressure: pacing,
    random,
    owner,
    retryScheduleMs: config.retryScheduleMs,
    endpointDisableAfterMs: config.endpointDisableAfterMs,
  }
  const dispatcher =
    config.role === 'api'
      ? null
      : new Dispatcher({
          queue: store,
          cache,
          clock,
          owner,
          concurrency: config.dispatchConcurrency,
          endpointConcurrency: config.endpointConcurrency,
          carryOut: (delivery, succeeded) => carryOut(outbound, delivery, succeeded),
          onTrouble: (doing, error) => observer.storeTrouble({ doing, error }),
          expunged,
          pacing,
          onLeftBehind: (dueAt) => redis?.bell.ring(dueAt),
        })
  wake = (dueAt) => dispatcher?.noteDue(dueAt)
  const inbound: InboundContext = {
    queue: store,
    handoff: handoffOf(owner, dispatcher, redis),
    ids,
    observer,
    cache,
    clock,
    messageRetentionMs: config.messageRetentionMs,
    inflater: createInflater(config),
  }
  const connections = openConnections(config, log, observer)
  metrics.read(readingsOf({ cache, resolver, connections, dispatcher, store, clock }))
  const tasks = createTaskRunner({ tasks: store, clock, onAdded: (now) => inbound.handoff.noteDue(now) })
  startTask = () => tasks.wake()
  let isStopping = false
  const context: HttpContext = {
    config,
    secrets,
    jwtSecret: secrets.jwtSecret ?? new Hidden(await store.secret(...JWT_SECRET)),
    store,
    storeProblem: storeProblem(store, clock),
    cache,
    applications,
    inbound,
    manage: {
      ...inbound,
      store,
      applications,
      cancelWaiting: canceller.cancelWaiting,
      taskStarted: () => tasks.wake(),
      discard: (msgId) => expunged.note([msgId]),
    },
    guard,
    clock,
    ids,
    observer,
    metrics,
    connections,
    publicUrl: () => config.publicUrl ?? `http://localhost:${portOf(server) ?? config.port}`,
    isStopping: () => isStopping,
  }
  // Closing goes the other way round: no more requests, then no more attempts, then the drivers, then the store.
  let drainBy = 0
  stack.defer(() => dispatcher?.drain(drainBy))
  stack.use(
    runServices(
      [
        every('connections', clock, connections.sweepEveryMs, async () => connections.sweep()),
        ...(redis === null ? [] : [redis.service]),
        canceller,
        ...(dispatcher === null || isAlone ? [] : [expunged.service]),
        ...(dispatcher === null
          ? []
          : [tasks, ...workOf({ ...config, store, cache, pacing, dispatcher, clock, observer })]),
      ],
      clock,
      (service, error) => observer.serviceFailed({ service, error }),
    ),
  )
  const server = await buildServer(context)
  stack.defer(() => closeServer(server, connections, clock))

  const owned = stack.move()
  return {
    server,
    async listen() {
      await server.listen({ host: config.host, port: config.port })
      const { address, family, port } = server.server.address() as AddressInfo
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    },
    announceEnd() {
      isStopping = true
    },
    async [Symbol.asyncDispose]() {
      isStopping = true
      drainBy = performance.now() + LIMITS.drainMs
      await owned.disposeAsync()
    },
  }
}

/** Some wait only once their answer is made. */
const CLOSE_WAITING_EVERY_MS = 500

/** Serves what is under way. Clients that would keep it waiting may not use up the time of the deliveries. */
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

/** What inbound connections may take. Says so where the system allows fewer of them than are set. */
function openConnections(config: Config, log: Logger, observer: Observer): Connections {
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

/** The port that it listens on; undefined as long as it does not. */
const portOf = ({ server }: Server): number | undefined => (server.address() as AddressInfo | null)?.port

/** The key of the tokens of the Svix API, where `JWT_SECRET` does not set it: made once, kept in the store. */
const JWT_SECRET = ['jwt', () => randomBytes(32).toString('hex')] as const

/** The key that tokens are signed with, also while a gateway runs on the same store. */
export async function readSigningSecret(config: Config, secrets: Secrets): Promise<string> {
  if (secrets.jwtSecret !== null) return secrets.jwtSecret.reveal()
  const known = await readKnownSecret(config, secrets)
  if (known !== null) return known
  await using store = await openStore(config, secrets, {
    observer: fanOut([]),
    onFatal: () => {},
    onDue: () => {},
    onChange: () => {},
    onExpunged: () => {},
    onTask: () => {},
    onNotice: () => {},
  })
  return await store.secret(...JWT_SECRET)
}

/** Null where there is none yet, or where the store has to be opened to tell. */
async function readKnownSecret({ database }: Config, { encryptionKeys }: Secrets): Promise<string | null> {
  if (database.engine !== 'sqlite') return null
  const { readSecret } = await import('./store/sqlite/read-secret.ts')
  return readSecret(database.path, JWT_SECRET[0], encryptionKeys)
}

interface StoreEvents {
  observer: Observer
  onFatal: (error: Error) => void
  /** Another node put something into the store that is due at this time. */
  onDue: (dueAt: number) => void
  /** Another node changed an endpoint. */
  onChange: (appId: AppId, id: EndpointId) => void
  /** Another node took away a payload of which this one may hold deliveries. */
  onExpunged: (id: MessageId) => void
  /** Another node was given a task. */
  onTask: () => void
  /** What the operator has to know of the start. */
  onNotice: (notice: string) => void
}

async function openStore({ database }: Config, secrets: Secrets, events: StoreEvents): Promise<Store> {
  const { observer, onFatal, onDue, onChange, onExpunged, onTask, onNotice } = events
  const { encryptionKeys } = secrets
  if (database.engine === 'postgres') {
    const { openPostgresStore } = await import('./store/postgres/postgres-store.ts')
    return openPostgresStore({
      url: secrets.databaseUrl.reveal(),
      encryptionKeys,
      onNotice,
      onBatch: (size) => observer.committed(size),
      onDue,
      onChange,
      onExpunged,
      onTask,
      onTrouble: (doing, error) => observer.storeTrouble({ doing, error }),
    })
  }
  const { openSqliteStore } = await import('./store/sqlite/sqlite-store.ts')
  return openSqliteStore({
    path: database.path,
    encryptionKeys,
    onNotice,
    onBatch: (size) => observer.committed(size),
    onDeath: onFatal,
  })
}

/** Whoever does not use Svix need not wait for its SDK to be loaded. */
async function openSvixDriver(options: SvixDriverOptions): Promise<Driver> {
  const { createSvixDriver } = await import('./destinations/svix.ts')
  return createSvixDriver(options)
}

/** All nodes of a store find each other in Redis by its name, which is made once and for ever, whatever their URLs are. */
async function shareThrough(
  url: string,
  options: {
    encryption: Encryption
    store: Store
    owner: string
    clock: Clock
    random: () => number
    observer: Observer
  },
): Promise<SharedParts> {
  const { store, owner, ...rest } = options
  // Whoever has no Redis need not wait for its client to be loaded.
  const { openRedis } = await import('./redis/redis.ts')
  const installation = await store.secret('installation', () => randomBytes(8).toString('hex'))
  const token = () => randomBytes(12).toString('base64url')
  return openRedis({ ...rest, url, installation, node: owner, version: VERSION, token })
}

/** Where accepting leaves the deliveries: with this node if it has room, and with others that may be waiting. */
function handoffOf(owner: string, dispatcher: Dispatcher | null, redis: SharedParts | null): Handoff {
  if (dispatcher === null) return storeOnly(owner, redis?.bell ?? null)
  return redis === null ? dispatcher : withDoorbell(dispatcher, redis.bell)
}
