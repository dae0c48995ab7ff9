import { hubSignature } from './hub-signature.ts'
import { anyOf } from './source.ts'
import { standardWebhooks, TOLERANCE_MS } from './standard-webhooks.ts'

/**
 * The signatures that a subscription's secret verifies: GitHub's or that of Standard Webhooks. One valid signature is
 * enough.
 */
export const subscriptionSignature = anyOf([hubSignature, standardWebhooks(TOLERANCE_MS)])
