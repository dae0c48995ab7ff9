/**
 * The port of sources: how a sender proves its identity, and what it says about its event. A kind of source is one
 * file. The shared work (finding the source, methods, sizes, the log of refusals, the commit) is done elsewhere.
 */

/** A request as any transport can hand it over, with the bytes as they came. */
export interface SourceRequest {
  method: string
  /** The path as it came, without the query. */
  path: string
  /** The query as it came, without the question mark; empty when there was none. */
  query: string
  /** The values of a header, one for each time the header came. Names are in lower case. */
  headers(name: string): readonly string[]
  body: Uint8Array
}

/** The step of a verification that failed. The sender never learns it; the owner of the source does. */
export type RefusalReason =
  | 'header_missing'
  | 'header_repeated'
  | 'header_malformed'
  | 'timestamp_missing'
  | 'timestamp_malformed'
  | 'timestamp_too_old'
  | 'timestamp_in_future'
  | 'signature_mismatch'
  | 'body_unparsable'
  | 'secret_unusable'

/**
 * The reason why a request does not prove its sender, as a sentence for the source's owner. The sentence never holds
 * the expected signature.
 */
export interface Refusal {
  reason: RefusalReason
  detail: string
}

/**
 * One way to prove a sender. All secrets are tried, so that the time does not tell which one matched. `now` is ms since
 * 1970.
 */
export type Check = (request: SourceRequest, secrets: readonly string[], now: number) => Refusal | null

/** Rank of a verification's last step: the refusal of the check that came farthest tells most about the problem. */
const DEPTH: Readonly<Record<RefusalReason, number>> = {
  header_missing: 0,
  header_repeated: 1,
  header_malformed: 2,
  timestamp_missing: 3,
  body_unparsable: 3,
  timestamp_malformed: 4,
  secret_unusable: 5,
  signature_mismatch: 6,
  timestamp_too_old: 7,
  timestamp_in_future: 7,
}

/** Accepts a request when one of the checks does. */
export const anyOf =
  (checks: readonly Check[]): Check =>
  (request, secrets, now) => {
    let farthest: Refusal | null = null
    for (const check of checks) {
      const refusal = check(request, secrets, now)
      if (refusal === null) return null
      if (farthest === null || DEPTH[refusal.reason] > DEPTH[farthest.reason]) farthest = refusal
    }
    return farthest ?? { reason: 'signature_mismatch', detail: 'The source has no way of verifying.' }
  }
