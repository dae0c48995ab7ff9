/**
 * Finds errors that mean a lack on this node: descriptors, ports, memory, its proxy. Such an error says nothing about a
 * receiver. Counted as the receiver's failure, it would use up the schedules of healthy endpoints.
 */
import { closeSync, openSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { devNull } from 'node:os'
import type { Outcome } from '../domain/delivery.ts'
import { DESTINATION_LIMITS } from './limits.ts'

const WORDS = new Map(
  Object.entries({
    EMFILE: 'the gateway has no file descriptors left (EMFILE); "ulimit -n" tells how many it may have',
    ENFILE: 'the machine of the gateway has no file descriptors left (ENFILE)',
    EADDRNOTAVAIL: 'the gateway has no port left to connect from (EADDRNOTAVAIL)',
    ENOBUFS: 'the gateway has no memory for network buffers (ENOBUFS)',
    ENOMEM: 'the gateway has no memory left (ENOMEM)',
    PROXY_UNUSABLE: 'the proxy of the gateway (PROXY_URL) cannot be used',
    DNS_BUSY: 'the gateway looks up as many names as it may at once',
  }),
)

/** Errors carry their causes along; a real error has only a few. */
const CAUSES_MAX = 4

/** The missing means, in words, or null when the error is of another kind. */
export function ownLack(error: unknown, depth = 0): string | null {
  if (!(error instanceof Error) || depth > CAUSES_MAX) return null
  // Several addresses were tried. An address that could not be tried may have been the one that answers.
  if (error instanceof AggregateError) {
    for (const one of error.errors.slice(0, DESTINATION_LIMITS.addressesPerName)) {
      const words = ownLack(one, depth + 1)
      if (words !== null) return words
    }
    return null
  }
  const code = codeOf(error)
  // Without IPv6 on this machine, every IPv6 address is "not available", for ever.
  const isForEver = code === 'EADDRNOTAVAIL' && isIPv6(addressOf(error))
  return (isForEver ? null : WORDS.get(code)) ?? ownLack(error.cause, depth + 1)
}

/** The outcome of an attempt that this node could not make: tried again later, at no cost for the delivery. */
export const lacking = (words: string): Outcome => ({
  kind: 'deferred',
  reason: 'node_exhausted',
  error: words,
  waitMs: DESTINATION_LIMITS.ownLackWaitMs,
})

/** The code of the lack that keeps this process from opening anything at the moment, or null. */
export function descriptorLack(): string | null {
  try {
    closeSync(openSync(devNull, 'r'))
    return null
  } catch (error) {
    const code = codeOf(error)
    return WORDS.has(code) ? code : null
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

const addressOf = (error: Error): string =>
  'address' in error && typeof error.address === 'string' ? error.address : ''
