/** Reads from text the proxy's address and the hosts that are connected to without the proxy. Opens nothing. */
import { contains, parseAddress, parseSubnet, type Subnet } from './address-ranges.ts'

export interface Proxy {
  protocol: 'http:' | 'https:'
  hostname: string
  port: string
  /** The value of `Proxy-Authorization`; null when the URL has no user. */
  authorization: string | null
}

/** A proxy, and the hosts that are connected to without it. */
export interface ProxySettings {
  proxy: Proxy
  exceptions: readonly string[]
}

/** The proxy of a URL that `parseProxy` accepted before; null without a URL. */
export function proxyFrom(url: string | null, exceptions: readonly string[]): ProxySettings | null {
  const proxy = url === null ? null : parseProxy(url)
  return proxy && { proxy, exceptions }
}

/** The form `http://user:password@proxy:3128` or `https://…`, with nothing behind the port; null for all other text. */
export function parseProxy(text: string): Proxy | null {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.port === '0') return null
  const user = [url.username, url.password].map(decoded)
  if (user.includes(null)) return null
  return {
    protocol: url.protocol,
    hostname: url.hostname,
    port: url.port || (url.protocol === 'https:' ? '443' : '80'),
    authorization: url.username === '' ? null : `Basic ${Buffer.from(user.join(':')).toString('base64')}`,
  }
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const NAME = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

/**
 * The reason why `text` is no exception; null when it is a name (which includes the names below it), an address or a
 * subnet.
 */
export function exceptionProblem(text: string): string | null {
  if (typeof parseSubnet(text) !== 'string' || NAME.test(nameOf(text))) return null
  return `"${text}" is no name such as example.com, no address and no subnet`
}

const nameOf = (text: string): string => text.toLowerCase().replace(/^\*?\./, '')

/** Tells whether a URL's host, as the URL writes it, is one of the exceptions. */
export function isExcepted(exceptions: readonly string[]): (hostname: string) => boolean {
  const subnets = exceptions.map(parseSubnet).filter((one): one is Subnet => typeof one !== 'string')
  const names = exceptions.filter((one) => typeof parseSubnet(one) === 'string').map(nameOf)
  return (hostname) => {
    const address = parseAddress(hostname.replace(/^\[(.*)\]$/, '$1'))
    if (address !== null) return subnets.some((subnet) => contains(subnet, address))
    const name = hostname.toLowerCase().replace(/\.$/, '')
    return names.some((one) => name === one || name.endsWith(`.${one}`))
  }
}
