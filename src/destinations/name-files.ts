/** Parses `/etc/hosts` and `/etc/resolv.conf`, and derives the names to ask for. Pure: the texts are passed in. */
import { isIP } from 'node:net'

/** Names in lower case and the addresses that the hosts file gives them, in its order. */
export type Hosts = ReadonlyMap<string, readonly string[]>

/** The lines of `resolv.conf` that c-ares leaves to its caller. */
export interface SearchRules {
  /** Domains that are tried behind a name, without a dot at their end. */
  search: readonly string[]
  /** A name with at least this many dots is tried as it is before it is tried with the domains. */
  ndots: number
}

/** Domains of `search` that are kept: the first ones. glibc and Kubernetes have the same limit. */
const SEARCH_DOMAINS_MAX = 32
/** RES_MAXNDOTS of glibc. */
const NDOTS_MAX = 15
const NAME_CHARS_MAX = 253

/** Skips invalid lines, as hosts(5) says, and addresses with a zone, which the guard cannot check. */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = withoutComment(line, '#').trim().split(/\s+/)
    if (isIP(address) === 0 || address.includes('%')) continue
    for (const name of names) {
      const known = hosts.get(name.toLowerCase())
      if (known === undefined) hosts.set(name.toLowerCase(), [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return hosts
}

/**
 * Reads `search`, `domain` and `ndots` of resolv.conf(5). The last line of `search` or `domain` counts. Without such a
 * line the search domain is the domain of the machine's own name.
 */
export function parseSearchRules(text: string, hostname: string): SearchRules {
  let search: string[] | null = null
  let ndots = 1
  for (const line of text.split('\n')) {
    const [keyword, ...values] = withoutComment(withoutComment(line, ';'), '#').trim().split(/\s+/)
    if (keyword === 'search') search = values
    else if (keyword === 'domain') search = values.slice(0, 1)
    else if (keyword === 'options') {
      const asked = values.map((value) => /^ndots:(\d+)$/.exec(value)?.[1]).findLast((value) => value !== undefined)
      if (asked !== undefined) ndots = Math.min(Number(asked), NDOTS_MAX)
    }
  }
  const own = hostname.includes('.') ? [hostname.slice(hostname.indexOf('.') + 1)] : []
  const domains = (search ?? own).map((domain) => domain.toLowerCase().replace(/\.+$/, '')).filter((one) => one !== '')
  return { search: domains.slice(0, SEARCH_DOMAINS_MAX), ndots }
}

/** The names to ask for, in turn, until one is found. A dot at the end says that the name is complete. */
export function namesToTry(name: string, { search, ndots }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const longer = search.map((domain) => `${name}.${domain}`).filter((one) => one.length <= NAME_CHARS_MAX)
  return name.split('.').length - 1 >= ndots ? [name, ...longer] : [...longer, name]
}

/** `localhost` and the names below it, which no name server is ever asked for (RFC 6761, 6.3). */
export const isLocalhost = (name: string): boolean => /^(.+\.)?localhost$/.test(name)

function withoutComment(line: string, sign: string): string {
  const at = line.indexOf(sign)
  return at === -1 ? line : line.slice(0, at)
}
