import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { Registry } from 'prom-client'
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { Config, Secrets } from '../config.ts'
import type { AddressGuard } from '../destinations/guard.ts'
import type { Ids } from '../domain/ids.ts'
import type { InboundContext } from '../flow/flow.ts'
import type { InboxLine, Observer } from '../flow/observe.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/store.ts'

/** Fastify as it is used here: requests and answers are described by zod. */
export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What the routes work with. */
export interface HttpContext {
  config: Config
  secrets: Secrets
  store: Store
  cache: EndpointCache
  inbound: InboundContext
  guard: AddressGuard
  clock: Clock
  ids: Ids
  observer: Observer
  registry: Registry
  /** True from the moment that the gateway was told to stop. */
  isStopping: () => boolean
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs a management key once there are any. */
    management?: boolean
    /** The handler wants the body's bytes; its schema is for the document only. */
    rawBody?: boolean
    /** Its answers are counted by result, and its log lines say more. */
    inbox?: boolean
  }
  interface FastifyRequest {
    /** What `/webhook` adds to the request's log line. */
    inboxLine: InboxLine | null
  }
}
