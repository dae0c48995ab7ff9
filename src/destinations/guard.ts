/**
 * Keeps deliveries away from addresses that only this machine or its network can reach.
 *
 * The owner of an endpoint chooses where this process connects to. Without a guard that could be the cloud's metadata
 * service, a database without a password or this gateway itself. The URL is checked when it is registered and before
 * each attempt, but a name may resolve to something else a moment later. The connector therefore has the last word: it
 * resolves the name once, checks every address and connects to one of the checked addresses. Never resolve a name here
 * and connect by that name elsewhere: between the two, DNS may change its mind.
 */

import type { LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import { buildConnector } from 'undici'
import { contains, parseAddress, parseSubnet, type Subnet, whyNotPublic } from './address-ranges.ts'

export interface AddressGuard {
  /** Null when a connection to this IP address is allowed; otherwise says why not and which option would allow it. */
  refusesAddress(address: string): string | null
  /**
   * Checks a URL without the network, at registration and before each attempt: null when no rule forbids the URL,
   * otherwise the reason. A null is no promise that the name resolves to an allowed address.
   */
  refusesUrl(url: URL): string | null
  /**
   * Returns the function for the `connect` option of undici's Agent, Pool or Client. The request fails with
   * BlockedAddressError, and no socket is opened, when the host is a forbidden address or its name resolves to one. The
   * time-out covers the name's resolution, the connection and the TLS handshake.
   */
  connector(options: { connectTimeoutMs: number; verifyTls?: boolean }): buildConnector.connector
}

/** Resolves a name to all of its addresses. */
export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>

/**
 * A refused connection. The message is for the endpoint's owner: for a name, it does not tell what the name resolves
 * to.
 */
export class BlockedAddressError extends Error {
  override readonly name = 'BlockedAddressError'
  readonly code = 'BLOCKED_ADDRESS'
}

/** For the operator: the address that the name resolved to, and why the address is refused. */
export interface BlockedName {
  host: string
  why: string
}

/** Throws when one of `allowedSubnets` is not a subnet; `cidrProblem` tells beforehand. */
export function createAddressGuard(options: {
  allowedSubnets: readonly string[]
  httpsOnly?: boolean
  lookup: Lookup
  onBlocked?: (blocked: BlockedName) => void
}): AddressGuard {
  const allowed = options.allowedSubnets.map(subnetOrThrow)
  const { lookup, onBlocked = () => {} } = options

  const refusesAddress = (text: string): string | null => {
    const address = parseAddress(text)
    if (!address) return `"${text}" is not an IP address that can be checked`
    if (allowed.some((subnet) => contains(subnet, address))) return null
    const why = whyNotPublic(address)
    return why && `the address ${text} is ${why}; a subnet in ALLOWED_SUBNETS can allow it`
  }

  return {
    refusesAddress,

    refusesUrl(url) {
      if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'the URL has to begin with http:// or https://'
      if (url.protocol === 'http:' && options.httpsOnly) return 'HTTPS_ONLY asks for a URL that begins with https://'
      if (url.username || url.password) return 'the URL must not contain a user name or password'
      if (url.port === '0') return 'nothing can be reached at port 0'

      const literal = literalAddress(url.hostname)
      if (literal !== null) return refusesAddress(literal)
      // One dot at the end says that the name is complete. URL parsing also takes `127.0.0.1..` for a name.
      if (/^\.|\.\./.test(url.hostname)) return `the host name ${url.hostname} has an empty part between its dots`
      // With ALLOWED_SUBNETS the operator has receivers in the internal network, and those have such names. The
      // addresses behind the name are still checked when connecting.
      if (allowed.length > 0 || !isLocalName(url.hostname)) return null
      return `the host name ${url.hostname} is a local one; a subnet in ALLOWED_SUBNETS can allow its address`
    },

    connector({ connectTimeoutMs, verifyTls = true }) {
      const connect = buildConnector({
        allowH2: false,
        timeout: connectTimeoutMs,
        rejectUnauthorized: verifyTls,
        lookup: checkedLookup({ lookup, refusesAddress, onBlocked }),
      })

      return (target, callback) => {
        // node:net never calls `lookup` for a literal address, so a literal is checked before there is a socket.
        const literal = literalAddress(target.hostname)
        const refusal = literal === null ? null : refusesAddress(literal)
        if (refusal !== null) {
          process.nextTick(callback, new BlockedAddressError(refusal), null)
          return
        }

        connect(target, (error, socket) => {
          if (error) {
            callback(error, null)
            return
          }
          // At this point the peer was checked already. If a change in Node or undici opens a way around that check,
          // this second check still stands between the connection and the first byte of the request.
          const peerRefusal = refusesPeer(target.hostname, socket.remoteAddress, refusesAddress)
          if (peerRefusal) {
            socket.destroy()
            callback(peerRefusal, null)
            return
          }
          callback(null, socket)
        })
      }
    },
  }
}

function subnetOrThrow(text: string): Subnet {
  const subnet = parseSubnet(text)
  if (typeof subnet === 'string') throw new Error(subnet)
  return subnet
}

/**
 * The address when the host is one, without the brackets of a URL; null when the host is a name. A text counts as an
 * address when Node takes it for one, or when it has a colon, which no name contains. Both are then judged by our own,
 * stricter parser, which refuses zone ids.
 */
function literalAddress(hostname: string): string | null {
  const bare = hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname
  return isIP(bare) !== 0 || bare.includes(':') ? bare : null
}

/** Names that this machine or its network answers, whatever public DNS says. */
function isLocalName(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/\.+$/, '')
  return !name.includes('.') || /\.(localhost|local|internal)$/.test(name)
}

type RefusesAddress = AddressGuard['refusesAddress']

function refusesPeer(
  hostname: string,
  remoteAddress: string | undefined,
  refusesAddress: RefusesAddress,
): Error | null {
  // After a reset right at the start the kernel no longer knows the peer of a connection.
  if (remoteAddress === undefined) {
    return Object.assign(new Error('the connection was closed at once'), { code: 'ECONNRESET' })
  }
  return refusesAddress(remoteAddress) === null ? null : notPublic(hostname)
}

const notPublic = (hostname: string): BlockedAddressError =>
  new BlockedAddressError(`${hostname} does not resolve to a public address`)

/**
 * A `lookup` for node:net that returns checked addresses only. node:net calls it once for a connection, so no second,
 * different answer exists.
 */
function checkedLookup({
  lookup,
  refusesAddress,
  onBlocked,
}: {
  lookup: Lookup
  refusesAddress: RefusesAddress
  onBlocked: (blocked: BlockedName) => void
}): LookupFunction {
  const resolve = async (hostname: string): Promise<LookupAddress[]> => {
    const answers = await lookup(hostname)
    // One forbidden address refuses the whole name. No honest receiver has one. If only the other addresses were used,
    // the address that gets the request would depend on the resolver's order and the timing of happy eyeballs: an
    // attacker could try as often as there are retries, and an operator could not explain why every other delivery
    // fails.
    const checked = answers.map(({ address }) => {
      const refusal = refusesAddress(address)
      if (refusal !== null) {
        onBlocked({ host: hostname, why: refusal })
        throw notPublic(hostname)
      }
      return { address, family: isIP(address) }
    })
    if (checked.length === 0) throw Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' })
    return checked
  }

  const resolveThen = callbackify(resolve)
  return (hostname, options, callback) => {
    resolveThen(hostname, (error, addresses) => {
      const first = addresses?.[0]
      if (error || !first) callback(error, [])
      else if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }
}
