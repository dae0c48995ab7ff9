import { parseSecretCached } from '../domain/secret.ts'
import { verifyStandard } from '../domain/signature.ts'
import { oneHeader } from './signed-content.ts'
import { anyOf, type Check } from './source.ts'
import { judgeTimestamp, parseTimestamp } from './timestamp.ts'

/**
 * Greatest difference between a request's time and ours, in both directions: the value of all Standard Webhooks
 * libraries.
 */
export const TOLERANCE_MS = 5 * 60_000

/** The two families of headers. One of them has to be complete: values of the two are never mixed. */
const FAMILIES = ['webhook', 'svix'] as const

/**
 * Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`, or the same as `svix-*`. `whsec_`
 * secrets and other texts verify HMAC (`v1`), `whsk_` secrets verify Ed25519 (`v1a`). A tolerance of 0 ms accepts
 * requests of any age.
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
    // Any age is accepted here: the time is judged once the signature has matched.
    const signed = { id, timestamp, signature, body: request.body, now, toleranceMs: Number.POSITIVE_INFINITY }
    if (!verifyStandard({ keys, ...signed })) {
      const detail = `No signature in ${family}-signature is over ${family}-id, ${family}-timestamp and the body.`
      return { reason: 'signature_mismatch', detail }
    }
    return judgeTimestamp(at, now, toleranceMs)
  }
}
