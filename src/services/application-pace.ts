/** How fast an application's endpoints may be served together: its throttle rate, shared by all of their lanes. */
import type { ApplicationCache } from '../cache/application-cache.ts'
import type { AppId } from '../domain/ids.ts'
import { LIMITS } from '../domain/limits.ts'
import { Pacer } from './rate.ts'

/** Until an application that nobody knew is here. */
const LOADING_MS = 5

export class ApplicationPaces {
  readonly #applications: Pick<ApplicationCache, 'peek' | 'get'>
  /** The last that was known of each: an application that has to be read again holds nobody up. */
  readonly #rates = new Map<AppId, number | null>()
  readonly #pacers = new Map<AppId, Pacer>()
  readonly #loading = new Set<AppId>()

  constructor(applications: Pick<ApplicationCache, 'peek' | 'get'>) {
    this.#applications = applications
  }

  /** How long until the next attempt of any of its endpoints may start, ms; 0 is now. */
  waitMs(appId: AppId, now: number): number {
    const rate = this.#rateOf(appId)
    if (rate === undefined) return LOADING_MS
    return rate === null ? 0 : (this.#pacers.get(appId)?.waitMs(rate, now) ?? 0)
  }

  /** Counts an attempt that starts now. */
  take(appId: AppId, now: number): void {
    const rate = this.#rates.get(appId) ?? null
    if (rate === null) return
    let pacer = this.#pacers.get(appId)
    if (pacer === undefined) this.#pacers.set(appId, (pacer = new Pacer()))
    pacer.take(rate, now)
  }

  forgetOver(now: number): void {
    for (const [appId, pacer] of this.#pacers) if (pacer.aheadMs(now) === 0) this.#pacers.delete(appId)
    if (this.#rates.size > LIMITS.cachedApplications) this.#rates.clear()
  }

  #rateOf(appId: AppId): number | null | undefined {
    const application = this.#applications.peek(appId)
    if (application === undefined) this.#load(appId)
    else this.#rates.set(appId, application.throttleRate)
    return this.#rates.get(appId)
  }

  #load(appId: AppId): void {
    if (this.#loading.has(appId)) return
    this.#loading.add(appId)
    // Without an answer nothing is held back: the deliveries of one that is gone go on, to be cancelled.
    const known = (rate: number | null) => {
      this.#loading.delete(appId)
      this.#rates.set(appId, rate)
    }
    Promise.resolve(this.#applications.get(appId)).then(
      (application) => known(application?.throttleRate ?? null),
      () => known(this.#rates.get(appId) ?? null),
    )
  }
}
