/** Pages of lists that are ordered by a unique text: a read enters the index at one place and walks it for one page. */
import type { Keyset } from '../port/page.ts'

/** Both bounds are exclusive, and always present, so that there is one statement and not four. */
export interface Stretch {
  above: string
  below: string
  direction: 'ASC' | 'DESC'
  limit: number
}

/** Greater than every id and every name, as both engines compare them: by their bytes. */
export const END = '\u{10FFFF}'

const greatest = (a: string, b: string): string => (a > b ? a : b)
const least = (a: string, b: string): string => (a < b ? a : b)

/** The part of a list that a page asks for, within `from` and `until`, both exclusive. */
export function stretchOf(
  { limit, after, order }: Keyset,
  { from, until }: { from: string | null; until: string | null } = { from: null, until: null },
): Stretch {
  return order === 'ascending'
    ? { above: greatest(from ?? '', after ?? ''), below: until ?? END, direction: 'ASC', limit }
    : { above: from ?? '', below: least(until ?? END, after ?? END), direction: 'DESC', limit }
}
