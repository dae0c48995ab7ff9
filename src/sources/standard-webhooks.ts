import { parseSecretCached } from '../domain/secret.ts'
import { verifyStandard } from '../domain/signature.ts'
import { oneHeader } from './signed-content.ts'
import { anyOf, type Check } from './source.ts'
import { judgeTimestamp, parseTimestamp } from './timestamp.ts'

/** How far a request's time may be from ours, in both directions: what all libraries of Standard Webhooks allow. */
export const TOLERANCE_MS = 5 * 60_000

/** The two families of headers. One of them has to be complete: nothing is read from one and something from the other. */
const FAMILIES = ['webhook', 'svix'] as const

/**
 * Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`, or the same as `svix-*`. HMAC (`v1`) by
 * `whsec_` secrets and other texts, Ed25519 (`v1a`) by `whsk_` secrets. A tolerance of 0 ms takes requests of any age.
 */
export const standardWebhooks = (toleranceMs: number): Check =>
  anyOf(FAMILIES.map((family) => familyCheck(family, toleranceMs)))

function familyCheck(family: string, toleranceMs: number): Check {
  return (request, secrets, now) => {
    const signature = oneHeader(request, `${family}-signature`)
    if (typeof signature === 'object') return signature
    const id = oneHeader(request, `${family}-id`)
    if (typeof id === 'object') return id
    const timestamp = oneHeader(request, `${family}-timestamp`)
    if (typeof timestamp === 'object') return { ...timestamp, reason: 'timestamp_missing' }
    const at = parseTimestamp(timestamp, 's')
    if (at === null) {
      return {
        reason: 'timestamp_malformed',
        detail: `The header ${family}-timestamp is not whole seconds since 1970.`,
      }
    }
    const keys = secrets.map(parseSecretCached)
    // Any age: the time is judged once the signature has matched.
    const signed = { id, timestamp, signature, body: request.body, now, toleranceMs: Number.POSITIVE_INFINITY }
    if (!verifyStandard({ keys, ...signed })) {
      const detail = `No signature in ${family}-signature is over ${family}-id, ${family}-timestamp and the body.`
      return { reason: 'signature_mismatch', detail }
    }
    return judgeTimestamp(at, now, toleranceMs)
  }
}
