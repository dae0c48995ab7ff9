/**
 * IP addresses as numbers, and the table of those that are not on the public Internet.
 *
 * Addresses are parsed here, strictly, and never compared as text: one address has many spellings (`::ffff:7f00:1`,
 * `::ffff:127.0.0.1`, `127.0.0.1`), and every known hole in guards of this kind was a forgotten spelling. The parser
 * understands only the forms that `node:net` connects to without asking DNS. Any other text that looks like an address
 * goes through URL parsing or a resolver first, and comes back here in its plain form.
 *
 * For IPv4 the table lists what is refused. IPv6 is the other way round, because most of its space is unassigned or a
 * way of writing IPv4: only 2000::/3 is public, minus the rows of the table.
 */

/** A run of addresses that share their first `prefix` bits. A single address is a subnet of its full width. */
export interface Subnet {
  readonly bits: 32 | 128
  readonly value: bigint
  readonly prefix: number
}

interface NamedSubnet {
  readonly subnet: Subnet
  readonly cidr: string
  readonly name: string
}

/** The first row that matches gives the words of the refusal, so narrow rows stand before wide ones. */
const NOT_PUBLIC: readonly NamedSubnet[] = [
  named('100.100.100.200/32', 'cloud metadata'),
  named('168.63.129.16/32', 'cloud metadata'), // Azure's, in the middle of public space
  named('169.254.169.254/32', 'cloud metadata'),
  named('169.254.170.2/32', 'cloud metadata'),
  named('169.254.170.23/32', 'cloud metadata'),
  named('192.0.0.192/32', 'cloud metadata'),
  named('fd00:ec2::254/128', 'cloud metadata'),
  named('fd20:ce::254/128', 'cloud metadata'),

  named('0.0.0.0/8', 'this network'),
  named('10.0.0.0/8', 'private'),
  named('100.64.0.0/10', 'carrier-grade NAT'),
  named('127.0.0.0/8', 'loopback'),
  named('169.254.0.0/16', 'link-local'),
  named('172.16.0.0/12', 'private'),
  named('192.0.0.0/24', 'protocol assignments'),
  named('192.0.2.0/24', 'documentation'),
  named('192.31.196.0/24', 'AS112'),
  named('192.52.193.0/24', 'multicast tunnels'),
  named('192.88.99.0/24', '6to4 relays'),
  named('192.168.0.0/16', 'private'),
  named('192.175.48.0/24', 'AS112'),
  named('198.18.0.0/15', 'benchmarks'),
  named('198.51.100.0/24', 'documentation'),
  named('203.0.113.0/24', 'documentation'),
  named('224.0.0.0/4', 'multicast'),
  named('240.0.0.0/4', 'reserved'),

  named('2001::/23', 'protocol assignments, Teredo'),
  named('2001:db8::/32', 'documentation'),
  named('2002::/16', '6to4'),
  named('2620:4f:8000::/48', 'AS112'),
  named('3fff::/20', 'documentation'),

  // The rows below lie outside 2000::/3, which is refused without a row. They only give the refusal its words.
  named('::/128', 'unspecified'),
  named('::1/128', 'loopback'),
  named('64:ff9b::/96', 'NAT64'),
  named('64:ff9b:1::/48', 'NAT64'),
  named('fc00::/7', 'private'),
  named('fe80::/10', 'link-local'),
  named('fec0::/10', 'site-local'),
  named('ff00::/8', 'multicast'),
]

const PUBLIC_IPV6 = named('2000::/3', 'public').subnet

/** The reason why the address is not public, as words that fit behind "it is"; null when the address is public. */
export function whyNotPublic(address: Subnet): string | null {
  const row = NOT_PUBLIC.find(({ subnet }) => contains(subnet, address))
  if (row) return `in ${row.cidr} (${row.name})`
  if (address.bits === 128 && !contains(PUBLIC_IPV6, address)) return 'outside 2000::/3 (public IPv6)'
  return null
}

/** An IPv4 address lies in no IPv6 subnet, not even in ::/0, and a mapped one is IPv4. */
export function contains(subnet: Subnet, address: Subnet): boolean {
  const hostBits = BigInt(subnet.bits - subnet.prefix)
  return subnet.bits === address.bits && subnet.value >> hostBits === address.value >> hostBits
}

