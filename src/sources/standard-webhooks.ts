import { parseSecretCached } from '../domain/secret.ts'
import { verifyStandard } from '../domain/signature.ts'
import type { Scheme } from './scheme.ts'

/** How far a request's time may be from ours, in both directions: what all libraries of Standard Webhooks allow. */
export const TOLERANCE_MS = 5 * 60_000

/** The two families of headers. One of them has to be complete: nothing is read from one and something from the other. */
const FAMILIES = ['webhook', 'svix'] as const

/**
 * Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`, or the same as `svix-*`. HMAC (`v1`) by
 * `whsec_` secrets and other texts, Ed25519 (`v1a`) by `whsk_` secrets.
 */
export const standardWebhooks: Scheme = {
  name: 'standard-webhooks',
  verify(request, secrets, now) {
    return FAMILIES.some((family) => {
      const signature = request.header(`${family}-signature`)
      if (signature === undefined) return false
      return verifyStandard({
        keys: secrets.map(parseSecretCached),
        id: request.header(`${family}-id`),
        timestamp: request.header(`${family}-timestamp`),
        signature,
        body: request.body,
        now,
        toleranceMs: TOLERANCE_MS,
      })
    })
  },
}
