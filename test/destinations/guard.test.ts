import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { promises as dns } from 'node:dns'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import * as fc from 'fast-check'
import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cidrProblem } from '../../src/destinations/address-ranges.ts'
import { BlockedAddressError, type BlockedName, createAddressGuard, type Lookup } from '../../src/destinations/guard.ts'

const FFFF = 'ffff:ffff:ffff:ffff:ffff'

/** Every refused range with its first and last address, then the public ones right outside of it. */
const REFUSED_RANGES: readonly (readonly [cidr: string, first: string, last: string, ...publicNeighbours: string[]])[] =
  [
    ['0.0.0.0/8', '0.0.0.0', '0.255.255.255', '1.0.0.0'],
    ['10.0.0.0/8', '10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
    ['100.64.0.0/10', '100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
    ['127.0.0.0/8', '127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
    ['168.63.129.16/32', '168.63.129.16', '168.63.129.16', '168.63.129.15', '168.63.129.17'],
    ['169.254.0.0/16', '169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
    ['172.16.0.0/12', '172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
    ['192.0.0.0/24', '192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
    ['192.0.2.0/24', '192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
    ['192.31.196.0/24', '192.31.196.0', '192.31.196.255', '192.31.195.255', '192.31.197.0'],
    ['192.52.193.0/24', '192.52.193.0', '192.52.193.255', '192.52.192.255', '192.52.194.0'],
    ['192.88.99.0/24', '192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
    ['192.168.0.0/16', '192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
    ['192.175.48.0/24', '192.175.48.0', '192.175.48.255', '192.175.47.255', '192.175.49.0'],
    ['198.18.0.0/15', '198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
    ['198.51.100.0/24', '198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
    ['203.0.113.0/24', '203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
    ['224.0.0.0/4', '224.0.0.0', '239.255.255.255', '223.255.255.255'],
    ['240.0.0.0/4', '240.0.0.0', '255.255.255.255'],
    ['2001::/23', '2001::', `2001:1ff:${FFFF}:ffff`, `2000:ffff:${FFFF}:ffff`, '2001:200::'],
    ['2001:db8::/32', '2001:db8::', `2001:db8:${FFFF}:ffff`, `2001:db7:${FFFF}:ffff`, '2001:db9::'],
    ['2002::/16', '2002::', `2002:ffff:${FFFF}:ffff`, `2001:ffff:${FFFF}:ffff`, '2003::'],
    ['2620:4f:8000::/48', '2620:4f:8000::', `2620:4f:8000:${FFFF}`, `2620:4f:7fff:${FFFF}`, '2620:4f:8001::'],
    ['3fff::/20', '3fff::', `3fff:fff:${FFFF}:ffff`, `3ffe:ffff:${FFFF}:ffff`, '3fff:1000::'],
    ['::/3', '::', `1fff:ffff:${FFFF}:ffff`, '2000::'],
    ['4000::/2', '4000::', `7fff:ffff:${FFFF}:ffff`, `3fff:ffff:${FFFF}:ffff`],
    ['8000::/1', '8000::', `ffff:ffff:${FFFF}:ffff`],
  ]

/** Of this machine, for `localhost`. */
const systemLookup: Lookup = (hostname) => dns.lookup(hostname, { all: true })
const guard = createAddressGuard({ allowedSubnets: [], lookup: systemLookup })
const guardAllowing = (...allowedSubnets: string[]) => createAddressGuard({ allowedSubnets, lookup: systemLookup })

describe('an address', () => {
  test.each(REFUSED_RANGES)('of %s is refused, its public neighbours are not', (_, first, last, ...neighbours) => {
    expect(guard.refusesAddress(first)).toContain('ALLOWED_SUBNETS')
    expect(guard.refusesAddress(last)).toContain('ALLOWED_SUBNETS')
    expect(neighbours.filter((address) => guard.refusesAddress(address) !== null)).toEqual([])
  })

  test.each([
    ['169.254.169.254', 'cloud metadata'],
    ['169.254.170.2', 'cloud metadata'],
    ['169.254.170.23', 'cloud metadata'],
    ['168.63.129.16', 'cloud metadata'],
    ['100.100.100.200', 'cloud metadata'],
    ['192.0.0.192', 'cloud metadata'],
    ['fd00:ec2::254', 'cloud metadata'],
    ['fd20:ce::254', 'cloud metadata'],
    ['127.0.0.1', '127.0.0.0/8 (loopback)'],
    ['::1', '::1/128 (loopback)'],
    ['::', 'unspecified'],
    ['::127.0.0.1', 'outside 2000::/3'],
    ['::ffff:127.0.0.1', '127.0.0.0/8 (loopback)'],
    ['::ffff:7f00:1', '127.0.0.0/8 (loopback)'],
    ['0:0:0:0:0:FFFF:0A00:0001', '10.0.0.0/8 (private)'],
    ['::ffff:169.254.169.254', 'cloud metadata'],
    ['::ffff:0:127.0.0.1', 'outside 2000::/3'],
    ['64:ff9b::8.8.8.8', 'NAT64'],
    ['64:ff9b:1::1', 'NAT64'],
    ['100::1', 'outside 2000::/3'],
    ['100:0:0:1::1', 'outside 2000::/3'],
    ['4000::1', 'outside 2000::/3'],
    ['5f00::1', 'outside 2000::/3'],
    ['fc00::1', 'private'],
    ['fe80::1', 'link-local'],
    ['fec0::1', 'site-local'],
    ['ff02::1', 'multicast'],
    ['2001:0:4136:e378::1', 'Teredo'],
    ['2002:7f00:1::1', '6to4'],
  ])('%s is refused with the words "%s"', (address, words) => {
    expect(guard.refusesAddress(address)).toContain(words)
  })

  test.each(['8.8.8.8', '1.1.1.1', '::ffff:8.8.8.8', '2606:4700:4700::1111', '2A00:1450:4001:0:0:0:0:200E'])(
    '%s is allowed',
    (address) => {
      expect(guard.refusesAddress(address)).toBeNull()
    },
  )

  test.each([
    '',
    'localhost',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '0x7f.1',
    '8.8.8',
    '8.8.8.8.',
    '8.8.8.8.8',
    '8.8.8.256',
    '8.8.8.08',
    ' 8.8.8.8',
    '8.8.8.8\n',
    '\uff18.8.8.8',
    '8\u30028.8.8',
    '[2606:4700::1]',
    'fe80::1%eth0',
    '2606:4700::1%1',
    '2606:4700::1::',
    '2606:4700:::1',
    '2606:4700',
    '2606:4700:0:0:0:0:0:0:1',
    '2606:4700:0:0:0:0::0:1',
    '2606::8.8.8.8:1',
    '8.8.8.8::2606',
    '2606:04700::1',
    '2606:470g::1',
    ':2606::1',
    '2606::1:',
  ])('%j is refused because it is none, whatever is allowed', (text) => {
    expect(guardAllowing('0.0.0.0/0', '::/0').refusesAddress(text)).toContain('not an IP address')
  })
})

describe('the verdict, compared with node:net', () => {
  // One list per family, because BlockList looks for an IPv4 address among the IPv6 subnets too.
  const refusedIpv4 = blockList(REFUSED_RANGES.filter(isIpv4Range).map(([cidr]) => cidr))
  const refusedIpv6 = blockList(REFUSED_RANGES.filter((range) => !isIpv4Range(range)).map(([cidr]) => cidr))
  const publicIpv6 = blockList(['2000::/3'])

  function isRefused(spelling: string): boolean {
    const address = unmapped(spelling)
    if (net.isIPv4(address)) return refusedIpv4.check(address, 'ipv4')
    return !publicIpv6.check(address, 'ipv6') || refusedIpv6.check(address, 'ipv6')
  }

  function isInSubnet(cidr: string, spelling: string): boolean {
    const address = unmapped(spelling)
    if (cidr.includes(':') !== address.includes(':')) return false
    return blockList([cidr]).check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }

  const groups = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  const near = (words: readonly number[]) =>
    fc.tuple(fc.integer({ min: 0, max: words.length }), groups).map(([kept, random]) => {
      const mixed = words.map((word, index) => (index < kept ? word : (random[index] ?? 0)))
      return mixed.map((word) => word.toString(16)).join(':')
    })
  const ipv4 = fc.oneof(
    fc.ipV4(),
    // The neighbourhood of the ranges' edges, which random numbers hardly ever meet.
    fc
      .tuple(
        fc.constantFrom(...REFUSED_RANGES.filter(isIpv4Range).flatMap(([, first, last]) => [first, last])),
        fc.integer({ min: -300, max: 300 }),
      )
      .map(([edge, offset]) => {
        const value = edge.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
        return toDotted((value + offset + 2 ** 32) % 2 ** 32)
      }),
  )
  const ipv6 = fc.oneof(
    fc.ipV6(),
    ipv4.map((address) => `::ffff:${address}`),
    ipv4.map((address) => `0:0:0::FFFF:${address}`),
    ipv4.map((address) => `::${address}`),
    ipv4.map((address) => `64:ff9b::${address}`),
    ...REFUSED_RANGES.filter((range) => !isIpv4Range(range)).flatMap(([, , last]) => {
      const words = last.split(':').map((word) => Number.parseInt(word, 16))
      return [near(words), near(words.with(1, (words[1] ?? 0) ^ 0x1000)), near(words.with(0, (words[0] ?? 0) ^ 1))]
    }),
    near([0xfe80, 0, 0, 0, 0, 0, 0, 1]),
    near([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]),
  )

  test('is the same for any address in any spelling', () => {
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), (address) => {
        expect(guard.refusesAddress(address) !== null).toBe(isRefused(address))
        expect(guard.refusesAddress(address.toUpperCase()) !== null).toBe(isRefused(address))
      }),
      { numRuns: 10_000 },
    )
  })

  test('is the same with an allowed subnet, which allows its own addresses and no other', () => {
    const subnet = fc.oneof(
      fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
      fc.tuple(
        ipv6.filter((address) => net.isIPv6(unmapped(address))),
        fc.integer({ min: 0, max: 128 }),
      ),
    )
    fc.assert(
      fc.property(subnet, fc.oneof(ipv4, ipv6), ([base, prefix], other) => {
        const cidr = `${base}/${prefix}`
        const allowing = guardAllowing(cidr)
        expect(allowing.refusesAddress(base)).toBeNull()
        expect(allowing.refusesAddress(other) !== null).toBe(!isInSubnet(cidr, other) && isRefused(other))
      }),
      { numRuns: 5_000 },
    )
  })

  test('reads exactly what node:net reads as an address, except zone ids', () => {
    const everything = guardAllowing('0.0.0.0/0', '::/0')
    const damaged = fc
      .tuple(fc.oneof(ipv4, ipv6), fc.nat(45), fc.constantFrom('', ':', '::', '.', '0', 'f', '%', '%1', ' ', '/', 'g'))
      .map(([address, at, insert]) => address.slice(0, at) + insert + address.slice(at + (at % 3)))
    const text = fc.oneof(
      damaged,
      fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdefF:.%:.')) }),
      fc.string(),
    )
    fc.assert(
      fc.property(text, (candidate) => {
        const isAddress = net.isIP(candidate) !== 0 && !candidate.includes('%')
        expect(everything.refusesAddress(candidate) === null).toBe(isAddress)
      }),
      { numRuns: 10_000 },
    )
  })
})

describe('ALLOWED_SUBNETS', () => {
  test.each([
    ['127.0.0.0/8', '127.0.0.1'],
    ['127.0.0.0/8', '::ffff:127.0.0.1'],
    ['::ffff:127.0.0.0/104', '127.0.0.1'],
    ['127.0.0.1/8', '127.9.9.9'],
    ['10.1.2.3', '10.1.2.3'],
    ['169.254.169.254/32', '169.254.169.254'],
    ['0.0.0.0/0', '255.255.255.255'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['fd00::/8', 'fd00:ec2::254'],
    ['64:ff9b::/96', '64:ff9b::8.8.8.8'],
  ])('%s allows %s', (cidr, address) => {
    expect(guardAllowing(cidr).refusesAddress(address)).toBeNull()
  })

  test.each([
    ['127.0.0.0/8', '::1'],
    ['127.0.0.0/8', '128.0.0.0'],
    ['127.0.0.0/8', '10.0.0.1'],
    ['127.0.0.0/8', '::127.0.0.1'],
    ['10.1.2.3', '10.1.2.4'],
    ['::/0', '127.0.0.1'],
    ['::/0', '::ffff:127.0.0.1'],
    ['::ffff:127.0.0.0/95', '127.0.0.1'],
    ['::ffff:127.0.0.0/80', '::ffff:127.0.0.1'],
    ['fd00::/8', 'fc00::1'],
  ])('%s leaves the verdict on %s as it is', (cidr, address) => {
    expect(guardAllowing(cidr).refusesAddress(address)).toBe(guard.refusesAddress(address))
  })

  test.each(['10.0.0.0/8', '10.0.0.1/8', '10.0.0.0/0', '10.0.0.0/32', '10.0.0.1', '::/0', '::1', 'fd00::/128'])(
    'may contain %s',
    (cidr) => {
      expect(cidrProblem(cidr)).toBeNull()
    },
  )

  test.each([
    ['', 'does not begin with an IP address'],
    ['/8', 'does not begin with an IP address'],
    ['localhost', 'does not begin with an IP address'],
    ['10.0.0/8', 'does not begin with an IP address'],
    ['010.0.0.0/8', 'does not begin with an IP address'],
    ['fe80::1%eth0/64', 'does not begin with an IP address'],
    [' 10.0.0.0/8', 'does not begin with an IP address'],
    ['10.0.0.0/', 'from 0 to 32'],
    ['10.0.0.0/33', 'from 0 to 32'],
    ['10.0.0.0/-1', 'from 0 to 32'],
    ['10.0.0.0/8/8', 'from 0 to 32'],
    ['10.0.0.0/0x8', 'from 0 to 32'],
    ['10.0.0.0/8 ', 'from 0 to 32'],
    ['10.0.0.0/255.0.0.0', 'from 0 to 32'],
    ['fd00::/129', 'from 0 to 128'],
  ])('may not contain %j', (text, words) => {
    expect(cidrProblem(text)).toContain(words)
    expect(cidrProblem(text)).toMatch(/10\.0\.0\.0\/8|fd00::\/8/)
    expect(() => guardAllowing(text)).toThrow(words)
  })
})

describe('a URL', () => {
  test.each([
    'https://receiver.example/',
    'http://receiver.example:8080/path?query',
    'https://receiver.example./',
    'http://8.8.8.8/',
    'http://[2606:4700::1]:8443/',
    'https://local.example/',
    'https://internal.example/',
    'https://notlocalhost.example/',
    'https://localhost.example/',
    'https://127.0.0.1.nip.io/',
  ])('%s is allowed', (url) => {
    expect(refusal(url)).toBeNull()
  })

  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0177.0.0.1/',
    'http://0x7f.1/',
    'http://127.1/',
    'http://127.0.0.1./',
    'http://0/',
    'http://\uff11\uff12\uff17.0.0.1/',
    'http://127\u30020\uff0e0\uff611/',
    'http://\u2460\u2461\u2466.0.0.1/',
    'http://%31%32%37.0.0.1/',
    'http://[::]/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[0:0:0:0:0:ffff:127.0.0.1]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://168.63.129.16/',
    'http://10.0.0.1:8080/',
    'http://[fd00:ec2::254]/',
  ])('%s is refused for its address', (url) => {
    expect(refusal(url)).toMatch(/^the address .* ALLOWED_SUBNETS/)
  })

  test.each([
    'http://localhost/',
    'http://LOCALHOST:9000/',
    'http://localhost./',
    'http://\uff4c\uff4f\uff43alhost/',
    'http://app.localhost/',
    'http://app.localhost./',
    'http://printer.local/',
    'http://metadata.google.internal/',
    'http://metadata.google.internal./',
    'http://redis:6379/',
    'http://intranet./',
  ])('%s is refused for its name', (url) => {
    expect(refusal(url)).toMatch(/host name .* ALLOWED_SUBNETS/)
    // With an allowed subnet it is up to the addresses that the name resolves to.
    expect(guardAllowing('127.0.0.0/8').refusesUrl(new URL(url))).toBeNull()
  })

  test.each([
    'http://127.0.0.1../',
    'http://localhost../',
    'http://receiver..example/',
    'http://.receiver.example/',
    'http://receiver.example../',
    'http://../',
  ])('%s is refused for an empty part of its name, whatever is allowed', (url) => {
    expect(refusal(url)).toContain('empty part')
    expect(guardAllowing('0.0.0.0/0').refusesUrl(new URL(url))).toContain('empty part')
  })

  test('with an allowed literal address is allowed, with any other forbidden one is not', () => {
    const allowing = guardAllowing('127.0.0.0/8')
    expect(allowing.refusesUrl(new URL('http://[::ffff:127.0.0.1]/'))).toBeNull()
    expect(allowing.refusesUrl(new URL('http://0x7f.1/'))).toBeNull()
    expect(allowing.refusesUrl(new URL('http://[::1]/'))).toContain('ALLOWED_SUBNETS')
    expect(allowing.refusesUrl(new URL('http://10.0.0.1/'))).toContain('ALLOWED_SUBNETS')
  })

  test.each(['ftp://receiver.example/', 'file:///etc/passwd', 'data:text/plain,x', 'unix:/run/docker.sock'])(
    '%s is refused for its scheme',
    (url) => {
      expect(refusal(url)).toContain('http:// or https://')
    },
  )

  test('with http: is refused when HTTPS_ONLY is set', () => {
    const strict = createAddressGuard({ allowedSubnets: [], httpsOnly: true, lookup: systemLookup })
    expect(strict.refusesUrl(new URL('http://receiver.example/'))).toContain('HTTPS_ONLY')
    expect(strict.refusesUrl(new URL('https://receiver.example/'))).toBeNull()
  })

  test.each([
    'https://user@receiver.example/',
    'https://user:hush@receiver.example/',
    'https://:hush@receiver.example/',
  ])('%s is refused for its user info, without repeating it', (url) => {
    expect(refusal(url)).toContain('user name or password')
    expect(refusal(url)).not.toContain('hush')
  })

  test('with port 0 is refused', () => {
    expect(refusal('http://receiver.example:0/')).toContain('port 0')
  })

  test.each(['http://[fe80::1%25eth0]/', 'http://[fe80::1%eth0]/'])('with a zone id is none: %s', (url) => {
    expect(URL.canParse(url)).toBe(false)
  })
})

describe('the connector', () => {
  let stack = new AsyncDisposableStack()
  /** Every address that Node began to connect to on behalf of the code under test. */
  let dialled: string[] = []
  /** What the operator was told. */
  let blocked: BlockedName[] = []

  const onSocket = (message: unknown) => {
    if (typeof message !== 'object' || !message || !('socket' in message)) return
    if (message.socket instanceof net.Socket) message.socket.on('connectionAttempt', (address) => dialled.push(address))
  }

  beforeEach(() => {
    stack = new AsyncDisposableStack()
    dialled = []
    blocked = []
    subscribe('net.client.socket', onSocket)
  })

  afterEach(async () => {
    unsubscribe('net.client.socket', onSocket)
    vi.restoreAllMocks()
    await stack.disposeAsync()
  })

  async function startServer(): Promise<{ port: number; connections: () => number }> {
    let connections = 0
    const server = http.createServer((_, response) => response.end('received'))
    server.on('connection', () => connections++)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.defer(() => void server.close())
    return { port: portOf(server), connections: () => connections }
  }

  /** A server without a protocol, for a look at the first bytes of a connection. Resolves once the connection is over. */
  async function startRecorder(): Promise<{ port: number; firstBytes: Promise<Buffer> }> {
    const { promise, resolve } = Promise.withResolvers<Buffer>()
    const server = net.createServer((socket) => {
      const chunks: Buffer[] = []
      socket.on('data', (chunk) => {
        chunks.push(chunk)
        socket.destroy()
      })
      socket.on('close', () => resolve(Buffer.concat(chunks)))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.defer(() => void server.close())
    return { port: portOf(server), firstBytes: promise }
  }

  function startAgent(options: { allowedSubnets?: readonly string[]; lookup?: Lookup; connectTimeoutMs?: number }) {
    const { allowedSubnets = [], lookup = systemLookup, connectTimeoutMs = 5_000 } = options
    const guard = createAddressGuard({ allowedSubnets, lookup, onBlocked: (one) => blocked.push(one) })
    const agent = new Agent({ connect: guard.connector({ connectTimeoutMs }) })
    stack.defer(() => agent.destroy())
    return agent
  }

  test.each(['127.0.0.1', '[::ffff:127.0.0.1]', '2130706433', '127.1', '0', 'localhost'])(
    'opens no socket to %s',
    async (host) => {
      const server = await startServer()
      const failure = get(startAgent({}), `http://${host}:${server.port}/`)
      await expect(failure).rejects.toThrow(BlockedAddressError)
      await expect(failure).rejects.toMatchObject({
        code: 'BLOCKED_ADDRESS',
        message: expect.stringMatching(host === 'localhost' ? /not resolve to a public/ : /ALLOWED_SUBNETS/),
      })
      expect(dialled).toEqual([])
      expect(server.connections()).toBe(0)
    },
  )

  test.each(['127.0.0.1', '[::ffff:127.0.0.1]', '2130706433', 'localhost'])('reaches %s when allowed', async (host) => {
    const server = await startServer()
    const agent = startAgent({ allowedSubnets: ['127.0.0.0/8', '::1'] })
    expect(await get(agent, `http://${host}:${server.port}/`)).toEqual({ statusCode: 200, text: 'received' })
    expect(server.connections()).toBe(1)
  })

  test('opens no socket when a name resolves to a forbidden address', async () => {
    const server = await startServer()
    const lookup = answering('127.0.0.1')
    const failure = get(startAgent({ lookup }), `http://receiver.example:${server.port}/`)
    await expect(failure).rejects.toThrow(BlockedAddressError)
    expect(lookup).toHaveBeenCalledTimes(1)
    expect(dialled).toEqual([])
    expect(server.connections()).toBe(0)
  })

  test('tells the operator which address a name resolved to, and whoever chose the name does not learn it', async () => {
    const failure = get(startAgent({ lookup: answering('8.8.8.8', '10.1.2.3') }), 'http://receiver.example/')
    await expect(failure).rejects.toThrow(/^receiver\.example does not resolve to a public address$/)
    expect(blocked).toEqual([
      { host: 'receiver.example', why: expect.stringMatching(/^the address 10\.1\.2\.3 is in .*ALLOWED_SUBNETS/) },
    ])
  })

  test('connects to the resolved address, and resolves once', async () => {
    const server = await startServer()
    const lookup = answering('127.0.0.1')
    const agent = startAgent({ allowedSubnets: ['127.0.0.0/8'], lookup })
    expect(await get(agent, `http://receiver.example:${server.port}/`)).toMatchObject({ statusCode: 200 })
    expect(lookup.mock.calls).toEqual([['receiver.example']])
    expect(dialled).toEqual(['127.0.0.1'])
  })

  test('takes each of several checked addresses until one answers', async () => {
    const server = await startServer()
    const agent = startAgent({ allowedSubnets: ['127.0.0.0/8', '::1'], lookup: answering('::1', '127.0.0.1') })
    expect(await get(agent, `http://receiver.example:${server.port}/`)).toMatchObject({ statusCode: 200 })
    expect(dialled).toEqual(['::1', '127.0.0.1'])
  })

  test('works without happy eyeballs, when Node asks for one address instead of all', async () => {
    const server = await startServer()
    net.setDefaultAutoSelectFamily(false)
    stack.defer(() => net.setDefaultAutoSelectFamily(true))
    const agent = startAgent({ allowedSubnets: ['127.0.0.0/8'], lookup: answering('127.0.0.1') })
    expect(await get(agent, `http://receiver.example:${server.port}/`)).toMatchObject({ statusCode: 200 })
  })

  // 127.0.0.1 plays the public address here, and 127.0.0.2 the forbidden one: no test leaves this machine.
  test('connects only to the checked address when DNS changes its answer', async () => {
    const server = await startServer()
    const lookup = answering('127.0.0.2').mockImplementationOnce(answering('127.0.0.1'))
    const url = `http://rebinding.example:${server.port}/`

    expect(await get(startAgent({ allowedSubnets: ['127.0.0.1'], lookup }), url)).toMatchObject({ statusCode: 200 })
    expect(lookup).toHaveBeenCalledTimes(1)
    expect(dialled).toEqual(['127.0.0.1'])

    await expect(get(startAgent({ allowedSubnets: ['127.0.0.1'], lookup }), url)).rejects.toThrow(BlockedAddressError)
    expect(lookup).toHaveBeenCalledTimes(2)
    expect(dialled).toEqual(['127.0.0.1'])
  })

  test('checks the name again for every new connection of an agent', async () => {
    const server = await startServer()
    const lookup = answering('127.0.0.2').mockImplementationOnce(answering('127.0.0.1'))
    const agent = startAgent({ allowedSubnets: ['127.0.0.1'], lookup })
    const url = `http://rebinding.example:${server.port}/`
    const first = await request(url, { dispatcher: agent, reset: true })
    await first.body.dump()
    await expect(get(agent, url)).rejects.toThrow(BlockedAddressError)
    expect(dialled).toEqual(['127.0.0.1'])
  })

  test('connects to the value it has checked, not to what the answer says later', async () => {
    const server = await startServer()
    const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.2']
    const lookup: Lookup = async () => [
      {
        get address() {
          return addresses.shift() ?? ''
        },
        family: 4,
      },
    ]
    const agent = startAgent({ allowedSubnets: ['127.0.0.1'], lookup })
    expect(await get(agent, `http://rebinding.example:${server.port}/`)).toMatchObject({ statusCode: 200 })
    expect(dialled).toEqual(['127.0.0.1'])
  })

  test.each([
    [['127.0.0.1', '127.0.0.2']],
    [['127.0.0.2', '127.0.0.1']],
    [['127.0.0.1', '::1']],
    [['8.8.8.8', '127.0.0.2']],
    [['8.8.8.8', '2606:4700::1', '::ffff:10.0.0.1']],
    [['8.8.8.8', 'fe80::1%eth0']],
    [['8.8.8.8', '']],
  ])('refuses the whole name when it resolves to %j', async (addresses) => {
    const server = await startServer()
    const agent = startAgent({ allowedSubnets: ['127.0.0.1'], lookup: answering(...addresses) })
    await expect(get(agent, `http://mixed.example:${server.port}/`)).rejects.toThrow(BlockedAddressError)
    expect(dialled).toEqual([])
    expect(server.connections()).toBe(0)
  })

  test.each(['fe80::1%lo', '::1%lo', '[::1]', '[fe80::1%25lo]', '::1', 'a:b'])(
    'refuses the host %s without resolving it',
    async (hostname) => {
      const lookup = answering('127.0.0.1')
      const connect = createAddressGuard({ allowedSubnets: ['127.0.0.0/8'], lookup }).connector({
        connectTimeoutMs: 5_000,
      })
      const { promise, resolve } = Promise.withResolvers<Error | null>()
      connect({ hostname, protocol: 'http:', port: '1' }, (...[error]) => resolve(error))
      expect(await promise).toBeInstanceOf(BlockedAddressError)
      expect(lookup).not.toHaveBeenCalled()
      expect(dialled).toEqual([])
    },
  )

  test('sends nothing when a connection ends up at a forbidden address all the same', async () => {
    const recorder = await startRecorder()
    const realConnect = net.connect
    vi.spyOn(net, 'connect').mockImplementation(() => realConnect({ host: '127.0.0.1', port: recorder.port }))
    await expect(get(startAgent({}), `http://8.8.8.8:${recorder.port}/`)).rejects.toThrow(BlockedAddressError)
    expect(dialled).toEqual(['127.0.0.1'])
    expect((await recorder.firstBytes).toString()).toBe('')
  })

  test('names the host, not the address, in the TLS handshake, and offers no HTTP/2', async () => {
    const recorder = await startRecorder()
    const agent = startAgent({ allowedSubnets: ['127.0.0.0/8'], lookup: answering('127.0.0.1') })
    await expect(get(agent, `https://receiver.example:${recorder.port}/`)).rejects.toThrow('before secure TLS')
    const clientHello = (await recorder.firstBytes).toString('latin1')
    expect(clientHello).toContain('receiver.example')
    expect(clientHello).toContain('\u0008http/1.1')
    expect(clientHello).not.toContain('\u0002h2')
  })

  test('sends no byte of a TLS handshake to a forbidden address', async () => {
    const server = await startServer()
    const agent = startAgent({ lookup: answering('127.0.0.1') })
    await expect(get(agent, `https://receiver.example:${server.port}/`)).rejects.toThrow(BlockedAddressError)
    await expect(get(agent, `https://127.0.0.1:${server.port}/`)).rejects.toThrow(BlockedAddressError)
    expect(server.connections()).toBe(0)
  })

  test('passes on why a name does not resolve', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    const agent = startAgent({ lookup: async () => Promise.reject(notFound) })
    await expect(get(agent, 'http://receiver.example/')).rejects.toBe(notFound)
    const throwing = startAgent({
      lookup: () => {
        throw notFound
      },
    })
    await expect(get(throwing, 'http://receiver.example/')).rejects.toBe(notFound)
  })

  test('fails for a name that resolves to nothing', async () => {
    const agent = startAgent({ lookup: answering() })
    await expect(get(agent, 'http://receiver.example/')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    expect(dialled).toEqual([])
  })

  test('gives up on a resolver that never answers', async () => {
    const agent = startAgent({ lookup: () => new Promise(() => {}), connectTimeoutMs: 50 })
    await expect(get(agent, 'http://receiver.example/')).rejects.toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' })
  })
})

function refusal(url: string): string | null {
  return guard.refusesUrl(new URL(url))
}

function isIpv4Range([cidr]: (typeof REFUSED_RANGES)[number]): boolean {
  return !cidr.includes(':')
}

function toDotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}

/** Mapped addresses are taken apart by URL's serialiser, since BlockList has its own ideas about them. */
function unmapped(address: string): string {
  if (!net.isIPv6(address)) return address
  const [, high, low] = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(new URL(`http://[${address}]`).hostname) ?? []
  if (high === undefined || low === undefined) return address
  return toDotted(Number.parseInt(high, 16) * 0x10000 + Number.parseInt(low, 16))
}

function blockList(cidrs: readonly string[]): net.BlockList {
  const list = new net.BlockList()
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/')
    list.addSubnet(address, Number(prefix), net.isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return list
}

function answering(...addresses: string[]) {
  return vi.fn<Lookup>(async () => addresses.map((address) => ({ address, family: net.isIP(address) })))
}

async function get(dispatcher: Agent, url: string) {
  const { statusCode, body } = await request(url, { dispatcher })
  return { statusCode, text: await body.text() }
}

function portOf(server: net.Server): number {
  const address = server.address()
  if (!address || typeof address === 'string') throw new Error('the server does not listen on a port')
  return address.port
}
