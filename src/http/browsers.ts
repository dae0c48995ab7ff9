/**
 * Protects a gateway without keys from web pages that make their visitors' browsers send requests. A page of another
 * site can post to the gateway without a preflight (a simple request, as forms make them). A page can also make its own
 * name resolve to the gateway's address (DNS rebinding), and then read the answers, too. Browsers say where a request
 * comes from and which host it is meant for; programs such as curl say only the second.
 */
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { GatewayError } from '../domain/errors.ts'
import { isManagement } from './auth.ts'

export interface OwnAddresses {
  /** The address or name that the gateway listens on. */
  host: string
  /** The beginning of links to the gateway, if it is configured. */
  publicUrl: string | null
}

/**
 * Refuses requests to management routes that pages of other sites may have made: 403 `cross_site`, 421 `unknown_host`.
 */
export function useOwnPagesOnly(app: FastifyInstance, own: OwnAddresses): void {
  const isOwnHost = ownHosts(own)
  const origin = own.publicUrl === null ? null : new URL(own.publicUrl).origin
  app.addHook('onRequest', (request, _reply, done) => {
    done(isManagement(request) ? problemOf(request.headers) : undefined)
  })

  function problemOf(headers: BrowserHeaders): GatewayError | undefined {
    if (headers.host !== undefined && !isOwnHost(headers.host)) return new GatewayError('unknown_host')
    return isFromElsewhere(headers, origin) ? new GatewayError('cross_site') : undefined
  }
}

export interface BrowserHeaders {
  host?: string | undefined
  origin?: string | undefined
  'sec-fetch-site'?: string | string[] | undefined
}

/**
 * True for a request of a page whose origin is neither its own host nor `publicOrigin`. Browsers say so in
 * `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/), but older ones, and plain HTTP to other machines, do not
 * send that header. `Origin` comes with every request that can change something.
 */
export function isFromElsewhere(headers: BrowserHeaders, publicOrigin: string | null): boolean {
  const site = headers['sec-fetch-site']
  // `none`: the user typed the address or followed a bookmark.
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  const { origin, host = '' } = headers
  if (origin === undefined || origin === publicOrigin) return false
  // The comparison uses the origin's scheme, because TLS may end at a proxy. So a default port is the same as none.
  const scheme = /^https?:(?=\/\/)/i.exec(origin)?.[0]
  if (scheme === undefined || !URL.canParse(origin) || !URL.canParse(`${scheme}//${host}`)) return true
  return new URL(origin).host !== new URL(`${scheme}//${host}`).host
}

/** Names that no attacker can make resolve to another gateway; `internal` is for private networks (ICANN, 2024). */
const PRIVATE_NAME = /^(?:[^.]+|.+\.localhost|.+\.internal)$/
const HOST = /^(\[[^\]]+\]|[^:[\]]+)(?::\d*)?$/

/**
 * Tells whether a `Host` may be the gateway's. It may have any port, because ports are forwarded. A page's own name has
 * a dot, or its owner controls the local network anyway. An address cannot be made to mean another one.
 */
export function ownHosts({ host, publicUrl }: OwnAddresses): (host: string) => boolean {
  const known = new Set([host.toLowerCase(), ...(publicUrl === null ? [] : [new URL(publicUrl).hostname])])
  // One client sends the same host again and again.
  let last: string | null = null
  return (given) => {
    if (given === last) return true
    const name = HOST.exec(given.toLowerCase())?.[1]
    if (name === undefined) return false
    const address = name.startsWith('[') ? name.slice(1, -1) : name
    if (!known.has(name) && isIP(address) === 0 && !PRIVATE_NAME.test(name)) return false
    last = given
    return true
  }
}
