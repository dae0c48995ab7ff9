/**
 * Decides when an endpoint's next attempt may start: as its rate limit and its application's throttle rate say, and
 * slower while the endpoint recovers from a complaint. With Redis, which gives out slots, both rates are shared with
 * the other nodes; each node paces the recovery alone.
 */
import type { ClockStep } from '../../domain/clock-step.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { EndpointId } from '../../domain/ids.ts'
import type { Pressure } from '../../flow/record.ts'
import type { Clock } from '../../lib/clock.ts'
import type { ApplicationPaces } from './application-pace.ts'
import type { Lane } from './lane.ts'
import { Paces } from './pace.ts'
import type { SharedRate } from './shared-rate.ts'

export class Pacing implements Pressure {
  readonly #clock: Clock
  readonly #shared: SharedRate | null
  readonly #applications: ApplicationPaces | null
  readonly #paces = new Paces()
  #clockSteps = 0

  constructor(clock: Clock, shared: SharedRate | null, applications: ApplicationPaces | null) {
    this.#clock = clock
    this.#applications = applications
    this.#shared = shared
  }

  /** Returns 0 and counts an attempt that starts now; otherwise the ms to wait. Null: slots have to be asked for. */
  admit(lane: Lane, settings: Candidate, now: number): number | null {
    if (lane.clockSteps !== this.#clockSteps) lane.pacesAnew(this.#clockSteps)
    const ofApplication = this.#applications === null ? 0 : this.#applications.waitMs(lane.appId, now)
    if (ofApplication !== 0) return ofApplication
    const rate = this.#paces.rateOf(settings, now)
    const isShared = this.#shared !== null && settings.rateLimit !== null && !lane.sharedPacer.isAlone(now)
    // Slots keep to the limit by themselves. Beside them this node's own pacer matters only while the endpoint
    // recovers.
    if (!isShared || rate !== settings.rateLimit) {
      const waitMs = lane.pacer.waitMs(rate, now)
      if (waitMs > 0) return waitMs
    }
    if (isShared) {
      const waitMs = lane.sharedPacer.waitMs(now)
      if (waitMs !== 0) return waitMs
      lane.sharedPacer.take()
    }
    // The own pacer counts beside slots as well, for the moment at which the slots end.
    lane.pacer.take(rate, now)
    this.#applications?.take(lane.appId, now)
    return 0
  }

  /** Asks for the slots that are missing: those of the application, or else those of the endpoint. */
  async ask(lane: Lane, settings: Candidate): Promise<void> {
    if (this.#applications?.waitMs(lane.appId, this.#clock.now()) === null)
      return this.#applications.ask(lane.appId, lane.waiting)
    const slots = await this.#shared!.slots(lane.endpointId, settings.rateLimit!, lane.waiting)
    lane.sharedPacer.given(slots, this.#clock.now())
  }

  pauseMs(endpointId: EndpointId, now: number): number {
    return this.#paces.pauseMs(endpointId, now)
  }

  isTaking(endpointId: EndpointId, since: number): boolean {
    return this.#paces.isTaking(endpointId, since)
  }

  took(endpointId: EndpointId): void {
    this.#paces.took(endpointId, this.#clock.now())
  }

  slowDown(endpointId: EndpointId, until: number): void {
    this.#paces.slowDown(endpointId, this.#clock.now(), until)
  }

  /**
   * Puts right the times that were written by a clock that was ahead. Lanes start anew, so one attempt of each may be
   * early.
   */
  putClockBack(step: ClockStep): void {
    this.#clockSteps++
    this.#applications?.reset()
    this.#paces.putClockBack(step)
  }

  forgetOver(now: number): void {
    this.#paces.forgetOver(now)
    this.#applications?.forgetOver(now)
  }
}
