/** Header names that an endpoint may not set, for they frame the request, sign it, or belong to the hop. */
const FORBIDDEN = new Set(
  `host connection content-length content-type content-encoding content-language content-location transfer-encoding te
   trailer trailers upgrade keep-alive expect proxy-authenticate proxy-authorization user-agent age cache-control
   clear-site-data expires pragma warning x-hub-signature-256 x-event-type`.split(/\s+/),
)
const FORBIDDEN_PREFIXES = [
  'hookferry-',
  'webhook-',
  'svix-',
  'x-svix-',
  'x-amz-',
  'x-amzn-',
  'x-google',
  'x-goog-',
  'x-gfe',
  'x-azure-',
  'x-fd-',
]

/** Null when the header may be sent along with deliveries, otherwise what is wrong with it. */
export function customHeaderProblem(name: string, value: string): string | null {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return 'is not a valid header name'
  const lower = name.toLowerCase()
  if (FORBIDDEN.has(lower) || FORBIDDEN_PREFIXES.some((prefix) => lower.startsWith(prefix)))
    return 'is set by the gateway or by the connection and cannot be a custom header'
  // RFC 9110, 5.5: visible characters, space and tab. CR and LF would let a value add headers of its own.
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return 'has a value with characters that a header cannot carry'
  return null
}

/** Headers that authenticate, in lower case: their values are not shown by the Svix API. */
export const SENSITIVE_HEADERS: ReadonlySet<string> = new Set([
  'x-auth-token',
  'x-api-key',
  'www-authenticate',
  'authorization',
  'proxy-authenticate',
  'proxy-authorization',
])
