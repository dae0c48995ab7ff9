/** The composition root: the one place that knows which store and which drivers there are. */
import { randomBytes } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createEndpointCache } from './cache/endpoint-cache.ts'
import type { Config, Secrets } from './config.ts'
import { createAddressGuard } from './destinations/guard.ts'
import { createHttpDriver } from './destinations/http.ts'
import { createSvixDriver } from './destinations/svix.ts'
import { createIds } from './domain/ids.ts'
import { LIMITS } from './domain/limits.ts'
import { carryOut, type InboundContext, type OutboundContext } from './flow/flow.ts'
import { prepareSvixEndpoint } from './flow/svix-endpoint.ts'
import { createObserver, observeGauges } from './flow/observe.ts'
import type { HttpContext, Server } from './http/context.ts'
import { VERSION } from './http/openapi.ts'
import { buildServer } from './http/server.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import type { Logger } from './lib/log.ts'
import { Dispatcher } from './services/dispatcher.ts'
import { createPruner } from './services/pruner.ts'
import { every, runServices } from './services/service.ts'
import { createSweeper } from './services/sweeper.ts'
import { openSqliteStore } from './store/sqlite/sqlite-store.ts'

export interface App extends AsyncDisposable {
  server: Server
  /** Starts to listen; resolves with the address, such as `http://127.0.0.1:8000`. */
  listen(): Promise<string>
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

  const registry = new Registry()
  const observer = createObserver(log, registry)
  collectDefaultMetrics({ register: registry })
  const ids = createIds({ now: () => clock.now(), randomBytes })

  const store = stack.use(
    await openSqliteStore({
      path: config.databasePath,
      onBatch: (size) => observer.committed(size),
      onDeath: onFatal,
    }),
  )
  const cache = createEndpointCache(store)
  const guard = createAddressGuard({ allowedSubnets: config.allowedSubnets, httpsOnly: config.httpsOnly })
  const http = stack.use(
    createHttpDriver({
      guard,
      clock,
      userAgent: `Hookferry/${VERSION}`,
      signatureHeaders: config.signatureHeaders,
      connectTimeoutMs: config.deliveryTimeoutMs,
    }),
  )

  const svix =
    config.svix === null || secrets.svixToken === null
      ? null
      : stack.use(createSvixDriver({ ...config.svix, token: secrets.svixToken, clock }))
  if (config.svix !== null) await prepareSvixEndpoint(store, config.svix, clock)

  const outbound: OutboundContext = {
    drivers: { http, svix },
    clock,
    deliveryTimeoutMs: config.deliveryTimeoutMs,
    queue: store,
    cache,
    ids,
    observer,
    random,
    owner,
    retryScheduleMs: config.retryScheduleMs,
    endpointDisableAfterMs: config.endpointDisableAfterMs,
  }
  const dispatcher = new Dispatcher({
    queue: store,
    cache,
    clock,
    owner,
    concurrency: config.dispatchConcurrency,
    endpointConcurrency: config.endpointConcurrency,
    carryOut: (delivery, succeeded) => carryOut(outbound, delivery, succeeded),
    onTrouble: (doing, error) => observer.storeTrouble({ doing, error }),
  })
  const inbound: InboundContext = {
    queue: store,
    handoff: dispatcher,
    ids,
    observer,
    cache,
    clock,
    messageRetentionMs: config.messageRetentionMs,
  }
  observeGauges(registry, {
    inFlight: () => dispatcher.inFlight,
    inMemory: () => dispatcher.inMemory,
    backlog: () => store.backlog(clock.now()).catch(() => null),
    now: () => clock.now(),
  })

  let isStopping = false
  const context: HttpContext = {
    config,
    secrets,
    store,
    cache,
    inbound,
    guard,
    clock,
    ids,
    observer,
    registry,
    isStopping: () => isStopping,
  }
  // Closing goes the other way round: no more requests, then no more attempts, then the drivers, then the store.
  let drainBy = 0
  stack.defer(() => dispatcher.drain(drainBy))
  stack.use(
    runServices(
      [
        dispatcher,
        every('leases', clock, LIMITS.leaseRenewBeforeMs / 3, () => dispatcher.renewLeases()),
        createSweeper({ queue: store, clock, observer, onFound: (now) => dispatcher.noteDue(now) }),
        createPruner({ retention: store, clock, attemptRetentionMs: config.attemptRetentionMs }),
      ],
      clock,
      (service, error) => observer.serviceFailed({ service, error }),
    ),
  )
  const server = await buildServer(context)
  stack.defer(() => server.close())

  const owned = stack.move()
  return {
    server,
    async listen() {
      await server.listen({ host: config.host, port: config.port })
      const { address, family, port } = server.server.address() as AddressInfo
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    },
    async [Symbol.asyncDispose]() {
      isStopping = true
      drainBy = performance.now() + LIMITS.drainMs
      await owned.disposeAsync()
    },
  }
}
