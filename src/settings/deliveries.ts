/** Settings of deliveries: how they are made, and where they may go. */
import { cidrProblem, isNameServer } from '../destinations/address-ranges.ts'
import { exceptionProblem, parseProxy } from '../destinations/proxy-url.ts'
import { duration, hidden, integer, listOf, mapped, oneOf, schedule, text, yesOrNo } from './kinds.ts'
import { secret, setting } from './setting.ts'

const headerNames = oneOf('both', ['both', 'webhook', 'svix'])
/** The setting also accepts the headers themselves. */
const signatureHeaders: typeof headerNames = {
  ...headerNames,
  read: (names) => headerNames.read(names.replace(/-\*$/, '')),
}

const nameServerProblem = (server: string) =>
  isNameServer(server)
    ? null
    : `"${server}" is not an IP address, nor one with a port such as 10.0.0.2:5353 or [fd00::2]:5353`

const proxyUrl = hidden(
  text((url) =>
    // The text is not repeated: it may hold a password.
    parseProxy(url) === null
      ? 'has to be http://user:password@host:port or https://…, with nothing behind the port'
      : null,
  ),
)

function shownProxy(url: string): string {
  const proxy = parseProxy(url)
  return proxy === null ? '[secret]' : `${proxy.protocol}//${proxy.hostname}:${proxy.port}`
}

export const DELIVERIES = {
  retryScheduleMs: setting('RETRY_SCHEDULE', schedule('10s,30s,1m,5m,15m'), {
    means: 'waits after a failed attempt, each made up to a tenth shorter or longer; a subscription can have its own',
  }),
  deliveryTimeoutMs: setting('DELIVERY_TIMEOUT', duration({ default: '10s', max: '5m' }), {
    means:
      "time for one attempt, from the name's resolution to the last byte of the response; a subscription can " +
      'have its own',
  }),
  endpointConcurrency: setting('ENDPOINT_CONCURRENCY', integer({ default: 64, min: 1, max: 10_000 }), {
    means: 'attempts under way to one subscription',
  }),
  dispatchConcurrency: setting('DISPATCH_CONCURRENCY', integer({ default: 512, min: 1, max: 10_000 }), {
    means: 'attempts under way in all',
  }),
  applicationEndpointsMax: setting('APPLICATION_ENDPOINTS_MAX', integer({ default: 1_000, min: 1, max: 100_000 }), {
    means:
      'subscriptions, or endpoints of one application: each message may become a delivery to each of them. ' +
      'Beyond it, creating one is refused with `limit_reached`; existing ones stay',
  }),
  portalEndpointsMax: setting('PORTAL_ENDPOINTS_MAX', integer({ default: 50, min: 0, max: 100_000 }), {
    means:
      'a portal token may create endpoints until the application has this many; tokens of the organization may go ' +
      'on to `APPLICATION_ENDPOINTS_MAX`',
  }),
  endpointDisableAfterMs: setting('ENDPOINT_DISABLE_AFTER', duration({ default: '120h' }), {
    means:
      'a subscription is disabled when an event is given up more than this time after another one was, with no ' +
      'success in between ([docs/state-machine.md](state-machine.md#an-endpoints-health))',
  }),
  maxHops: setting('MAX_HOPS', integer({ default: 5, min: 0, max: 100 }), {
    means: 'the most deliveries of Hookferry that an accepted event may have gone through ([loops](#loops))',
    valid: '`0` to `100`; `0` takes nothing that another gateway delivered',
  }),
  defaultSignatureType: setting('DEFAULT_SIGNATURE_TYPE', oneOf('hmac256', ['hmac256', 'ed25519']), {
    means:
      'the kind of a new secret of an endpoint, where the Svix API is given none: at creation and at rotation, ' +
      'of operational endpoints too. Existing secrets stay as they are',
    valid: '`hmac256`; `ed25519`, of which receivers get the public key only',
  }),
  signatureHeaders: setting('SIGNATURE_HEADERS', signatureHeaders, {
    means: 'which headers carry the id, time and signature: `webhook-id` and so on, `svix-id` and so on, or both',
    valid: '`both`, `webhook-*`, `svix-*`',
  }),
  allowedSubnets: setting('ALLOWED_SUBNETS', listOf(cidrProblem), {
    means:
      'addresses that deliveries may go to although they are not public. Unless it is set, no subscription can ' +
      'reach this machine or its network',
    valid: 'a list of subnets such as `127.0.0.0/8` or `fd00::/8`, and of single addresses',
  }),
  dnsServers: setting('DNS_SERVERS', listOf(nameServerProblem), {
    means: 'name servers that targets are looked up with; unset: those of `/etc/resolv.conf`',
    valid: 'a list of IP addresses, each with a port or without: `10.0.0.2`, `10.0.0.2:5353`, `[fd00::2]:5353`',
  }),
  proxyUrl: secret('PROXY_URL', proxyUrl, {
    show: shownProxy,
    means: 'an HTTP proxy that deliveries, and calls to Svix, go through ([proxy](#through-a-proxy))',
    valid: '`http://user:password@host:port`, or `https://…` for TLS to the proxy',
  }),
  proxyExceptions: setting('PROXY_EXCEPTIONS', listOf(exceptionProblem), {
    means: 'hosts that are connected to directly although there is a proxy',
    valid:
      'a list of names, which stand for those below them too, and of addresses and subnets, which are compared ' +
      'with what the URL says',
  }),
  verifyTls: setting(
    'DANGEROUS_DISABLE_TLS_VERIFICATION',
    mapped(yesOrNo(false), (isDisabled) => !isDisabled),
    {
      means:
        'do not check certificates of receivers. **For tests only**: an attacker on the way can read and change ' +
        'events. The log says so at each start',
    },
  ),
  httpsOnly: setting('HTTPS_ONLY', yesOrNo(false), { means: 'refuse targets that begin with `http:`' }),
}