/**
 * The address that `text` writes; an IPv4-mapped IPv6 address is read as its IPv4. Null for all else, also with a zone
 * id.
 */
export function parseAddress(text: string): Subnet | null {
  const plain = parsePlain(text)
  return plain && unmapped(plain)
}

/**
 * The subnet that `text` writes in CIDR notation, or a sentence that says what is wrong with it. A bare address is a
 * subnet of one. Bits behind the prefix are ignored, since `ip addr` and `docker network inspect` print them too.
 */
export function parseSubnet(text: string): Subnet | string {
  const slash = text.indexOf('/')
  const address = parsePlain(slash === -1 ? text : text.slice(0, slash))
  if (!address) return `"${text}" does not begin with an IP address; valid are 10.0.0.0/8, fd00::/8 or 192.168.1.5`
  if (slash === -1) return unmapped(address)

  const prefixText = text.slice(slash + 1)
  const prefix = Number(prefixText)
  if (!/^\d{1,3}$/.test(prefixText) || prefix > address.bits) {
    return `"${text}" needs a whole number from 0 to ${address.bits} behind the slash, as in ${address.bits === 32 ? '10.0.0.0/8' : 'fd00::/8'}`
  }
  return unmapped({ ...address, prefix })
}

function named(cidr: string, name: string): NamedSubnet {
  const subnet = parseSubnet(cidr)
  if (typeof subnet === 'string') throw new Error(subnet)
  return { subnet, cidr, name }
}

/** The kernel sends to ::ffff:a.b.c.d over IPv4, so both spellings get the verdict of a.b.c.d. */
function unmapped(subnet: Subnet): Subnet {
  const isMapped = subnet.bits === 128 && subnet.prefix >= 96 && subnet.value >> 32n === 0xffffn
  return isMapped ? { bits: 32, value: subnet.value & 0xffff_ffffn, prefix: subnet.prefix - 96 } : subnet
}

function parsePlain(text: string): Subnet | null {
  const bits = text.includes(':') ? 128 : 32
  const value = bits === 128 ? parseIpv6(text) : parseIpv4(text)
  return value === null ? null : { bits, value, prefix: bits }
}

function parseIpv4(text: string): bigint | null {
  const octets = text.split('.')
  // A leading zero is refused: some parsers read it as octal and others as decimal.
  if (octets.length !== 4 || !octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) <= 255)) {
    return null
  }
  return octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n)
}

function parseIpv6(text: string): bigint | null {
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [before, after] = halves
  const head = parseGroups(before ?? '', after === undefined)
  const tail = parseGroups(after ?? '', true)
  if (!head || !tail) return null

  const missing = 8 - head.length - tail.length
  // "::" stands for at least one group; without "::" all eight groups have to be there.
  if (after === undefined ? missing !== 0 : missing < 1) return null
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

/** The 16-bit groups of one side of "::". Only at the end of an address may the last two be written as dotted IPv4. */
function parseGroups(text: string, isEnd: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    const ipv4 = isEnd && index === parts.length - 1 ? parseIpv4(part) : null
    if (ipv4 !== null) groups.push(Number(ipv4 >> 16n), Number(ipv4 & 0xffffn))
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16))
    else return null
  }
  return groups
}

/**
 * Null when `text` is a subnet in CIDR notation or a bare address; otherwise says what is wrong and what would be
 * valid.
 */
export function cidrProblem(text: string): string | null {
  const subnet = parseSubnet(text)
  return typeof subnet === 'string' ? subnet : null
}

/** An address with an optional port: `10.0.0.2`, `10.0.0.2:5353`, `fd00::2`, `[fd00::2]:5353`. */
export function isNameServer(text: string): boolean {
  const [, address = text, port] = /^\[([^\]]+)\](?::(\d+))?$/.exec(text) ?? /^([\d.]+)(?::(\d+))?$/.exec(text) ?? []
  return (
    cidrProblem(address) === null &&
    !address.includes('/') &&
    (port === undefined || (Number(port) > 0 && Number(port) <= 65_535))
  )
}
