/**
 * Pages of lists that are ordered by a unique text: an index is entered at one place and walked for one page.
 *
 * Which index that is, the server decides by its statistics, and they can be wrong: walking all ids in their order until
 * enough of a rare kind were met looks cheap to it. So a walk names the columns of its index as one value to compare, and
 * orders by all of them; no other index has that order, and the wrong walk would have to sort.
 */
import type { Keyset } from '../tenants.ts'
import type { Parameters } from './parameters.ts'

/** Both bounds are exclusive, and always there, so that there is one statement and not four. */
export interface Stretch {
  above: string
  below: string
  direction: 'ASC' | 'DESC'
  limit: number
}

/** Greater than every id and every name, as they are compared: by their bytes. */
const END = '\u{10FFFF}'

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

/** A stretch with its values' places in a statement. */
export interface PlacedStretch {
  above: string
  below: string
  direction: Stretch['direction']
  limit: string
}

export const placed = ({ above, below, direction, limit }: Stretch, parameters: Parameters): PlacedStretch => ({
  above: parameters.add(above),
  below: parameters.add(below),
  direction,
  limit: parameters.add(limit, 'bigint'),
})

/**
 * Rows whose leading columns have these values, in the order of the id: `of` says columns and values in the order of the
 * index. The rest of the statement may name what it wants.
 */
export const within = (
  of: readonly (readonly [column: string, value: string])[],
  id: string,
  stretch: PlacedStretch,
) => {
  const columns = [...of.map(([column]) => column), id].join(', ')
  const values = of.map(([, value]) => `${value}, `).join('')
  return `(${columns}) > (${values}${stretch.above}) AND (${columns}) < (${values}${stretch.below})`
}

export const inOrderOf = (columns: readonly string[], { direction, limit }: PlacedStretch): string =>
  `ORDER BY ${columns.map((column) => `${column} ${direction}`).join(', ')} LIMIT ${limit}`
