import { DEFAULT_APP } from '../domain/application.ts'
import { isId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import { SOURCE_NAME, type Source } from '../domain/source.ts'
import type { Sources } from '../store/port/sources.ts'
import { type Freshness, LoadingCache } from './loading-cache.ts'

/** Sources by the id or name in the path of their door, so that an event reads nothing from the store. */
export interface SourceCache {
  /** By id, or by name in the application of the plain routes; null when there is no such source. */
  find(idOrName: string): Source | Promise<Source | null>
  /** Takes the source as it was and as it is: it may be kept under both names. */
  forget(...sources: readonly Source[]): void
  /** Called when another node changed a source: its name is not known here. */
  forgetAll(): void
}

export function createSourceCache(
  store: Pick<Sources, 'getSource' | 'findSource'>,
  freshness?: Freshness,
): SourceCache {
  const sources = new LoadingCache<Source>(
    { max: LIMITS.cachedSources, bytes: LIMITS.cachedSourceBytes },
    (key) => (isId('src', key) ? store.getSource(key) : store.findSource(DEFAULT_APP, key)),
    freshness,
  )
  return {
    // A text that can be neither is not looked up: a stranger may send anything.
    find: (idOrName) =>
      isId('src', idOrName) || SOURCE_NAME.test(idOrName) ? sources.get(idOrName) : Promise.resolve(null),
    forget(...changed) {
      for (const { id, name } of changed) {
        sources.forget(id)
        sources.forget(name)
      }
    },
    forgetAll: () => sources.forgetAll(),
  }
}
