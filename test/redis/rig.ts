/** Nodes that share a Redis, over one store that counts its reads. */
import { randomBytes } from 'node:crypto'
import { vi } from 'vitest'
import { createEndpointCache, type EndpointCache } from '../../src/cache/endpoint-cache.ts'
import { amongOthers } from '../../src/cache/freshness.ts'
import { Encryption, type EncryptionKey } from '../../src/domain/encryption.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import type { AppId, EndpointId } from '../../src/domain/ids.ts'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { openRedis, type SharedParts } from '../../src/redis/redis.ts'
import { runServices } from '../../src/services/service.ts'

export interface Node extends AsyncDisposable {
  readonly name: string
  readonly cache: EndpointCache
  readonly redis: SharedParts
  /** What it was told to be due, ms since the epoch. */
  readonly due: number[]
  /** Commands that were sent, by name. */
  readonly commands: { name: string; ms: number; failed: boolean }[]
  /** Whether Redis was there, each time that this changed. */
  readonly connections: boolean[]
}

/** A store whose rows the test changes; a read can be held up. */
export class Rows {
  readonly #rows = new Map<string, Endpoint>()
  reads = 0
  /** What a read waits for after it has seen the row, before it returns. */
  held: Promise<void> = Promise.resolve()

  put(endpoint: Endpoint): void {
    this.#rows.set(`${endpoint.appId}/${endpoint.id}`, endpoint)
  }

  async getEndpoint(appId: AppId, id: EndpointId): Promise<Endpoint | null> {
    this.reads++
    const row = this.#rows.get(`${appId}/${id}`) ?? null
    await this.held
    return row
  }

  async endpointsOf(appId: AppId): Promise<Endpoint[]> {
    this.reads++
    const rows = [...this.#rows.values()].filter((one) => one.appId === appId)
    await this.held
    return rows
  }
}

/** The first truthy answer. */
export const eventually = <T>(probe: () => T | Promise<T>) => vi.waitUntil(probe, { interval: 5, timeout: 10_000 })

let nodes = 0

/** Resolves when the node trusts its channel. */
export async function startNode(
  url: string,
  store: Rows,
  {
    installation = 'test',
    version = '1',
    keys = [],
    clock = systemClock,
  }: { installation?: string; version?: string; keys?: EncryptionKey[]; clock?: Clock } = {},
): Promise<Node> {
  const name = `node_${++nodes}`
  const commands: Node['commands'] = []
  const connections: boolean[] = []
  let tokens = 0
  const redis = openRedis({
    url,
    installation,
    version,
    encryption: new Encryption(keys, randomBytes),
    clock,
    node: name,
    token: () => `${name}-${++tokens}`,
    random: Math.random,
    observer: { redisCommand: (done) => commands.push(done), redisConnected: ({ is }) => connections.push(is) },
  })
  const cache = createEndpointCache(store, { shared: redis.endpoints, freshness: amongOthers(clock, redis.bus) })
  const due: number[] = []
  redis.bus.listen({ onChange: (appId, id) => cache.forgetHere(appId, id), onDue: (at) => due.push(at) })
  const services = runServices([redis.service], systemClock, (_service, error) => {
    throw error
  })
  await isTrusted({ redis })
  await eventually(() => connections.at(-1) === true)
  return {
    name,
    cache,
    redis,
    due,
    commands,
    connections,
    async [Symbol.asyncDispose]() {
      await services[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
    },
  }
}

export const isTrusted = ({ redis }: Pick<Node, 'redis'>): Promise<boolean> =>
  eventually(() => redis.bus.completeSince(Date.now()) !== null)
