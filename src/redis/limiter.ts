/**
 * One rate for all nodes. In Redis every limited endpoint and application has the time of its next free slot. Slots are
 * a gap apart, and a node takes a few at once.
 *
 * The time is Redis' own, so that the clocks of the nodes need not agree: a node learns how far away its slots are, and
 * never the time in Redis. The answer was made at some unknown moment between sending the question (`sent`) and
 * receiving the answer (`heard`). So a slot that is `away` ms away may be used from `heard + away` on, when its time
 * has come for certain. It may be used until `sent + away + lateMs`, when it is late by no more than `lateMs` for
 * certain. Starts are never early and at most `lateMs` late, and slots are (1000 + lateMs) / rate apart: no second can
 * have more than `rate` starts, however the nodes take turns. A slot that was missed is lost.
 *
 * A node that asks gets the next free slots, a few and never a part of them, and asks again once they are used up. So
 * nodes take turns by themselves, and no node comes twice before the others came once. How far ahead slots are given
 * out is bounded all the same: the slots of a node that died are lost, and after Redis was emptied the slots that are
 * out are given out again.
 */
import type { Clock } from '../lib/clock.ts'
import type { RateOwner, SharedRate, Slots } from '../services/dispatch/shared-rate.ts'
import type { Link, Script } from './link.ts'

/** Time that the slots of one answer cover: a few round trips a second are enough for any rate. */
const TAKEN_MS = 50
/**
 * Enough for twenty nodes, or for sixteen where a slot takes longer than that; with more nodes, some may get no slot
 * for a while.
 */
const AHEAD = { ms: 1_000, slots: 16 }
const LATE_MS = 25
/** Clocks count whole milliseconds: one may be lost at either end. */
const ROUNDING_MS = 1
const SLOTS_MAX = 1_000
/** Time by which a key outlives its last slot. */
const KEPT_MS = 1_000

/** While Redis does not answer, attempts wait this long before this node keeps to the rate alone. */
const PATIENCE_MS = 500
const ASK_AGAIN_MS = 50
/** Failures that are this far apart are independent. */
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
      // Slots that are late on arrival cannot be used: they are as good as no answer.
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

  /** Counts a failure. One lost command is no reason to let every node go at the full rate. */
  #failed(now: number): Slots | null {
    if (this.#failingSince === null || now - this.#failedAt > FORGIVEN_MS) this.#failingSince = now
    this.#failedAt = now
    return now - this.#failingSince < PATIENCE_MS ? { count: 0, askAgainInMs: ASK_AGAIN_MS } : null
  }
}
