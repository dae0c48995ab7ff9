/** A page's part of an index, as text of a statement. */
import type { Stretch } from '../shared/keyset.ts'
import type { Parameters } from './parameters.ts'

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

/** The part of an index that a page is found in, by the id that it is ordered by. */
export const within = (id: string, { above, below }: PlacedStretch): string => `${id} > ${above} AND ${id} < ${below}`

export const inOrderOf = (id: string, { direction, limit }: PlacedStretch): string =>
  `ORDER BY ${id} ${direction} LIMIT ${limit}`
