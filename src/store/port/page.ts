/** A stretch of a list that is ordered by a unique text: at most `limit` rows after `after`, in this order. */
export interface Keyset {
  limit: number
  /** Not itself in the result; null begins at the end that the order names. */
  after: string | null
  order: 'ascending' | 'descending'
}

/** A page with the last rows first. `before` is the last row that was read; null begins with the very last row. */
export const newest = (limit: number, before: string | null = null): Keyset => ({
  limit,
  after: before,
  order: 'descending',
})
