/** Lists that are read page by page, in both directions. */
import * as fc from 'fast-check'
import type { Keyset } from '../../src/store/port/page.ts'

export type Order = Keyset['order']
export const ORDERS: readonly Order[] = ['ascending', 'descending']
export const inOrder = <T>(ascending: readonly T[], order: Order): T[] =>
  order === 'ascending' ? [...ascending] : ascending.toReversed()

export const anyOrder: fc.Arbitrary<Order> = fc.constantFrom(...ORDERS)

/** Reads a list from behind `start` to its end, so many at a time, each page from behind the last of the one before. */
export async function allPages<T>(
  read: (page: Keyset) => Promise<T[]>,
  keyOf: (row: T) => string,
  { order, limit, start = null }: { order: Order; limit: number; start?: string | null },
): Promise<T[]> {
  const rows: T[] = []
  for (let after: string | null = start; ;) {
    const page: T[] = await read({ after, order, limit })
    if (page.length > limit) throw new Error(`a page of ${limit} has ${page.length} rows`)
    rows.push(...page)
    const last = page.at(-1)
    if (last === undefined || page.length < limit) return rows
    after = keyOf(last)
  }
}

export const firstPage: Keyset = { limit: 1_000, after: null, order: 'ascending' }
