/** A stretch of a list that is ordered by a unique text: at most `limit` of what comes after `after`, in this order. */
export interface Keyset {
  limit: number
  /** Not itself in the answer; null begins at the end that the order names. */
  after: string | null
  order: 'ascending' | 'descending'
}

/** The last ones first; `before` is the last one that was read, null begins with the very last. */
export const newest = (limit: number, before: string | null = null): Keyset => ({
  limit,
  after: before,
  order: 'descending',
})
