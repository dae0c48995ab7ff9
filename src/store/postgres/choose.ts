/** Chooses the deliveries that a claim takes, among the due ones that it found. */
import { type Pass, Takings } from '../shared/choose.ts'
import type { ClaimRequest } from '../port/queue.ts'

/**
 * A due delivery that a claim may take, with its message. Within a lane, candidates come in the order of their due
 * times.
 */
export interface Candidate {
  app_id: string
  msg_id: string
  endpoint_id: string
  run: number
  tries: number
  spared: number
  last_attempt_at: number | null
  retry: 0 | 1
  due_at: number
  event_id: string | null
  event_type: string
  content_type: string
  received_at: number
  expires_at: number
  payload_bytes: number
  hops: number
}

/** Number of first attempts to look at, so that the limits of both passes over them can be used to the full. */
export const firstCandidates = ({ max, perEndpointMax }: ClaimRequest, [first]: readonly Pass[]): number =>
  Math.ceil((max * perEndpointMax) / Math.max(first!.perEndpointMax, 1))

/** The candidates that are taken, in the order in which they are taken. */
export function choose(candidates: readonly Candidate[], request: ClaimRequest, passes: readonly Pass[]): Candidate[] {
  const chosen = new Set<Candidate>()
  const takings = new Takings(request)
  for (const pass of passes)
    for (const one of candidates) {
      if (takings.room(pass) === 0) break
      if (one.retry !== pass.retry || chosen.has(one)) continue
      if (takings.roomOf(one.app_id, one.endpoint_id, pass) === 0) continue
      takings.take(one.app_id, one.endpoint_id, one.payload_bytes)
      chosen.add(one)
    }
  return [...chosen]
}
