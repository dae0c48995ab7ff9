/**
 * Resolves a host name to its addresses, for deliveries: the hosts file, then DNS with the machine's search list, as
 * getaddrinfo does with `hosts: files dns`. Other sources that nsswitch.conf may name (mDNS, the machine's own name,
 * LDAP) are not asked.
 *
 * A name that does not resolve delays only its own endpoint. All deliveries that want a name share one lookup. A lookup
 * has a deadline, after which its queries are cancelled. The number of lookups at the same time is bounded, and names
 * that have resolved before keep a quarter of them. Answers and failures are remembered for a short time. The caller
 * still has to check every address that it connects to.
 */
import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import { Remembered } from '../lib/remembered.ts'
import {
  askForAddresses,
  type Channel,
  type DnsAnswer,
  LookupError,
  type LookupFailure,
  openChannel,
} from './dns-query.ts'
import type { Lookup } from './guard.ts'
import { DESTINATION_LIMITS } from './limits.ts'
import { isLocalhost, namesToTry } from './name-files.ts'
import { SYSTEM_FILES, type SystemFiles, SystemNames } from './system-names.ts'

export interface NameResolver extends Disposable {
  /** Rejects with a LookupError. */
  readonly lookup: Lookup
  readonly counts: LookupCounts
}

export interface LookupCounts {
  readonly underWay: number
  /** Lookups that asked DNS, by their result, including those that found no room to ask. */
  readonly ended: Readonly<Record<'found' | LookupFailure, number>>
}

export interface NameResolverOptions {
  clock: Clock
  /** Addresses of name servers, with a port or without; an empty list means the machine's own. */
  servers: readonly string[]
  files?: SystemFiles
  /** Lookups that may run at the same time. */
  max?: number
}

export const createNameResolver = (options: NameResolverOptions): NameResolver => new Resolver(options)

type Addresses = readonly LookupAddress[]

class Resolver implements NameResolver {
  readonly #clock: Clock
  readonly #servers: readonly string[]
  readonly #max: number
  readonly #system: SystemNames
  readonly #underWay = new Map<string, { answer: Promise<Addresses>; channel: Channel }>()
  /** Also holds expired answers: it is useful to know that a name has resolved before. */
  readonly #found = new Remembered<Addresses>(DESTINATION_LIMITS.namesRemembered)
  readonly #failed = new Remembered<LookupError>(DESTINATION_LIMITS.namesRemembered)
  readonly #ended: Record<'found' | LookupFailure, number> = {
    found: 0,
    not_found: 0,
    no_answer: 0,
    server_failure: 0,
    bad_answer: 0,
    busy: 0,
    node_exhausted: 0,
  }
  #isOver = false

  constructor({ clock, servers, files = SYSTEM_FILES, max = DESTINATION_LIMITS.lookupsUnderWay }: NameResolverOptions) {
    this.#clock = clock
    this.#servers = servers
    this.#max = max
    this.#system = new SystemNames(clock, files)
  }

  get counts(): LookupCounts {
    return { underWay: this.#underWay.size, ended: this.#ended }
  }

  readonly lookup: Lookup = (hostname) => {
    const name = hostname.toLowerCase()
    const underWay = this.#underWay.get(name)
    if (underWay !== undefined) return underWay.answer
    const local = this.#local(name.replace(/\.$/, ''))
    if (local !== null) return Promise.resolve(local)
    const now = this.#clock.now()
    const found = this.#found.get(name, now)
    if (found !== undefined) return Promise.resolve(found)
    const failed = this.#failed.get(name, now)
    if (failed !== undefined) return Promise.reject(failed)
    if (this.#isOver || !this.#hasRoom(name)) {
      this.#ended.busy++
      return Promise.reject(new LookupError(hostname, 'busy'))
    }
    return this.#start(name)
  };

  [Symbol.dispose](): void {
    this.#isOver = true
    for (const { channel } of this.#underWay.values()) channel.cancel()
  }

  #local(name: string): Addresses | null {
    const addresses = this.#system.hosts.get(name)
    if (addresses !== undefined) return addresses.map((address) => ({ address, family: isIP(address) }))
    return isLocalhost(name) ? LOOPBACK : null
  }

  #hasRoom(name: string): boolean {
    const max = this.#found.has(name) ? this.#max : Math.ceil((this.#max * 3) / 4)
    return this.#underWay.size < max
  }

  #start(name: string): Promise<Addresses> {
    const channel = openChannel(this.#servers)
    const answer = this.#ask(channel, name).then((result) => {
      this.#underWay.delete(name)
      channel.cancel()
      const now = this.#clock.now()
      if (result instanceof LookupError) {
        this.#ended[result.reason]++
        // A lack on this node says nothing about the name.
        if (result.reason !== 'node_exhausted')
          this.#failed.set(name, result, now, DESTINATION_LIMITS.lookupFailureKeptMs)
        throw result
      }
      this.#ended.found++
      const addresses = this.#inOrder(result)
      const ttlMs = Math.min(...result.map((one) => one.ttlMs))
      this.#found.set(name, addresses, now, Math.min(ttlMs, DESTINATION_LIMITS.lookupAnswerKeptMs))
      return addresses
    })
    this.#underWay.set(name, { answer, channel })
    return answer
  }

  /** Tries the names in turn. Trouble with one name does not end the search: another name may be found. */
  async #ask(channel: Channel, name: string): Promise<DnsAnswer[] | LookupError> {
    let isLate = false
    const deadline = this.#clock.after(DESTINATION_LIMITS.lookupMs, () => {
      isLate = true
      channel.cancel()
    })
    let failure = new LookupError(name, 'not_found')
    try {
      for (const one of namesToTry(name, this.#system.searchRules)) {
        const result = await askForAddresses(channel, one, this.#clock)
        if (!(result instanceof LookupError)) return result
        if (failure.reason === 'not_found') failure = result
        const mayGoOn = result.reason === 'not_found' || result.reason === 'server_failure'
        if (isLate || this.#isOver || !mayGoOn) break
      }
      return failure
    } finally {
      deadline.cancel()
    }
  }

  /** Sorts by the family that the machine prefers; within a family the order of DNS stays. */
  #inOrder(answers: readonly DnsAnswer[]): Addresses {
    const first = this.#system.prefersIpv6 ? 6 : 4
    const of = (isFirst: boolean) =>
      answers.filter(({ family }) => (family === first) === isFirst).map(({ address, family }) => ({ address, family }))
    return [...of(true), ...of(false)].slice(0, DESTINATION_LIMITS.addressesPerName)
  }
}

const LOOPBACK: Addresses = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]
