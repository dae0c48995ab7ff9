import { hubSignature } from './hub-signature.ts'
import { anyOf } from './source.ts'
import { standardWebhooks, TOLERANCE_MS } from './standard-webhooks.ts'

/** What a subscription's secret takes: the signature of GitHub or that of Standard Webhooks. One valid signature is enough. */
export const subscriptionSignature = anyOf([hubSignature, standardWebhooks(TOLERANCE_MS)])
