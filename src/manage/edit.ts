import { GatewayError } from '../domain/errors.ts'

/** Number of tries: an edit that meets another one reads again and starts over. */
const TRIES = 5

interface Edit<T, R extends string> {
  /** Reads the current value; null when there is nothing to change. */
  read: () => Promise<T | null>
  /** Returns the changed value; null refuses the edit. */
  change: (before: T) => Partial<T> | null
  /** Writes `after` if the stored value is still `before`; otherwise returns `changed`. */
  write: (after: T, before: T) => Promise<R | 'changed'>
  now: number
}

/**
 * Reads, changes and writes; starts over when another writer came between. Null when there is nothing to change. Throws
 * `edit_conflict` when other writers never stop.
 */
export async function edit<T extends { updatedAt: number }, R extends string>({
  read,
  change,
  write,
  now,
}: Edit<T, R>): Promise<{ result: R | 'refused'; before: T; after: T } | null> {
  for (let tries = 0; tries < TRIES; tries++) {
    const before = await read()
    if (before === null) return null
    const changed = change(before)
    if (changed === null) return { result: 'refused', before, after: before }
    const after = { ...before, ...changed, updatedAt: Math.max(now, before.updatedAt + 1) }
    const result = await write(after, before)
    if (result !== 'changed') return { result, before, after }
  }
  throw new GatewayError('edit_conflict', { detail: 'Others changed this at the same time. Try again.' })
}
