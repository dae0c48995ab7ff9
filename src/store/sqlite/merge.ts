import type { Stretch } from '../shared/keyset.ts'

/** The first of what several walks over the same stretch found; no id is in two of them. */
export function merge(
  parts: readonly { id: string }[][],
  { direction, limit }: Pick<Stretch, 'direction' | 'limit'>,
): string[] {
  const ids = parts.flatMap((part) => part.map(({ id }) => id)).toSorted()
  return (direction === 'ASC' ? ids : ids.toReversed()).slice(0, limit)
}
