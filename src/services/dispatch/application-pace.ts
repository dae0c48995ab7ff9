/**
 * Paces the attempts of an application's endpoints together. Its throttle rate is shared by all of its lanes; with
 * Redis, which gives out slots, also by all nodes.
 */
import type { ApplicationCache } from '../../cache/application-cache.ts'
import type { AppId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Clock } from '../../lib/clock.ts'
import { Pacer } from './rate.ts'
import { SharedPacer, type SharedRate } from './shared-rate.ts'

/** Wait while an application that is not in the cache is loaded. */
const LOADING_MS = 5

/** The state of a throttled application, kept as long as it has to wait for something. */
class ApplicationPace {
  readonly own = new Pacer()
  readonly shared = new SharedPacer()
  /** The question for slots that is under way, and the number of deliveries held by the lanes that wait for it. */
  asking: Promise<void> | null = null
  wanted = 0
}

export class ApplicationPaces {
  readonly #applications: Pick<ApplicationCache, 'peek' | 'get'>
  readonly #clock: Clock
  readonly #sharedRate: SharedRate | null
  /** The last known rate of each application: an application that is read again delays no attempt. */
  readonly #rates = new Map<AppId, number | null>()
  readonly #paces = new Map<AppId, ApplicationPace>()
  readonly #loading = new Set<AppId>()

  constructor(
    applications: Pick<ApplicationCache, 'peek' | 'get'>,
    clock: Clock,
    sharedRate: SharedRate | null = null,
  ) {
    this.#applications = applications
    this.#clock = clock
    this.#sharedRate = sharedRate
  }

  /** Time until the next attempt of any of its endpoints may start, ms; 0 is now. Null: slots have to be asked for. */
  waitMs(appId: AppId, now: number): number | null {
    const rate = this.#rateOf(appId)
    if (rate === undefined) return LOADING_MS
    if (rate === null) return 0
    const pace = this.#paces.get(appId)
    const isShared = this.#sharedRate !== null && pace?.shared.isAlone(now) !== true
    // Slots keep to the rate by themselves.
    if (isShared) return pace === undefined ? null : pace.shared.waitMs(now)
    return pace === undefined ? 0 : pace.own.waitMs(rate, now)
  }

  /** Counts an attempt that starts now. */
  take(appId: AppId, now: number): void {
    const rate = this.#rates.get(appId) ?? null
    if (rate === null) return
    const pace = this.#paceOf(appId)
    if (this.#sharedRate !== null && !pace.shared.isAlone(now)) pace.shared.take()
    // The own pacer counts beside slots as well, for the moment at which the slots end.
    pace.own.take(rate, now)
  }

  /**
   * Asks for slots, once for all lanes that ask at the same moment. `waiting` is the number of deliveries that this
   * lane holds.
   */
  ask(appId: AppId, waiting: number): Promise<void> {
    const pace = this.#paceOf(appId)
    pace.wanted += waiting
    return (pace.asking ??= this.#ask(appId, pace))
  }

  async #ask(appId: AppId, pace: ApplicationPace): Promise<void> {
    // Lets the other lanes whose turn it is at this moment ask as well.
    await Promise.resolve()
    const wanted = pace.wanted
    const rate = this.#rates.get(appId) ?? null
    try {
      if (rate !== null) pace.shared.given(await this.#sharedRate!.slots(appId, rate, wanted), this.#clock.now())
    } finally {
      pace.wanted = 0
      pace.asking = null
    }
  }

  /** Forgets the counts: they are times of a clock that was put back. */
  reset(): void {
    for (const pace of this.#paces.values()) {
      pace.own.reset()
      pace.shared.reset()
    }
  }

  forgetOver(now: number): void {
    for (const [appId, pace] of this.#paces)
      if (pace.asking === null && pace.own.aheadMs(now) === 0 && pace.shared.isIdle(now)) this.#paces.delete(appId)
    if (this.#rates.size > LIMITS.cachedApplications) this.#rates.clear()
  }

  #paceOf(appId: AppId): ApplicationPace {
    let pace = this.#paces.get(appId)
    if (pace === undefined) this.#paces.set(appId, (pace = new ApplicationPace()))
    return pace
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
    // Without an answer, nothing is held back: deliveries of a deleted application go on, to be cancelled.
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
