/**
 * How fast an endpoint that was asked to slow down is tried again. A pause that ends with everything that waited going out at
 * once ends in the next pause, so the pace comes back gradually: from a start of 2 per second it doubles every second up
 * to half of the rate at which the endpoint last complained, and from there grows by a twentieth of that every second.
 */
import type { Endpoint } from '../domain/endpoint.ts'
import type { EndpointId } from '../domain/ids.ts'

const START_PER_SECOND = 2
/** Beyond this, and without a known limit, there is nothing left to hold back. */
const UNLIMITED_PER_SECOND = 1_000
const GROWTH = 1 / 20

export interface Pace {
  /** When the pause ends and the pace begins, ms. */
  from: number
  /** The rate at which the endpoint complained; null when that is not known. */
  limit: number | null
}

/** Attempts per second at `now`; null when the pace has come back altogether. */
export function paceAt({ from, limit }: Pace, now: number): number | null {
  const seconds = Math.max(0, now - from) / 1_000
  const doubling = START_PER_SECOND * 2 ** Math.min(seconds, 30)
  if (limit === null) return doubling >= UNLIMITED_PER_SECOND ? null : doubling
  const knee = Math.max(START_PER_SECOND, limit / 2)
  if (doubling < knee) return doubling
  const sinceKnee = seconds - Math.log2(knee / START_PER_SECOND)
  const growing = knee + Math.max(1, limit * GROWTH) * sinceKnee
  return growing >= Math.max(2 * limit, UNLIMITED_PER_SECOND) ? null : growing
}

/** The pace after another complaint at `now`, with a pause until `until`. Complaints of one round count once. */
export function slowDown(before: Pace | undefined, now: number, until: number): Pace {
  if (before === undefined) return { from: until, limit: null }
  if (now < before.from) return { ...before, from: Math.max(before.from, until) }
  return { from: until, limit: paceAt(before, now) ?? before.limit }
}

/** The paces of the endpoints that complained and have not recovered yet. */
export class Paces {
  readonly #paces = new Map<EndpointId, Pace>()

  /** The endpoint's own limit, or less while it recovers from having complained. */
  rateOf({ id, rateLimit }: Endpoint, now: number): number | null {
    const pace = this.#paces.get(id)
    const rate = pace === undefined ? null : paceAt(pace, now)
    return rate === null ? rateLimit : Math.min(rate, rateLimit ?? Infinity)
  }

  slowDown(endpointId: EndpointId, now: number, until: number): void {
    this.#paces.set(endpointId, slowDown(this.#paces.get(endpointId), now, until))
  }

  forgetOver(now: number): void {
    for (const [endpointId, pace] of this.#paces) if (paceAt(pace, now) === null) this.#paces.delete(endpointId)
  }
}
