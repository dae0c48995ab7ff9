import type { Stretch } from '../shared/keyset.ts'

/** Merges several walks over the same stretch and returns the first ids; no id is in two of the walks. */
export function merge(
  parts: readonly { id: string }[][],
  { direction, limit }: Pick<Stretch, 'direction' | 'limit'>,
): string[] {
  const ids = parts.flatMap((part) => part.map(({ id }) => id)).toSorted()
  return (direction === 'ASC' ? ids : ids.toReversed()).slice(0, limit)
}
