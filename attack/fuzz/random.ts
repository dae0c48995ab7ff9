/** Random choices that a seed decides: the same seed makes the same requests. */
export interface Random {
  /** From 0 up to below 1. */
  next(): number
  below(n: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
}

/** No chance is taken but what is certain, and the first of all is picked. */
export const PLAIN: Random = {
  next: () => 0,
  below: () => 0,
  chance: (probability) => probability >= 0.9,
  pick: (items) => items[0]!,
}

/** Mulberry32: small, and good enough to vary requests. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)]!,
  }
}
