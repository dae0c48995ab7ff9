/** The state and messages that nodes share through Redis: endpoints, rates, changes, and due deliveries. */
import type { Clock } from '../lib/clock.ts'
import { every, type Service } from '../services/service.ts'
import { Bell } from './bell.ts'
import { Bus, changeMessage, channelsOf } from './bus.ts'
import { Limiter, LIMITER_SCRIPTS } from './limiter.ts'
import type { Encryption } from '../domain/encryption.ts'
import { REDIS_LIMITS } from './limits.ts'
import { Link, type LinkObserver } from './link.ts'
import { RedisEndpoints, SHARED_ENDPOINT_SCRIPTS } from './shared-endpoints.ts'

export interface RedisOptions {
  url: string
  /** The same id at all nodes of one store and at no others, so that several installations can share a Redis. */
  installation: string
  /** This node. */
  node: string
  /** The version of the program: versions do not read each other's endpoints. */
  version: string
  /** The encryption of the database. */
  encryption: Encryption
  clock: Clock
  /** Makes a text that is never made twice. */
  token: () => string
  /** In [0, 1). */
  random: () => number
  observer: LinkObserver
}

export interface SharedParts extends AsyncDisposable {
  endpoints: RedisEndpoints
  limiter: Limiter
  bell: Bell
  bus: Bus
  service: Service
}

/** Opens the shared parts without waiting for a connection: without one, the gateway is only slower. */
export function openRedis(options: RedisOptions): SharedParts {
  const { url, clock, node } = options
  const prefix = `hookferry:${options.installation}:`
  const link = new Link({ url, clock, observer: options.observer }, [...SHARED_ENDPOINT_SCRIPTS, ...LIMITER_SCRIPTS])
  const endpoints = new RedisEndpoints({
    link,
    clock,
    prefix,
    version: options.version,
    encryption: options.encryption,
    token: options.token,
    announce: { channel: channelsOf(prefix).changes, message: (appId, id) => changeMessage(node, appId, id) },
  })
  const bus = new Bus({ url, clock, prefix, node })
  const bell = new Bell({ link, clock, prefix, node })
  return {
    endpoints,
    limiter: new Limiter({ link, clock, prefix, random: options.random }),
    bell,
    bus,
    service: every('redis', clock, REDIS_LIMITS.channelPingMs, async () => {
      await bus.ping()
      await endpoints.tellAgain()
    }),
    async [Symbol.asyncDispose]() {
      bell[Symbol.dispose]()
      await Promise.all([bus[Symbol.asyncDispose](), link[Symbol.asyncDispose]()])
    },
  }
}
