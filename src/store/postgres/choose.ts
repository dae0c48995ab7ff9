import type { ClaimRequest } from '../store.ts'

/** A due delivery that a claim may take, with its message. Within a lane they come in the order of their due times. */
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

/**
 * One in eight is kept for retries, of what a claim takes and of what it takes of one endpoint, so that a flood of first
 * attempts cannot postpone them for ever. Where there is too little to share out, it is theirs in every eighth claim.
 */
export const RETRY_SHARE = 8
const retryShare = (size: number, turn: number) =>
  Math.floor(((turn + 1) * size) / RETRY_SHARE) - Math.floor((turn * size) / RETRY_SHARE)

export interface Limits {
  /** Of first attempts, before retries had their share: in all, and of one endpoint. */
  firstMax: number
  firstPerEndpoint: number
  /** First attempts that have to be looked at, so that these limits can be used to the full. */
  firstCandidates: number
}

export function limitsOf({ max, perEndpointMax }: ClaimRequest, turn: number): Limits {
  const firstPerEndpoint = perEndpointMax - retryShare(perEndpointMax, turn)
  return {
    firstMax: max - retryShare(max, turn),
    firstPerEndpoint,
    firstCandidates: Math.ceil((max * perEndpointMax) / Math.max(firstPerEndpoint, 1)),
  }
}

/** First attempts, then retries, then first attempts again with what room is left. */
export function choose(candidates: readonly Candidate[], request: ClaimRequest, limits: Limits): Candidate[] {
  const { max, perEndpointMax, perApplicationMax } = request
  const chosen: Candidate[] = []
  const isChosen = new Set<Candidate>()
  const countOf = new Map<string, number>()
  const countOfApplication = new Map<string, number>()
  let bytesLeft = request.payloadBytesMax
  const takeFrom = (retry: 0 | 1, limit: number, perEndpoint: number) => {
    for (const one of candidates) {
      if (chosen.length >= limit || bytesLeft <= 0) return
      const count = countOf.get(one.endpoint_id) ?? 0
      const ofApplication = countOfApplication.get(one.app_id) ?? 0
      if (one.retry !== retry || count >= perEndpoint || ofApplication >= perApplicationMax || isChosen.has(one))
        continue
      countOf.set(one.endpoint_id, count + 1)
      countOfApplication.set(one.app_id, ofApplication + 1)
      bytesLeft -= one.payload_bytes
      isChosen.add(one)
      chosen.push(one)
    }
  }
  takeFrom(0, limits.firstMax, limits.firstPerEndpoint)
  takeFrom(1, max, perEndpointMax)
  takeFrom(0, max, perEndpointMax)
  return chosen
}
