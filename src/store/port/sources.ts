/** Doors for senders. A deleted one is gone; what came in by it stays. */
import type { AppId, SourceId } from '../../domain/ids.ts'
import type { Source } from '../../domain/source.ts'

export interface SourcePage {
  data: Source[]
  total: number
}

export interface Sources {
  /**
   * `name_taken`: the application has a source of this name. `unknown`: there is no such live application. `limit_reached`: it
   * has `max` sources; however many are created at once, on however many nodes, there are never more.
   */
  createSource(source: Source, max: number): Promise<'created' | 'name_taken' | 'unknown' | 'limit_reached'>
  /** Replaces it, provided that it still is as it was at `unchangedSince` (its `updatedAt` then). */
  updateSource(source: Source, unchangedSince: number): Promise<'updated' | 'changed' | 'unknown' | 'name_taken'>
  /** False when there is none. */
  deleteSource(appId: AppId, id: SourceId): Promise<boolean>
  /** By id, whoever owns it. */
  getSource(id: SourceId): Promise<Source | null>
  /** By id or name. */
  findSource(appId: AppId, idOrName: string): Promise<Source | null>
  /** Oldest first. */
  listSources(query: { appId: AppId; limit: number; offset: number }): Promise<SourcePage>
}
