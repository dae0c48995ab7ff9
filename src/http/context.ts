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
  /** Signs the tokens of the Svix API. */
  jwtSecret: Hidden
  store: Store
  /** What keeps the store from committing, for probes; null when nothing does. */
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
  /** What links to this gateway begin with, without a slash at the end. */
  publicUrl: () => string
  /** True from the moment that the gateway was told to stop. */
  isStopping: () => boolean
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * `false` opens the route to everybody, or to those who pass a check of its own. Every other one needs a management key once there
     * are any, and without keys refuses what pages of other sites make browsers send.
     */
    management?: boolean
    /** It takes events, so that deliveries of a Hookferry may come here. */
    events?: boolean
    /** The route checks its requests itself, in an order and in words of its own. */
    ownValidation?: boolean
    /** The handler wants the body's bytes; its schema is for the document only. */
    rawBody?: boolean
    /** Its answers are counted by result, and its log lines say more. */
    inbox?: boolean
  }
  interface FastifyRequest {
    /** What `/webhook` adds to the request's log line. */
    inboxLine: InboxLine | null
    /** The source at whose door it is, once that is known. */
    source: Source | null
  }
}
