/**
 * The cache between this node's own and the store, shared by all nodes. An operation that cannot be done at once is
 * left out.
 */
import type { AppId, EndpointId } from '../domain/ids.ts'

/** Either the kept value, or leave to keep the value that is loaded from now on. */
export type SharedFind = { kept: unknown } | { mayKeep: string }

export interface SharedEndpoints {
  /** Null when the shared cache cannot be asked. Answers within a small bound and never rejects. */
  find(appId: AppId, name: string): Promise<SharedFind | null>
  /** Keeps a value that was loaded after `find` gave leave, unless anything of the application was forgotten since. */
  keep(appId: AppId, name: string, leave: { mayKeep: string }, value: unknown): void
  /** Forgets an endpoint, and the list of its application; `announce` tells the other nodes to do so, too. */
  forget(appId: AppId, id: EndpointId, how: { announce: boolean }): void
}

/** Reports changes that other nodes make. */
export interface ChangeChannel {
  /** Time since which no change can have been missed, ms since the epoch; null when some may have been. */
  completeSince(now: number): number | null
}
