/** Pages of the API. Iterators are ids; a leading `-` asks for the page before the id. */
import { z } from 'zod'
import type { Keyset } from '../../store/port/page.ts'
import { named, nameOf } from '../described.ts'
import { readBounded } from '../page-bytes.ts'

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

export const pageOf = <T extends z.ZodType>(item: T) => {
  const page = z.object({
    data: z.array(item),
    iterator: z.string().nullable(),
    prevIterator: z.string().optional(),
    done: z.boolean(),
  })
  const name = nameOf(item)
  return name === undefined ? page : named(`ListResponse${name}`, page)
}

/** A page whose rows are JSON texts already. */
export function pageJson({ data, ...rest }: Page<string>): string {
  return `{"data":[${data.join(',')}],${JSON.stringify(rest).slice(1)}`
}

/**
 * A name of an event type may begin with the sign for backwards. In that case `:`, which no name contains, is put
 * before it.
 */
const toIterator = (key: string): string => (key.startsWith('-') ? `:${key}` : key)

const opposite = (order: Order): Order => (order === 'ascending' ? 'descending' : 'ascending')

/**
 * Reads one page, shown in `order`. Asks `read` for one row more than the page has, to learn whether more rows exist. A
 * backwards page is read in the opposite order, and its `done` means: this is the first page. `fromTheEnd`: without an
 * iterator, the last page is read, as if the client asked for it backwards. A page ends early when it would become too
 * large.
 */
export async function readPage<T>(
  { limit, iterator }: PageQuery,
  {
    order,
    keyOf,
    read,
    fromTheEnd = false,
  }: {
    order: Order
    keyOf: (row: T) => string
    read: (page: Keyset) => Promise<T[]>
    fromTheEnd?: boolean
  },
): Promise<Page<T>> {
  const given = iterator === '' ? undefined : iterator
  const isBackwards = given === undefined ? fromTheEnd : given.startsWith('-')
  const keyset: Keyset = {
    limit: limit + 1,
    after: given?.replace(/^[-:]/, '') ?? null,
    order: isBackwards ? opposite(order) : order,
  }
  const { rows, isCut } = await readBounded<T>(keyset.limit, (some, before) => {
    const last = before.at(-1)
    return read({ ...keyset, limit: some, after: last === undefined ? keyset.after : keyOf(last) })
  })
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
