import { LRUCache } from 'lru-cache'
import { weightOf } from '../lib/weight.ts'

/** Says whether an entry that was loaded from the store at some time may still be used. */
export interface Freshness {
  now(): number
  isFresh(loadedAt: number): boolean
}

/** For a single writer: an entry is good until it is forgotten. */
const UNTIL_FORGOTTEN: Freshness = { now: () => 0, isFresh: () => true }

interface Kept<V> {
  value: V
  loadedAt: number
}

/**
 * A cache, bounded in entries and in bytes. It loads missing entries, once for all callers that ask meanwhile. An entry
 * that is forgotten while it is being loaded is handed to those callers but not kept: it may be older than the change
 * for which it was forgotten.
 */
export class LoadingCache<V extends object> {
  readonly #kept: LRUCache<string, Kept<V>>
  readonly #loading = new Map<string, Promise<V | null>>()
  readonly #load: (key: string) => Promise<V | null>
  readonly #freshness: Freshness
  /** Number of calls of `get` that found an entry, and of those that did not. */
  hits = 0
  misses = 0

  /** A value that is larger than `bytes` by itself is loaded each time. */
  constructor(
    { max, bytes }: { max: number; bytes: number },
    load: (key: string) => Promise<V | null>,
    freshness: Freshness = UNTIL_FORGOTTEN,
  ) {
    this.#kept = new LRUCache({ max, maxSize: bytes, sizeCalculation: ({ value }) => weightOf(value) })
    this.#load = load
    this.#freshness = freshness
  }

  /** The entry for `key` if there is one; loads nothing. */
  peek(key: string): V | undefined {
    const kept = this.#kept.get(key)
    return kept !== undefined && this.#freshness.isFresh(kept.loadedAt) ? kept.value : undefined
  }

  /** The entry for `key`, loaded if need be; null when the store has none. A null is not kept. */
  get(key: string): V | Promise<V | null> {
    const kept = this.peek(key)
    if (kept !== undefined) {
      this.hits++
      return kept
    }
    this.misses++
    return this.#loading.get(key) ?? this.#start(key)
  }

  forget(key: string): void {
    this.#kept.delete(key)
    this.#loading.delete(key)
  }

  forgetAll(): void {
    this.#kept.clear()
    this.#loading.clear()
  }

  #start(key: string): Promise<V | null> {
    // The age counts from before the load, for the store may have been read at any time since.
    const loadedAt = this.#freshness.now()
    const loading = this.#load(key).then(
      (value) => {
        if (this.#loading.get(key) === loading) {
          this.#loading.delete(key)
          if (value !== null) this.#kept.set(key, { value, loadedAt })
        }
        return value
      },
      (error: unknown) => {
        if (this.#loading.get(key) === loading) this.#loading.delete(key)
        throw error
      },
    )
    this.#loading.set(key, loading)
    return loading
  }
}
