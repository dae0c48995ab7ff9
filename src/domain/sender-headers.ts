/**
 * Headers in which senders name an event's type and the identity of a repeat. The names are those of the providers'
 * documentation and of the standards; the README lists them.
 */
import { createHash } from 'node:crypto'
import { cloudEventIdentity, decodeAttribute } from './cloud-event-header.ts'
import { LIMITS } from './limits.ts'

/** The value of one header, by its name in lower case. */
export type HeaderOf = (name: string) => string | undefined

/** The value that was found, and the header that holds it, in its usual spelling. */
export interface Said {
  name: string
  value: string
}

const named = (...names: string[]) => names.map((name) => ({ name, key: name.toLowerCase() }))

/** The gateway's own header is read before these, and elsewhere: unlike these, it has to be valid. */
const EVENT_TYPE_HEADERS = named(
  'X-GitHub-Event',
  'X-Gitea-Event',
  'X-Forgejo-Event',
  'X-Gogs-Event',
  'X-Gitlab-Event',
  // Bitbucket.
  'X-Event-Key',
  'X-Shopify-Topic',
  'X-WC-Webhook-Topic',
  'Linear-Event',
  'Twitch-Eventsub-Subscription-Type',
  'Sentry-Hook-Resource',
  'X-Buildkite-Event',
  'CircleCI-Event-Type',
  'X-Netlify-Event',
  'X-Contentful-Topic',
)

/**
 * Headers whose value is the same when the event is sent again, and never the same for two events. Two headers are left
 * out: GitLab's X-Gitlab-Event-UUID (events that one of its hooks caused share the value of the first; GitLab sends
 * Idempotency-Key as well) and WooCommerce's X-WC-Webhook-Delivery-ID (made of the hook and the second). A lost event
 * is worse than a doubled one.
 */
const KEY_HEADERS = named(
  'X-GitHub-Delivery',
  'X-Gitea-Delivery',
  'X-Forgejo-Delivery',
  'X-Gogs-Delivery',
  // Standard Webhooks 1.0.0, "Webhook headers": the id is the same on all attempts, and meant as the idempotency key.
  'webhook-id',
  'svix-id',
  'X-Shopify-Webhook-Id',
  'Linear-Delivery',
  'Twitch-Eventsub-Message-Id',
  'X-Razorpay-Event-Id',
  'X-Zendesk-Webhook-Invocation-Id',
  'X-Atlassian-Webhook-Identifier',
  'BOX-DELIVERY-ID',
)

function firstOf(headers: typeof KEY_HEADERS, header: HeaderOf): Said | null {
  for (const { name, key } of headers) {
    const value = header(key)
    if (value !== undefined && value !== '') return { name, value }
  }
  return null
}

/** The event's type in its provider's words; null when no header names it. */
export function typeSaid(header: HeaderOf): Said | null {
  const type = header('ce-type')
  return (
    firstOf(EVENT_TYPE_HEADERS, header) ??
    (type === undefined ? null : { name: 'ce-type', value: decodeAttribute(type) ?? type })
  )
}

/** The idempotency key of a request: `Idempotency-Key`, or the provider's header that can serve as one. */
export function keySaid(header: HeaderOf): Said | null {
  const own = header('idempotency-key')
  if (own !== undefined) return { name: 'Idempotency-Key', value: own }
  const found = firstOf(KEY_HEADERS, header)
  if (found !== null) return found
  const source = header('ce-source')
  const id = header('ce-id')
  if (!source || !id) return null
  return { name: 'ce-id', value: cloudEventKey(decodeAttribute(source) ?? source, decodeAttribute(id) ?? id) }
}

/** The key of one CloudEvent, shortened to the length that a key may have. */
export function cloudEventKey(source: string, id: string): string {
  const identity = cloudEventIdentity(source, id)
  if (identity.length <= LIMITS.idempotencyKeyCharsMax) return identity
  return `sha256:${createHash('sha256').update(identity).digest('base64url')}`
}

/** Senders whose hooks can send `payload=` and the JSON as a form instead of the JSON alone. */
const FORM_PAYLOAD_HEADERS = ['x-github-event', 'x-gitea-event', 'x-forgejo-event', 'x-gogs-event']

export const sendsFormPayload = (header: HeaderOf): boolean =>
  FORM_PAYLOAD_HEADERS.some((name) => header(name) !== undefined)
