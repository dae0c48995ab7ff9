/**
 * Header names that an endpoint may not set. Such headers frame the request or sign it, belong to the hop or to a
 * browser, or tell receivers who sent the request, which trusted proxies do. `origin`, `referer` and `cookie` may be
 * set: some receivers tell their callers apart by them, and anyone who reaches those receivers can send them as well.
 */
const FORBIDDEN = new Set(
  `host connection content-length content-type content-encoding content-language content-location transfer-encoding te
   trailer trailers upgrade keep-alive expect proxy-authenticate proxy-authorization user-agent age cache-control
   clear-site-data expires pragma warning x-hub-signature-256 x-event-type proxy-connection http2-settings date via
   forwarded x-real-ip x-client-ip true-client-ip --proto--`.split(/\s+/),
)
const FORBIDDEN_PREFIXES = [
  'sec-',
  'x-forwarded-',
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

export const CUSTOM_HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110, 5.5: visible characters, space and tab. CR and LF would let a value add headers of its own. */
export const CUSTOM_HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Null when deliveries may carry the header; otherwise says what is wrong with it. */
export function customHeaderProblem(name: string, value: string): string | null {
  if (!CUSTOM_HEADER_NAME.test(name)) return 'is not a valid header name'
  // Receivers that run as CGI programs get the same variable for both (RFC 3875, 4.1.18).
  const known = name.toLowerCase().replaceAll('_', '-')
  if (FORBIDDEN.has(known) || FORBIDDEN_PREFIXES.some((prefix) => known.startsWith(prefix)))
    return 'is set by the gateway or by the connection and cannot be a custom header'
  if (!CUSTOM_HEADER_VALUE.test(value)) return 'has a value with characters that a header cannot carry'
  return null
}

/** Headers that authenticate; their values are not shown again. The names are those of the Svix API, and cookies. */
const SENSITIVE: ReadonlySet<string> = new Set([
  'x-auth-token',
  'x-api-key',
  'www-authenticate',
  'authorization',
  'proxy-authenticate',
  'proxy-authorization',
  'cookie',
])

export const isSensitiveHeader = (name: string): boolean => SENSITIVE.has(name.toLowerCase())

/** Stands for a value that is not shown. When a client sends it back, the value stays. */
export const HIDDEN_VALUE = '(hidden)'

/** The headers, with `HIDDEN_VALUE` in place of values that authenticate. */
export const hideSensitive = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, isSensitiveHeader(name) ? HIDDEN_VALUE : value]),
  )

/**
 * Reverses `hideSensitive`: a hidden value gets the value that it had `before`. `missing` names a header that had none.
 */
export function restoreHidden(
  given: Readonly<Record<string, string | null>>,
  before: Readonly<Record<string, string>>,
): { headers: Record<string, string | null> } | { missing: string } {
  const kept = new Map(Object.entries(before).map(([name, value]) => [name.toLowerCase(), value]))
  const headers: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(given)) {
    const isHidden = value === HIDDEN_VALUE && isSensitiveHeader(name)
    const restored = isHidden ? kept.get(name.toLowerCase()) : value
    if (restored === undefined) return { missing: name }
    headers[name] = restored
  }
  return { headers }
}
