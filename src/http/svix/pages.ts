/** Pages of the API: iterators are ids, a leading `-` asks for the page before one. */
import { z } from 'zod'
import type { Keyset } from '../../store/tenants.ts'

type Order = Keyset['order']

export interface PageQuery {
  limit: number
  iterator?: string | undefined
}

export interface Page<T> {
  data: T[]
  iterator: string | null
  prevIterator?: string
  done: boolean
}

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    data: z.array(item),
    iterator: z.string().nullable(),
    prevIterator: z.string().optional(),
    done: z.boolean(),
  })

/** A page whose rows are JSON texts already. */
export function pageJson({ data, ...rest }: Page<string>): string {
  return `{"data":[${data.join(',')}],${JSON.stringify(rest).slice(1)}`
}

/** A name of an event type may begin with the sign for backwards: `:`, which is in no name, then goes before it. */
const toIterator = (key: string): string => (key.startsWith('-') ? `:${key}` : key)

const opposite = (order: Order): Order => (order === 'ascending' ? 'descending' : 'ascending')

/**
 * Reads one page, shown in `order`. `read` gets one row more than the page has, to know whether there is another one; backwards
 * it is asked in the other order, and `done` then means that nothing comes before the page. `fromTheEnd`: without an iterator
 * the last page is read, as if it were asked for backwards. With `sizeOf`, which tells the bytes of a row, a page ends early
 * where it would become too large.
 */
export async function readPage<T>(
  { limit, iterator }: PageQuery,
  {
    order,
    keyOf,
    read,
    fromTheEnd = false,
    sizeOf,
  }: {
    order: Order
    keyOf: (row: T) => string
    read: (page: Keyset) => Promise<T[]>
    fromTheEnd?: boolean
    sizeOf?: (row: T) => number
  },
): Promise<Page<T>> {
  const given = iterator === '' ? undefined : iterator
  const isBackwards = given === undefined ? fromTheEnd : given.startsWith('-')
  const keyset: Keyset = {
    limit: limit + 1,
    after: given?.replace(/^[-:]/, '') ?? null,
    order: isBackwards ? opposite(order) : order,
  }
  const { rows, isCut } =
    sizeOf === undefined ? { rows: await read(keyset), isCut: false } : await readSome(keyset, { read, keyOf, sizeOf })
  const done = rows.length <= limit && !isCut
  const data = rows.slice(0, limit)
  if (isBackwards) data.reverse()
  const first = data[0]
  const last = data.at(-1)
  return {
    data,
    iterator: last === undefined ? null : toIterator(keyOf(last)),
    ...(first === undefined ? {} : { prevIterator: `-${keyOf(first)}` }),
    done,
  }
}

const PAGE_BYTES_MAX = 16 * 1_048_576
const ROWS_AT_ONCE = { first: 4, max: 64 }

/** Reads so many rows at a time as are not too large together, judged by the largest one so far. */
async function readSome<T>(
  page: Keyset,
  given: { read: (page: Keyset) => Promise<T[]>; keyOf: (row: T) => string; sizeOf: (row: T) => number },
): Promise<{ rows: T[]; isCut: boolean }> {
  const rows: T[] = []
  let bytes = 0
  let largest = 1
  let atOnce: number = ROWS_AT_ONCE.first
  while (rows.length < page.limit) {
    const last = rows.at(-1)
    const limit = Math.min(atOnce, page.limit - rows.length)
    const some = await given.read({ ...page, limit, after: last === undefined ? page.after : given.keyOf(last) })
    for (const row of some) {
      bytes += given.sizeOf(row)
      largest = Math.max(largest, given.sizeOf(row))
      rows.push(row)
    }
    if (some.length < limit) break
    if (bytes >= PAGE_BYTES_MAX && rows.length < page.limit) return { rows, isCut: true }
    atOnce = Math.min(ROWS_AT_ONCE.max, Math.max(1, Math.floor((PAGE_BYTES_MAX - bytes) / largest)))
  }
  return { rows, isCut: false }
}
