/**
 * The one bound in bytes of every page: rows are read a few at a time, until there are enough of them or they are too
 * large.
 *
 * Two pages need no such reading, because the bounds of stored values keep their rows small. As JSON in UTF-8 a UTF-16
 * unit is at most 6 bytes (a control character is `\u0001`); in a URL 2 (a backslash).
 * - `/messages`: id 1,024 * 6, sender and receiver 1,024 digits each, time 53, text 4,096 * 6 (a character beyond the
 *   BMP is 4): 33 KB; 100 of them are 3.3 MB.
 * - attempts of a subscription: URL 8,192 * 2, answer 4,096 * 6, error and the rest below 3,000: 44 KB; 250 are 11 MB.
 *   The 100 attempts of `/deliveries/{id}` are 4.4 MB. Its deliveries are bounded separately.
 */
import { weightOf } from '../lib/weight.ts'

export const PAGE_BYTES_MAX = 16 * 1_048_576
/** Rows read at first: few, because each may be as large as a body. */
const ROWS_AT_ONCE = { first: 4, max: 64 }

/**
 * Reads up to `limit` rows. `read` gets the number of rows to read next and the rows read so far. That number is chosen
 * so that the rows together are not too large, judged by the largest one so far. `isCut`: there may be more rows, which
 * had no room.
 */
export async function readBounded<T>(
  limit: number,
  read: (limit: number, before: readonly T[]) => Promise<T[]>,
): Promise<{ rows: T[]; isCut: boolean }> {
  const rows: T[] = []
  let bytes = 0
  let largest = 1
  let atOnce: number = ROWS_AT_ONCE.first
  while (rows.length < limit) {
    const wanted = Math.min(atOnce, limit - rows.length)
    const some = await read(wanted, rows)
    for (const row of some) {
      const size = weightOf(row)
      bytes += size
      largest = Math.max(largest, size)
      rows.push(row)
    }
    if (some.length < wanted) break
    if (bytes >= PAGE_BYTES_MAX && rows.length < limit) return { rows, isCut: true }
    atOnce = Math.min(ROWS_AT_ONCE.max, Math.max(1, Math.floor((PAGE_BYTES_MAX - bytes) / largest)))
  }
  return { rows, isCut: false }
}
