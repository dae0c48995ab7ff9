import { LRUCache } from 'lru-cache'

/**
 * A bounded cache that loads what it lacks, once for all who ask meanwhile. What was forgotten while it was being loaded
 * is handed to those who asked, but not kept: it may be older than the change that made it forgotten.
 */
export class LoadingCache<V extends object> {
  readonly #kept: LRUCache<string, V>
  readonly #loading = new Map<string, Promise<V | null>>()
  readonly #load: (key: string) => Promise<V | null>

  constructor(max: number, load: (key: string) => Promise<V | null>) {
    this.#kept = new LRUCache({ max })
    this.#load = load
  }

  /** What is kept for `key`, without loading. */
  peek(key: string): V | undefined {
    return this.#kept.get(key)
  }

  /** Null when there is no such thing; that is not kept. */
  get(key: string): V | Promise<V | null> {
    return this.#kept.get(key) ?? this.#loading.get(key) ?? this.#start(key)
  }

  forget(key: string): void {
    this.#kept.delete(key)
    this.#loading.delete(key)
  }

  #start(key: string): Promise<V | null> {
    const loading = this.#load(key).then(
      (value) => {
        if (this.#loading.get(key) === loading) {
          this.#loading.delete(key)
          if (value !== null) this.#kept.set(key, value)
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
