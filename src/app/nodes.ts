/** Opens the parts that nodes share: Redis, if configured, and caches that expect writes by other nodes. */
import { randomBytes } from 'node:crypto'
import { type ApplicationCache, createApplicationCache } from '../cache/application-cache.ts'
import { createEndpointCache, type EndpointCache } from '../cache/endpoint-cache.ts'
import { amongOthers } from '../cache/freshness.ts'
import { createSourceCache, type SourceCache } from '../cache/source-cache.ts'
import { Encryption } from '../domain/encryption.ts'
import { VERSION } from '../lib/version.ts'
import type { SharedParts } from '../redis/redis.ts'
import { runServices } from '../services/service.ts'
import type { Store } from '../store/store.ts'
import type { Ground } from './ground.ts'

export interface Nodes extends AsyncDisposable {
  /** Redis; null without it. */
  redis: Pick<SharedParts, 'limiter' | 'bell'> | null
  cache: EndpointCache
  applications: ApplicationCache
  sources: SourceCache
}

export async function openNodes(ground: Ground, store: Store): Promise<Nodes> {
  const { clock, hints, isAlone, observer } = ground
  await using stack = new AsyncDisposableStack()
  const redis = isAlone ? null : await openRedis(ground, store)
  if (redis !== null) stack.use(redis)
  const cache = createEndpointCache(store, {
    shared: redis?.endpoints ?? null,
    ...(!isAlone && { freshness: amongOthers(clock, redis?.bus ?? null) }),
  })
  hints.subscribe('endpointChanged', ({ appId, id, isShared }) =>
    isShared ? cache.forgetHere(appId, id) : cache.forgetRemote(appId, id),
  )
  if (redis !== null) {
    redis.bus.listen({
      onChange: (appId, id) => hints.publish('endpointChanged', { appId, id, isShared: true }),
      onDue: (at) => hints.publish('due', at),
    })
    stack.use(runServices([redis.service], clock, (service, error) => observer.serviceFailed({ service, error })))
  }
  const applications = createApplicationCache(store, isAlone ? undefined : amongOthers(clock, null))
  const sources = createSourceCache(store, isAlone ? undefined : amongOthers(clock, null))
  hints.subscribe('sourceChanged', () => sources.forgetAll())
  const owned = stack.move()
  return { redis, cache, applications, sources, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/**
 * Opens Redis; null without a URL. All nodes of a store find each other there by the store's name. That name is made
 * once and for ever, so the nodes' URLs may differ.
 */
async function openRedis(
  { secrets, clock, random, observer, owner }: Ground,
  store: Store,
): Promise<SharedParts | null> {
  if (secrets.redisUrl === null) return null
  // The client of Redis is loaded only when the gateway uses Redis.
  const redis = await import('../redis/redis.ts')
  return redis.openRedis({
    clock,
    random,
    observer,
    url: secrets.redisUrl.reveal(),
    installation: await store.secret('installation', () => randomBytes(8).toString('hex')),
    node: owner,
    version: VERSION,
    encryption: new Encryption(secrets.encryptionKeys, randomBytes),
    token: () => randomBytes(12).toString('base64url'),
  })
}
