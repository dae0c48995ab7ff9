/** A rate that several nodes keep to together: Redis gives out slots, and every attempt uses up one. */
import type { AppId, EndpointId } from '../../domain/ids.ts'

/**
 * The owner of a rate. Ids of applications and endpoints begin differently, so that one is never taken for the other.
 */
export type RateOwner = AppId | EndpointId

/** Times at which attempts may start, or when to ask again. */
export type Slots =
  | {
      count: number
      gapMs: number
      /**
       * Time from which and until which the first slot may be used, ms since the epoch; each further slot is `gapMs`
       * later.
       */
      from: number
      until: number
    }
  | { count: 0; askAgainInMs: number }

export interface SharedRate {
  /**
   * Up to `wanted` slots. Null when Redis does not answer: this node then keeps to the rate alone. Fulfilled soon, and
   * never rejected.
   */
  slots(owner: RateOwner, perSecond: number, wanted: number): Promise<Slots | null>
}

/** While Redis does not answer, it is asked again this often. */
const ALONE_MS = 250

/** The slots that one endpoint or application has been given of its shared rate. */
export class SharedPacer {
  #slots: Exclude<Slots, { askAgainInMs: number }> | null = null
  #used = 0
  #askAgainAt = 0
  #aloneUntil = 0

  /** True while this node has to keep to the rate alone. */
  isAlone(now: number): boolean {
    return now < this.#aloneUntil
  }

  /**
   * Time until the next slot, ms; 0 is now, null means that more have to be asked for. Slots that were missed are lost.
   */
  waitMs(now: number): number | null {
    if (now < this.#askAgainAt) return this.#askAgainAt - now
    const slots = this.#slots
    if (slots === null) return null
    for (; this.#used < slots.count; this.#used++) {
      const later = this.#used * slots.gapMs
      if (now <= slots.until + later) return Math.max(0, slots.from + later - now)
    }
    this.#slots = null
    return null
  }

  /** True when a new pacer would do as well: no slot is left, and there is nothing to wait for. */
  isIdle(now: number): boolean {
    return now >= this.#aloneUntil && (this.waitMs(now) ?? -1) < 0
  }

  /** Makes this pacer as good as a new one: its slots are times of a clock that was put back. */
  reset(): void {
    this.#slots = null
    this.#askAgainAt = 0
    this.#aloneUntil = 0
  }

  /** Uses up the slot that `waitMs` reported. */
  take(): void {
    this.#used++
  }

  given(slots: Slots | null, now: number): void {
    if (slots === null) this.#aloneUntil = now + ALONE_MS
    else if ('askAgainInMs' in slots) this.#askAgainAt = now + slots.askAgainInMs
    else {
      this.#slots = slots
      this.#used = 0
    }
  }
}
