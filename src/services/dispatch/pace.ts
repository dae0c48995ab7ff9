/**
 * Paces the attempts to an endpoint that asked the gateway to slow down. If all waiting deliveries went out at once at
 * the end of a pause, the next pause would follow. So the pace comes back gradually. It starts at 2 per second and
 * doubles every second, up to half of the rate at which the endpoint last complained. From there it grows by a
 * twentieth every second. An endpoint that complained at less than 4 per second starts at half of that.
 */
import { type ClockStep, pauseAfterStep } from '../../domain/clock-step.ts'
import type { Candidate } from '../../domain/endpoint.ts'
import type { EndpointId } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'

const START_PER_SECOND = 2
const SLOWEST_PER_SECOND = 0.1
/** Above this rate, and without a known limit, there is nothing left to hold back. */
const UNLIMITED_PER_SECOND = 1_000
const GROWTH = 1 / 20
/** Length of the pause when the endpoint names none: twice as long each time, until the endpoint takes a delivery. */
const PAUSE_MS = { first: 1_000, max: 16_000 }
/** The time of the last success at an endpoint is remembered for so long. */
const TAKEN_KEPT_MS = 3_600_000

export interface Pace {
  /** Time at which the pause ends and the pace begins, ms. */
  from: number
  /** The rate at which the endpoint complained; null when it is not known. */
  limit: number | null
}

/** Attempts per second at `now`; null when the pace has come back altogether. */
export function paceAt({ from, limit }: Pace, now: number): number | null {
  const seconds = Math.max(0, now - from) / 1_000
  const start = limit === null ? START_PER_SECOND : clamp(limit / 2, SLOWEST_PER_SECOND, START_PER_SECOND)
  const doubling = start * 2 ** Math.min(seconds, 30)
  if (limit === null) return doubling >= UNLIMITED_PER_SECOND ? null : doubling
  const knee = Math.max(start, limit / 2)
  if (doubling < knee) return doubling
  const sinceKnee = seconds - Math.log2(knee / start)
  const growing = knee * (1 + GROWTH) ** Math.min(sinceKnee, 3_600)
  return growing >= Math.max(2 * limit, UNLIMITED_PER_SECOND) ? null : growing
}

const clamp = (value: number, min: number, max: number): number => Math.min(Math.max(value, min), max)

/** The pace after another complaint at `now`, with a pause until `until`. Complaints of one round count once. */
export function slowDown(before: Pace | undefined, now: number, until: number): Pace {
  if (before === undefined) return { from: until, limit: null }
  if (now < before.from) return { ...before, from: Math.max(before.from, until) }
  return { from: until, limit: paceAt(before, now) ?? before.limit }
}

/** The paces of the endpoints that complained and have not recovered yet. */
export class Paces {
  readonly #paces = new Map<EndpointId, Pace>()
  /** Number of pauses since the endpoint last took a delivery. */
  readonly #pauses = new Map<EndpointId, number>()
  readonly #takenAt = new Map<EndpointId, number>()

  /** The endpoint's own limit; a lower rate while it recovers from a complaint. */
  rateOf({ id, rateLimit }: Candidate, now: number): number | null {
    const pace = this.#paces.get(id)
    const rate = pace === undefined ? null : paceAt(pace, now)
    return rate === null ? rateLimit : Math.min(rate, rateLimit ?? Infinity)
  }

  /**
   * Time for which the endpoint should be left alone after a complaint at `now`: to the end of the current pause, or a
   * new pause.
   */
  pauseMs(endpointId: EndpointId, now: number): number {
    const from = this.#paces.get(endpointId)?.from ?? now
    if (from > now) return from - now
    return Math.min(PAUSE_MS.first * 2 ** (this.#pauses.get(endpointId) ?? 0), PAUSE_MS.max)
  }

  slowDown(endpointId: EndpointId, now: number, until: number): void {
    const before = this.#paces.get(endpointId)
    if (before === undefined || now >= before.from)
      this.#pauses.set(endpointId, (this.#pauses.get(endpointId) ?? 0) + 1)
    this.#paces.set(endpointId, slowDown(before, now, until))
  }

  /** Notes that the endpoint took a delivery. */
  took(endpointId: EndpointId, now: number): void {
    if (this.#takenAt.size < LIMITS.cachedEndpoints || this.#takenAt.has(endpointId)) this.#takenAt.set(endpointId, now)
    if (this.#pauses.size > 0) this.#pauses.delete(endpointId)
  }

  isTaking(endpointId: EndpointId, since: number): boolean {
    return (this.#takenAt.get(endpointId) ?? -Infinity) >= since
  }

  putClockBack(step: ClockStep): void {
    for (const [endpointId, pace] of this.#paces)
      this.#paces.set(endpointId, { ...pace, from: pauseAfterStep(pace.from, step) })
    for (const [endpointId, at] of this.#takenAt) if (at > step.now) this.#takenAt.set(endpointId, step.now)
  }

  forgetOver(now: number): void {
    for (const [endpointId, pace] of this.#paces) {
      if (paceAt(pace, now) !== null) continue
      this.#paces.delete(endpointId)
      this.#pauses.delete(endpointId)
    }
    for (const [endpointId, at] of this.#takenAt) if (at < now - TAKEN_KEPT_MS) this.#takenAt.delete(endpointId)
  }
}
