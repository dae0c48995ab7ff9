/** The HTTP clients of a destination. docs/delivery.md gives the reason for each of these choices. */
import { Agent, type buildConnector } from 'undici'
import type { Clock } from '../lib/clock.ts'
import { type AnswerBounds, watchConnections } from './connection.ts'
import { DESTINATION_LIMITS } from './limits.ts'

export interface Agents extends AsyncDisposable {
  /** Keeps connections and uses them again. */
  readonly kept: Agent
  /** Makes a connection for each request: if a kept connection was dead, the next kept one may be dead as well. */
  readonly fresh: Agent
}

export interface AgentsOptions {
  connect: buildConnector.connector
  bounds: AnswerBounds
  clock: Pick<Clock, 'now'>
  /** The greatest age of a connection when a request begins on it, ms. */
  connectionAgeMs?: number
}

export function openAgents({
  connect,
  bounds,
  clock,
  connectionAgeMs = DESTINATION_LIMITS.connectionAgeMs,
}: AgentsOptions): Agents {
  const options: Agent.Options = {
    // A connection may be idle for the other half of its age.
    connect: watchConnections(connect, { bounds, clock, oldAfterMs: connectionAgeMs / 2 }),
    maxHeaderSize: DESTINATION_LIMITS.answerBytesOnWire,
    allowH2: false,
    // The attempt's own time-out covers these waits, which saves two timers for each request.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveMaxTimeout: DESTINATION_LIMITS.connectionAgeMs / 2,
  }
  const kept = new Agent({ ...options, pipelining: 1 })
  const fresh = new Agent({ ...options, pipelining: 0 })
  return {
    kept,
    fresh,
    // Both begin to close at once, so that no request is repeated on one because the other closes.
    [Symbol.asyncDispose]: async () => void (await Promise.all([fresh.destroy(), kept.destroy()])),
  }
}
