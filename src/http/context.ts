import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { ApplicationCache } from '../cache/application-cache.ts'
import type { EndpointCache } from '../cache/endpoint-cache.ts'
import type { Config, Secrets } from '../config.ts'
import type { AddressGuard } from '../destinations/guard.ts'
import type { Ids } from '../domain/ids.ts'
import type { Source } from '../domain/source.ts'
import type { SourceContext } from '../flow/take-in.ts'
import type { InboxLine, Observer } from '../telemetry/events.ts'
import type { ManageContext } from '../manage/context.ts'
import type { Hidden } from '../lib/hidden.ts'
import type { Clock } from '../lib/clock.ts'
import type { Store } from '../store/store.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import type { Connections } from './connections.ts'

/** Fastify with zod: requests and answers are described by zod. */
export type Server = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** The parts that routes work with. */
export interface HttpContext {
  config: Config
  secrets: Secrets
  /** Signs the tokens of the Svix API. */
  jwtSecret: Hidden
  store: Store
  /** The problem that keeps the store from committing, for probes; null when there is none. */
  storeProblem: () => Promise<string | null>
  cache: EndpointCache
  applications: ApplicationCache
  inbound: SourceContext
  manage: ManageContext
  guard: AddressGuard
  clock: Clock
  ids: Ids
  observer: Observer
  metrics: Pick<Telemetry['metrics'], 'contentType' | 'text'>
  connections: Connections
  /** The beginning of links to this gateway, without a slash at the end. */
  publicUrl: () => string
  /** True from the moment when the gateway was told to stop. */
  isStopping: () => boolean
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * `false` opens the route to every client, or to those that pass the route's own check. Every other route needs a
     * management key once there are any. Without keys it refuses requests that pages of other sites make browsers send.
     */
    management?: boolean
    /** The route takes events, so deliveries of a Hookferry may come here. */
    events?: boolean
    /** The route checks its requests itself, in its own order and words. */
    ownValidation?: boolean
    /** The handler wants the body's bytes; its schema is for the document only. */
    rawBody?: boolean
    /** The route's answers are counted by result, and its log lines have more fields. */
    inbox?: boolean
  }
  interface FastifyRequest {
    /** Fields that `/webhook` adds to the request's log line. */
    inboxLine: InboxLine | null
    /** The source of the door, once it is known. */
    source: Source | null
  }
}
