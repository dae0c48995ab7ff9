/**
 * Counts the load of each application at this node, over all of its lanes. Fairness between tenants is decided by these
 * counts. A node that has served one application only keeps nothing back for others; from the second application on, it
 * does.
 */
import type { AppId } from '../../domain/ids.ts'
import { ApplicationLoad } from './lane.ts'

export class ApplicationLoads {
  readonly #loads = new Map<AppId, ApplicationLoad>()
  #firstSeen: AppId | null = null
  #isShared = false

  /** True once more than one application has been here since the node started. */
  get isShared(): boolean {
    return this.#isShared
  }

  get size(): number {
    return this.#loads.size
  }

  find(appId: AppId): ApplicationLoad | undefined {
    this.#firstSeen ??= appId
    if (appId !== this.#firstSeen) this.#isShared = true
    return this.#loads.get(appId)
  }

  all(): Iterable<ApplicationLoad> {
    return this.#loads.values()
  }

  /** Counts a new lane of the application. */
  enter(appId: AppId): ApplicationLoad {
    let load = this.find(appId)
    if (load === undefined) this.#loads.set(appId, (load = new ApplicationLoad(appId)))
    load.lanes++
    return load
  }

  /** Counts a lane that has gone. */
  leave(load: ApplicationLoad): void {
    if (--load.lanes === 0) this.#loads.delete(load.appId)
  }
}
