/** Pages of the API: iterators are ids, a leading `-` asks for the page before one. */
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

/** A name of an event type may begin with the sign for backwards: `:`, which is in no name, then goes before it. */
const toIterator = (key: string): string => (key.startsWith('-') ? `:${key}` : key)

const opposite = (order: Order): Order => (order === 'ascending' ? 'descending' : 'ascending')

/**
 * Reads one page, shown in `order`. `read` gets one row more than the page has, to know whether there is another one; backwards
 * it is asked in the other order, and `done` then means that nothing comes before the page. `fromTheEnd`: without an iterator
 * the last page is read, as if it were asked for backwards. A page ends early where it would become too large.
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
