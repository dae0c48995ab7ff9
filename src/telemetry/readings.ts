/** Metrics that are not counted event by event: their values are asked of the parts when the metrics are scraped. */
import { LOOKUP_RESULTS, type LookupResult } from './metrics.ts'
import type { Readings } from './prometheus.ts'

/** The parts that are asked, each with no more members than the readings need. */
export interface ReadParts {
  cache: { readonly counts: Readonly<Record<'memory' | 'shared', { hits: number; misses: number }>> }
  resolver: { readonly counts: { readonly underWay: number; readonly ended: Readonly<Record<LookupResult, number>> } }
  connections: { readonly count: number; readonly bodies: { readonly bytes: number } }
  /** Null at a node that attempts nothing. */
  dispatcher: { readonly inFlight: number; readonly inMemory: number } | null
  store: {
    waiting(): { writes: number; bytes: number }
    backlog(now: number): Promise<{ pending: number; oldestDueAt: number | null }>
    heldDeliveries(): Promise<number>
  }
  clock: { now(): number }
}

export function readingsOf({ cache, resolver, connections, dispatcher, store, clock }: ReadParts): Partial<Readings> {
  const backlog = shared(() => store.backlog(clock.now()).catch(() => null))
  return {
    cacheLookups: () => [
      [{ level: 'memory', result: 'hit' }, cache.counts.memory.hits],
      [{ level: 'memory', result: 'miss' }, cache.counts.memory.misses],
      [{ level: 'redis', result: 'hit' }, cache.counts.shared.hits],
      [{ level: 'redis', result: 'miss' }, cache.counts.shared.misses],
    ],
    lookupsInFlight: () => resolver.counts.underWay,
    lookups: () => LOOKUP_RESULTS.map((result) => [{ result }, resolver.counts.ended[result]]),
    connections: () => connections.count,
    bodyBytes: () => connections.bodies.bytes,
    attemptsInFlight: () => dispatcher?.inFlight ?? 0,
    deliveriesInMemory: () => dispatcher?.inMemory ?? 0,
    writesWaiting: () => store.waiting().writes,
    writeBytesWaiting: () => store.waiting().bytes,
    pending: async () => (await backlog())?.pending ?? null,
    oldestDueAge: async () => ageSeconds(await backlog(), clock.now()),
    svixUnconfigured: () => store.heldDeliveries().catch(() => null),
  }
}

const ageSeconds = (backlog: { oldestDueAt: number | null } | null, now: number): number | null => {
  if (backlog === null) return null
  return backlog.oldestDueAt === null ? 0 : Math.max(0, (now - backlog.oldestDueAt) / 1_000)
}

/** Asks the store once for all metrics that the answer holds, so that their values are of the same moment. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | null = null
  return () => (asked ??= ask().finally(() => (asked = null)))
}
