/**
 * Slows down the guessing of keys. An address that has sent many different wrong keys gets 429 for further ones, and
 * loses its connection with each. A right key is never looked up here, because many clients may share one address
 * behind a proxy. The length of a key makes guessing hopeless; this makes it slow and visible.
 */
const LIMITS = {
  /**
   * Different wrong keys of one address in a minute. One wrong key, however often it is sent, is a mistake in a
   * setting.
   */
  keys: 20,
  windowMs: 60_000,
  /** Addresses that are remembered; above that number the oldest are forgotten. */
  addresses: 10_000,
}

interface Guesses {
  until: number
  keys: Set<number>
}

export class WrongKeys {
  readonly #byNetwork = new Map<string, Guesses>()

  /**
   * Notes a wrong key, by some bytes of its digest. Returns the seconds until the address may try others; 0 while it
   * may.
   */
  note(address: string, key: number, now: number): number {
    const guesses = this.#guessesOf(networkOf(address), now)
    if (guesses.keys.has(key)) return 0
    if (guesses.keys.size >= LIMITS.keys) return Math.max(1, Math.ceil((guesses.until - now) / 1_000))
    guesses.keys.add(key)
    return 0
  }

  #guessesOf(network: string, now: number): Guesses {
    const known = this.#byNetwork.get(network)
    // A clock that was set back must not block an address for longer.
    if (known !== undefined && now < known.until && known.until <= now + LIMITS.windowMs) return known
    const guesses = { until: now + LIMITS.windowMs, keys: new Set<number>() }
    this.#byNetwork.delete(network)
    this.#byNetwork.set(network, guesses)
    if (this.#byNetwork.size > LIMITS.addresses) {
      const [oldest] = this.#byNetwork.keys()
      this.#byNetwork.delete(oldest!)
    }
    return guesses
  }
}

/** An IPv4 address, or the 64 bits of an IPv6 address that its owner does not choose. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address
  const [head = '', tail] = address.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  return [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':')
}
