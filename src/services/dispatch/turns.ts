/**
 * Decides which lane starts the next attempt.
 *
 * The lanes stand in four lines, by the risk of their next attempt for the node. A line moves only while fewer attempts
 * are in flight than its limit says. So there is always room for first attempts to healthy endpoints, however many
 * attempts hang. There are several lines because a lane that has to stay back must never stand in front of one that may
 * start.
 *
 * Within a line applications take turns, and within an application its lanes, one start each. Applications with few
 * attempts under way (light ones) stand in lines of their own. These lines move on while the others have to stop: an
 * eighth of the node is kept for light applications, and the ensured share of each rank is counted apart for them.
 */
import { RETRY_SHARE } from '../../domain/retry-share.ts'
import { type ApplicationTurns, type Lane, type Rank, RANKS, rankOf } from './lane.ts'

/** An attempt starts while the node is less full than this, as a fraction of its concurrency. */
const FULL_AT: Readonly<Record<Rank, number>> = { first: 1, more: 3 / 4, retry: 3 / 4, suspect: 1 / 2 }
/** The share that may be in flight however full the node is; without it a busy node would never come to its retries. */
const ENSURED: Readonly<Record<Rank, number>> = { first: 0, more: 0, retry: 1 / 16, suspect: 1 / 16 }
/** The ensured share of light applications, all of them together. */
const ENSURED_LIGHT: Readonly<Record<Rank, number>> = { first: 0, more: 1 / 32, retry: 1 / 32, suspect: 1 / 32 }
/** Part of the node's concurrency that is kept for light applications; on small nodes nothing. */
const KEPT = 1 / 8
/** An application is light while it has less than this part of the node's concurrency in flight. */
const LIGHT = 1 / 32

const ORDER: readonly Rank[] = RANKS
const RETRIES_FIRST: readonly Rank[] = ['retry', 'suspect', 'first', 'more']
const SUSPECTS_FIRST: readonly Rank[] = ['suspect', 'retry', 'first', 'more']

export const isLight = (inFlight: number, concurrency: number): boolean =>
  inFlight < Math.max(1, Math.floor(concurrency * LIGHT))

/**
 * True when an attempt of this rank may start. `inFlight` attempts are under way. `ofRank` of them have the same rank
 * and the same kind of application, light or not.
 */
export function mayStart(
  rank: Rank,
  { inFlight, ofRank, isLight }: { inFlight: number; ofRank: number; isLight: boolean },
  node: { concurrency: number; lanes: number; isShared: boolean },
): boolean {
  const { concurrency } = node
  if (inFlight >= concurrency) return false
  if (!isLight && node.isShared && inFlight >= concurrency - Math.floor(concurrency * KEPT)) return false
  // An endpoint that is alone may take all: no other one needs the rest.
  if (node.lanes === 1 && rank !== 'suspect') return true
  const part = (fraction: number) => Math.max(Math.ceil(fraction), Math.floor(concurrency * fraction))
  return inFlight < part(FULL_AT[rank]) || ofRank < part((isLight ? ENSURED_LIGHT : ENSURED)[rank])
}

/** An attempt that may start now. */
export interface Turn {
  lane: Lane
  rank: Rank
}

/** The load of the node, as far as lanes that want to start have to know it. */
export interface Crowd {
  /** Number of lanes, waiting or not. */
  lanes: number
  /** True once more than one application has been here. */
  isShared: boolean
}

class Group {
  readonly isLight: boolean
  /** Applications with lanes in each line. */
  readonly standing: Readonly<Record<Rank, Set<ApplicationTurns>>> = {
    first: new Set(),
    more: new Set(),
    retry: new Set(),
    suspect: new Set(),
  }
  readonly inFlightOf: Record<Rank, number> = { first: 0, more: 0, retry: 0, suspect: 0 }

  constructor(isLight: boolean) {
    this.isLight = isLight
  }
}

export class Turns {
  readonly #concurrency: number
  readonly #light = new Group(true)
  readonly #heavy = new Group(false)
  readonly #groups = [this.#light, this.#heavy]
  #inFlight = 0
  #starts = 0

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** Number of attempts in flight. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Puts the lane at the end of the line that it belongs in now; a lane that stands there already keeps its place. */
  stand(lane: Lane, lanes: number): void {
    const { isSuspect, inFlight } = lane
    const { turns: application } = lane.application
    const hasFirsts = lane.firsts.length > 0
    const rank = rankOf({ isSuspect, hasFirsts, inFlight }, { concurrency: this.#concurrency, lanes })
    if (lane.line === rank) return
    this.leave(lane)
    lane.line = rank
    if (application.lines[rank].add(lane).size === 1) this.#groupOf(application).standing[rank].add(application)
  }

  leave(lane: Lane): void {
    const { line: rank } = lane
    const { turns: application } = lane.application
    if (rank === null) return
    lane.line = null
    application.lines[rank].delete(lane)
    if (application.lines[rank].size === 0) this.#groupOf(application).standing[rank].delete(application)
  }

  /** Takes the lane whose turn it is out of its line; undefined when no lane may start an attempt now. */
  next({ lanes, isShared }: Crowd): Turn | undefined {
    if (this.#inFlight >= this.#concurrency) return undefined
    const node = { concurrency: this.#concurrency, lanes, isShared }
    for (const rank of this.#order())
      for (const { standing, inFlightOf, isLight } of this.#groups) {
        const line = standing[rank]
        if (line.size === 0) continue
        if (!mayStart(rank, { inFlight: this.#inFlight, ofRank: inFlightOf[rank], isLight }, node)) continue
        const [application] = line
        const [lane] = application!.lines[rank]
        this.leave(lane!)
        // The application goes behind the others before its next turn.
        if (line.size > 1 && line.delete(application!)) line.add(application!)
        return { lane: lane!, rank }
      }
    return undefined
  }

  /** First attempts go first, but every eighth start belongs to retries and suspects if they wait. */
  #order(): readonly Rank[] {
    if (this.#starts % RETRY_SHARE !== RETRY_SHARE - 1) return ORDER
    return this.#starts % (2 * RETRY_SHARE) === RETRY_SHARE - 1 ? RETRIES_FIRST : SUSPECTS_FIRST
  }

  started(turn: Turn): void {
    this.#starts++
    this.#count(turn, 1)
  }

  ended(turn: Turn): void {
    this.#count(turn, -1)
  }

  #count({ lane, rank }: Turn, change: 1 | -1): void {
    const { turns: application } = lane.application
    this.#inFlight += change
    application.underWay += change
    application.underWayOf[rank] += change
    this.#groupOf(application).inFlightOf[rank] += change
    if (isLight(application.underWay, this.#concurrency) !== application.isLight) this.#changeGroup(application)
  }

  #groupOf(application: ApplicationTurns): Group {
    return application.isLight ? this.#light : this.#heavy
  }

  /**
   * Moves the application with its waiting lanes and its attempts under way: attempts of an application that is no
   * longer light use up nothing of the ensured share of light ones.
   */
  #changeGroup(application: ApplicationTurns): void {
    const before = this.#groupOf(application)
    application.isLight = !application.isLight
    const after = this.#groupOf(application)
    for (const rank of RANKS) {
      before.inFlightOf[rank] -= application.underWayOf[rank]
      after.inFlightOf[rank] += application.underWayOf[rank]
      if (before.standing[rank].delete(application)) after.standing[rank].add(application)
    }
  }
}
