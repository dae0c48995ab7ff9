/**
 * One rate for all nodes. In Redis every limited endpoint and application has the time of its next free slot; slots are a gap apart, and
 * a node takes a few at once.
 *
 * The time is Redis' own, so that the clocks of the nodes need not agree: a node learns how far away its slots are and
 * never what time it is there. Between sending the question (`sent`) and having the answer (`heard`) Redis' now was at some
 * moment that the node does not know. So a slot that is `away` ms away may be used from `heard + away` on, when its time
 * has come for certain, and until `sent + away + lateMs`, when it is late by no more than `lateMs` for certain.
 * Starts that are early by nothing and late by `lateMs` at most, with slots (1000 + lateMs) / rate apart: no second can have more
 * than `rate` of them, however the nodes take turns. A slot that was missed is lost.
 *
 * Whoever asks gets the next slots there are, a few and never a part of them, and asks again once they are used up. So
 * nodes take turns by themselves, and nobody comes twice before the others came once. How far ahead slots are given out is
 * bounded all the same: what a node had in hand when it died is lost, and after Redis was emptied the slots that are out
 * are given out again.
 */
import type { Clock } from '../lib/clock.ts'
import type { RateOwner, SharedRate, Slots } from '../services/dispatch/shared-rate.ts'
import type { Link, Script } from './link.ts'

/** What a node takes at once: a few round trips a second are enough for any rate. */
const TAKEN_MS = 50
/** For twenty nodes, or sixteen where a slot takes longer than that; more than these have to be lucky. */
const AHEAD = { ms: 1_000, slots: 16 }
const LATE_MS = 25
/** Clocks count whole milliseconds: one may be lost at either end. */
const ROUNDING_MS = 1
const SLOTS_MAX = 1_000
/** How long a key outlives its last slot. */
const KEPT_MS = 1_000

/** While Redis does not answer, attempts wait for so long before this node keeps to the rate alone. */
const PATIENCE_MS = 500
const ASK_AGAIN_MS = 50
/** Failures so far apart have nothing to do with each other. */
const FORGIVEN_MS = 2_000

const TAKE: Script = {
  name: 'slots',
  keys: 1,
  lua: `local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local gap, ahead, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local next = tonumber(redis.call('GET', KEYS[1]) or '0')
-- Further away than it can be: the clock was set back, or the rate was raised.
if next > now + ahead + ${TAKEN_MS} + gap then next = now + gap end
if next < now then next = now end
local away = next - now
if away > ahead then return { tostring(away), 0 } end
local last = next + wanted * gap
redis.call('SET', KEYS[1], string.format('%.3f', last), 'PX', math.ceil(last - now) + tonumber(ARGV[4]))
return { tostring(away), wanted }`,
}

export const LIMITER_SCRIPTS = [TAKE]

export interface LimiterOptions {
  link: Link
  clock: Clock
  prefix: string
  /** In [0, 1). */
  random: () => number
}

export class Limiter implements SharedRate {
  readonly #options: LimiterOptions
  #failingSince: number | null = null
  #failedAt = 0

  constructor(options: LimiterOptions) {
    this.#options = options
  }

  async slots(owner: RateOwner, perSecond: number, wanted: number): Promise<Slots | null> {
    const { link, clock, prefix, random } = this.#options
    const gapMs = (1_000 + LATE_MS + 2 * ROUNDING_MS) / perSecond
    const count = Math.max(1, Math.min(wanted, Math.floor(TAKEN_MS / gapMs), SLOTS_MAX))
    const ahead = Math.max(AHEAD.ms, AHEAD.slots * gapMs)
    const sent = clock.now()
    try {
      const answer = await link.script(TAKE, `${prefix}rate:${owner}`, gapMs, ahead, count, KEPT_MS)
      const heard = clock.now() + ROUNDING_MS
      // Slots that nobody could ever use are as good as no answer.
      if (heard - sent >= LATE_MS) return this.#failed(heard)
      this.#failingSince = null
      const [awayText, given] = answer as [string, number]
      const away = Number(awayText)
      if (given === 0) return { count: 0, askAgainInMs: Math.ceil(away - ahead + random() * TAKEN_MS) }
      return { count: given, gapMs, from: heard + away, until: sent + away + LATE_MS }
    } catch {
      return this.#failed(clock.now())
    }
  }

  /** One command that was lost is no reason to let every node go at the full rate. */
  #failed(now: number): Slots | null {
    if (this.#failingSince === null || now - this.#failedAt > FORGIVEN_MS) this.#failingSince = now
    this.#failedAt = now
    return now - this.#failingSince < PATIENCE_MS ? { count: 0, askAgainInMs: ASK_AGAIN_MS } : null
  }
}
