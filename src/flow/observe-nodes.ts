/** What there is to tell of the caches and of Redis, for the metrics and the log. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { CacheCounts } from '../cache/endpoint-cache.ts'
import type { Logger } from '../lib/log.ts'

/** The cache counts by itself, for it is asked too often to tell a counter every time. */
export function observeCache(registry: Registry, counts: () => CacheCounts): void {
  const lookups = new Counter({
    name: 'hookferry_cache_lookups_total',
    help: 'Lookups of endpoints by where they were looked up (memory, redis) and by result (hit, miss)',
    labelNames: ['level', 'result'] as const,
    collect() {
      const { memory, shared } = counts()
      this.reset()
      this.inc({ level: 'memory', result: 'hit' }, memory.hits)
      this.inc({ level: 'memory', result: 'miss' }, memory.misses)
      this.inc({ level: 'redis', result: 'hit' }, shared.hits)
      this.inc({ level: 'redis', result: 'miss' }, shared.misses)
    },
    registers: [],
  })
  registry.registerMetric(lookups)
}

export interface RedisObserver {
  command(done: { name: string; ms: number; failed: boolean }): void
  connected(is: boolean, error: string | null): void
}

const LATENCY_BUCKETS_MS = [0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100]

export function createRedisObserver(log: Logger, registry: Registry): RedisObserver {
  const registers = [registry]
  const latency = new Histogram({
    name: 'hookferry_redis_command_duration_ms',
    help: 'Time until Redis answered a command or was given up, in milliseconds',
    labelNames: ['command'] as const,
    buckets: LATENCY_BUCKETS_MS,
    registers,
  })
  const failures = new Counter({
    name: 'hookferry_redis_command_failures_total',
    help: 'Commands that Redis did not answer in time, or refused',
    labelNames: ['command'] as const,
    registers,
  })
  const connection = new Gauge({
    name: 'hookferry_redis_connected',
    help: '1 while there is a connection to Redis',
    registers,
  })
  return {
    command({ name, ms, failed }) {
      latency.observe({ command: name }, ms)
      if (failed) failures.inc({ command: name })
    },
    connected(is, error) {
      connection.set(is ? 1 : 0)
      if (is) log.info('Redis is connected')
      else log.warn({ error }, 'Redis is away: endpoints are read from the store, and rate limits hold for each node')
    },
  }
}
