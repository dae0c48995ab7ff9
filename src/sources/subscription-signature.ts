import { hubSignature } from './hub-signature.ts'
import type { Scheme } from './scheme.ts'
import { standardWebhooks } from './standard-webhooks.ts'

const SCHEMES = [hubSignature, standardWebhooks]

/** What a subscription's secret takes: the signature of GitHub or that of Standard Webhooks. One valid signature is enough. */
export const subscriptionSignature: Scheme = {
  name: 'subscription',
  verify: (request, secrets, now) => SCHEMES.some((scheme) => scheme.verify(request, secrets, now)),
}
