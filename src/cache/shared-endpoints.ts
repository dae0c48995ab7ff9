/** The cache between this node's own and the store, which all nodes share. What it cannot do at once it does not do. */
import type { AppId, EndpointId } from '../domain/ids.ts'

/** What is kept, or leave to keep what is loaded from now on. */
export type SharedFind = { kept: unknown } | { mayKeep: string }

export interface SharedEndpoints {
  /** Null when there is nobody to ask. Answers within a small bound and never rejects. */
  find(appId: AppId, name: string): Promise<SharedFind | null>
  /** Keeps what was loaded after `find` gave leave, unless anything of the application was forgotten since. */
  keep(appId: AppId, name: string, leave: { mayKeep: string }, value: unknown): void
  /** Forgets an endpoint, and the list of its application; `announce` tells the other nodes to do so, too. */
  forget(appId: AppId, id: EndpointId, how: { announce: boolean }): void
}

/** Tells of changes that other nodes make. */
export interface ChangeChannel {
  /** Since when no change can have been missed, ms since the epoch; null when some may be. */
  completeSince(now: number): number | null
}
