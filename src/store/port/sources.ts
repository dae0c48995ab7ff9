/** Sources: doors for senders. A deleted source is gone; the messages that came in by it stay. */
import type { AppId, SourceId } from '../../domain/ids.ts'
import type { Source } from '../../domain/source.ts'

export interface SourcePage {
  data: Source[]
  total: number
}

export interface Sources {
  /**
   * `name_taken`: the application has a source of this name. `unknown`: there is no such live application.
   * `limit_reached`: it has `max` sources. There are never more, even when many are created at once on many nodes.
   */
  createSource(source: Source, max: number): Promise<'created' | 'name_taken' | 'unknown' | 'limit_reached'>
  /** Replaces the source, provided that it is unchanged since `unchangedSince` (its `updatedAt` then). */
  updateSource(source: Source, unchangedSince: number): Promise<'updated' | 'changed' | 'unknown' | 'name_taken'>
  /** False when there is no such source. */
  deleteSource(appId: AppId, id: SourceId): Promise<boolean>
  /** By id alone, of any application. */
  getSource(id: SourceId): Promise<Source | null>
  /** By id or name. */
  findSource(appId: AppId, idOrName: string): Promise<Source | null>
  /** Oldest first. */
  listSources(query: { appId: AppId; limit: number; offset: number }): Promise<SourcePage>
}
