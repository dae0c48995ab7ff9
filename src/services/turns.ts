/**
 * Whose turn it is to start an attempt.
 *
 * Lanes that want to start one stand in four lines, by what the node risks with it. A line moves only while fewer attempts
 * are in flight than its limit says, so that whatever hangs, there is room for first attempts to healthy endpoints. That
 * is also why there are several lines: lanes that have to stay back must never stand in front of one that may start.
 * Within a line lanes take turns, one start each.
 */
import { type Lane, type Rank, rankOf } from './lane.ts'

/** An attempt starts while the node is less full than this, as a fraction of its concurrency. */
const FULL_AT: Readonly<Record<Rank, number>> = { first: 1, more: 3 / 4, retry: 3 / 4, suspect: 1 / 2 }
/** What may be in flight however full the node is; otherwise a busy node would never come to its retries. */
const ENSURED: Readonly<Record<Rank, number>> = { first: 0, more: 0, retry: 1 / 16, suspect: 1 / 16 }

const ORDER: readonly Rank[] = ['first', 'more', 'retry', 'suspect']
const RETRIES_FIRST: readonly Rank[] = ['retry', 'suspect', 'first', 'more']
const SUSPECTS_FIRST: readonly Rank[] = ['suspect', 'retry', 'first', 'more']

/** Whether an attempt of this rank may start while `inFlight` attempts are under way, `ofRank` of them of its own rank. */
export function mayStart(
  rank: Rank,
  { inFlight, ofRank }: { inFlight: number; ofRank: number },
  node: { concurrency: number; lanes: number },
): boolean {
  if (inFlight >= node.concurrency) return false
  const part = (fraction: number) => Math.max(Math.ceil(fraction), Math.floor(node.concurrency * fraction))
  // Nobody else needs what an endpoint that is alone leaves.
  if (node.lanes === 1 && rank !== 'suspect') return true
  return inFlight < part(FULL_AT[rank]) || ofRank < part(ENSURED[rank])
}

export class Turns {
  readonly #concurrency: number
  // Sets, because they keep the order and a lane can leave from the middle.
  readonly #lines: Readonly<Record<Rank, Set<Lane>>> = {
    first: new Set(),
    more: new Set(),
    retry: new Set(),
    suspect: new Set(),
  }
  readonly #inFlightOf: Record<Rank, number> = { first: 0, more: 0, retry: 0, suspect: 0 }
  #inFlight = 0
  #starts = 0

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** Attempts in flight. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Puts the lane at the end of the line it belongs in now; one that stands there keeps its place. */
  stand(lane: Lane, lanes: number): void {
    const { isSuspect, inFlight } = lane
    const hasFirsts = lane.firsts.length > 0
    const rank = rankOf({ isSuspect, hasFirsts, inFlight }, { concurrency: this.#concurrency, lanes })
    if (lane.line === rank) return
    this.leave(lane)
    lane.line = rank
    this.#lines[rank].add(lane)
  }

  leave(lane: Lane): void {
    if (lane.line !== null) this.#lines[lane.line].delete(lane)
    lane.line = null
  }

  /** Takes the lane whose turn it is out of its line; undefined when none may start an attempt now. */
  next(lanes: number): { lane: Lane; rank: Rank } | undefined {
    for (const rank of this.#order()) {
      const [lane] = this.#lines[rank]
      if (lane === undefined) continue
      const counts = { inFlight: this.#inFlight, ofRank: this.#inFlightOf[rank] }
      if (!mayStart(rank, counts, { concurrency: this.#concurrency, lanes })) continue
      this.leave(lane)
      return { lane, rank }
    }
    return undefined
  }

  /** First attempts go first, but every eighth start belongs to retries and suspects if they wait. */
  #order(): readonly Rank[] {
    if (this.#starts % 8 !== 7) return ORDER
    return this.#starts % 16 === 7 ? RETRIES_FIRST : SUSPECTS_FIRST
  }

  started(rank: Rank): void {
    this.#starts++
    this.#inFlight++
    this.#inFlightOf[rank]++
  }

  ended(rank: Rank): void {
    this.#inFlight--
    this.#inFlightOf[rank]--
  }
}
