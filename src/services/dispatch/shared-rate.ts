/** A rate that several nodes keep to together: somebody gives out slots, and every attempt uses up one. */
import type { AppId, EndpointId } from '../../domain/ids.ts'

/** Whose rate it is. Their ids begin differently, so that one is never taken for the other. */
export type RateOwner = AppId | EndpointId

/** Times at which attempts may start, or when to ask again. */
export type Slots =
  | {
      count: number
      gapMs: number
      /** The first one may be used from here to there, ms since the epoch; the others `gapMs` later each. */
      from: number
      until: number
    }
  | { count: 0; askAgainInMs: number }

export interface SharedRate {
  /** Up to `wanted` slots. Null when there is nobody to ask: this node keeps to the rate alone. Soon, and never rejects. */
  slots(owner: RateOwner, perSecond: number, wanted: number): Promise<Slots | null>
}

/** While there is nobody to ask, it is tried again this often. */
const ALONE_MS = 250

/** What one endpoint or application has been given of its shared rate. */
export class SharedPacer {
  #slots: Exclude<Slots, { askAgainInMs: number }> | null = null
  #used = 0
  #askAgainAt = 0
  #aloneUntil = 0

  /** Whether this node has to keep to the rate alone at the moment. */
  isAlone(now: number): boolean {
    return now < this.#aloneUntil
  }

  /** How long until the next slot, 0 is now; null when more have to be asked for. Those that were missed are lost. */
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

  /** Whether a new one would do as well: nothing that was given is left, and nothing has to be waited for. */
  isIdle(now: number): boolean {
    return now >= this.#aloneUntil && (this.waitMs(now) ?? -1) < 0
  }

  /** As good as a new one: what it was given is of a clock that was put back. */
  reset(): void {
    this.#slots = null
    this.#askAgainAt = 0
    this.#aloneUntil = 0
  }

  /** Uses up the slot that `waitMs` said is there. */
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
