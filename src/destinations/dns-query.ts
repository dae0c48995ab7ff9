/**
 * Asks DNS one question through c-ares, which needs no thread. A name server that never answers therefore delays no
 * other lookup. `getaddrinfo` would hold one of the process's few threads for each name that it waits for.
 */
import { promises as dns } from 'node:dns'
import type { Clock, Timer } from '../lib/clock.ts'
import { DESTINATION_LIMITS } from './limits.ts'
import { descriptorLack } from './own-lack.ts'

/** `not_found`: there is no such name, or it has no address. The other results leave that open. */
export type LookupFailure = 'not_found' | 'no_answer' | 'server_failure' | 'bad_answer' | 'busy' | 'node_exhausted'

const CODES: Readonly<Record<LookupFailure, string>> = {
  not_found: 'ENOTFOUND',
  no_answer: 'DNS_NO_ANSWER',
  server_failure: 'DNS_SERVER_FAILURE',
  bad_answer: 'DNS_BAD_ANSWER',
  busy: 'DNS_BUSY',
  node_exhausted: 'EMFILE',
}

export class LookupError extends Error {
  override readonly name = 'LookupError'
  readonly reason: LookupFailure
  readonly code: string

  constructor(hostname: string, reason: LookupFailure, code = CODES[reason]) {
    super(`looking up ${hostname}: ${reason}`)
    this.reason = reason
    this.code = code
  }
}

export interface DnsAnswer {
  address: string
  family: 4 | 6
  ttlMs: number
}

/** A query that can be cancelled. Its sockets are its own, so the next query uses another port. */
export type Channel = Pick<dns.Resolver, 'resolve4' | 'resolve6' | 'cancel'>

/** A name server that does not answer is asked again, then the next server. The lookup's own deadline ends that. */
const QUERY = { timeout: 1_000, maxTimeout: 2_000, tries: 4 }

export function openChannel(servers: readonly string[]): Channel {
  const channel = new dns.Resolver(QUERY)
  if (servers.length > 0) channel.setServers(servers)
  return channel
}

/**
 * The addresses of exactly this name, of both families, or the reason why there are none. Once one family is here, the
 * wait for the other is short: some name servers never answer for the family they do not have.
 */
export function askForAddresses(channel: Channel, name: string, clock: Clock): Promise<DnsAnswer[] | LookupError> {
  return new Promise((resolve) => {
    const answers: DnsAnswer[] = []
    const failures: LookupError[] = []
    let timer: Timer | null = null
    let open = 2
    const end = () => {
      timer?.cancel()
      resolve(answers.length > 0 ? [...answers] : worst(name, failures))
    }
    const ended = () => {
      if (--open === 0) end()
      else if (answers.length > 0) timer = clock.after(DESTINATION_LIMITS.lookupOtherFamilyMs, end)
    }
    const ask = (family: 4 | 6, records: Promise<{ address: string; ttl: number }[]>) =>
      void records
        .then(
          (all) => void answers.push(...all.map(({ address, ttl }) => ({ address, family, ttlMs: ttl * 1_000 }))),
          (error: unknown) => void failures.push(failureOf(name, error)),
        )
        .then(ended)
    ask(4, channel.resolve4(name, { ttl: true }))
    ask(6, channel.resolve6(name, { ttl: true }))
  })
}

/** The result that leaves most open is reported: `not_found` has to hold in both families. */
const worst = (name: string, failures: readonly LookupError[]): LookupError =>
  failures.find(({ reason }) => reason === 'node_exhausted') ??
  failures.find(({ reason }) => reason !== 'not_found') ??
  new LookupError(name, 'not_found')

const REASONS: Readonly<Record<string, LookupFailure>> = {
  ENOTFOUND: 'not_found',
  ENODATA: 'not_found',
  // The name cannot be asked for; for example one of its labels has 64 characters.
  EBADNAME: 'not_found',
  ESERVFAIL: 'server_failure',
  EREFUSED: 'server_failure',
  ENOTIMP: 'server_failure',
  EFORMERR: 'server_failure',
  ETIMEOUT: 'no_answer',
  ECONNREFUSED: 'no_answer',
  ECANCELLED: 'no_answer',
}

function failureOf(name: string, error: unknown): LookupError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const reason = REASONS[code] ?? 'bad_answer'
  // c-ares reports a socket that could not be opened like a server that is not there.
  if (code === 'ECONNREFUSED' || reason === 'bad_answer') {
    const lack = code === 'ENOMEM' ? code : descriptorLack()
    if (lack !== null) return new LookupError(name, 'node_exhausted', lack)
  }
  return new LookupError(name, reason)
}
