/** Text of a statement for the stretch of an index that holds a page. */
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

/** The condition for the stretch of an index that holds a page, by the id that orders the index. */
export const within = (id: string, { above, below }: PlacedStretch): string => `${id} > ${above} AND ${id} < ${below}`

export const inOrderOf = (id: string, { direction, limit }: PlacedStretch): string =>
  `ORDER BY ${id} ${direction} LIMIT ${limit}`
