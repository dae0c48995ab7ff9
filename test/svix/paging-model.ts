/** What a list has to answer, worked out the plain way from everything that there is. */
import { idTime } from '../../src/domain/ids.ts'
import type { Page } from './sdk-gateway.ts'

export interface Item {
  id: string
}

export interface PageRequest {
  limit: number
  /** An iterator, after which the page begins; with a `-` in front the one before which it ends. */
  iterator?: string | undefined
  /** Without an iterator the last page is meant. */
  fromTheEnd?: boolean
}

/** How an id is named as an iterator: a name may begin with the sign for backwards. */
export const iteratorOf = (id: string): string => (id.startsWith('-') ? `:${id}` : id)

/** The page of `items`, which are in the order in which they are shown; ids ascend in that order, or descend. */
export function pageOf(
  items: readonly Item[],
  { limit, iterator, fromTheEnd = false }: PageRequest,
  isAscending: boolean,
): Page<string> {
  const at = iterator?.replace(/^[-:]/, '')
  const isBackwards = at === undefined ? fromTheEnd : iterator!.startsWith('-')
  const ids = items.map((one) => one.id)
  const isAfter = (id: string) => (isAscending ? id > at! : id < at!)
  const rest = at === undefined ? ids : ids.filter((id) => (isBackwards ? id !== at && !isAfter(id) : isAfter(id)))
  const data = limit === 0 ? [] : isBackwards ? rest.slice(-limit) : rest.slice(0, limit)
  return {
    data,
    iterator: data.length > 0 ? iteratorOf(data.at(-1)!) : null,
    ...(data.length > 0 && { prevIterator: `-${data[0]!}` }),
    done: rest.length <= limit,
  }
}

export const shown = (page: Page<Item>): Page<string> => ({ ...page, data: page.data.map((one) => one.id) })

/** Time as ids tell it: to 4 ms. */
const tick = (ms: number) => Math.floor(ms / 4)
const WINDOW = tick(90 * 86_400_000)

export interface Range {
  before?: number | undefined
  after?: number | undefined
  iterator?: string | undefined
}

/** Whether a list looks at what is of time `at`: ninety days around what was asked for. */
export function isInWindow(at: number, { before, after, iterator }: Range, now: number): boolean {
  const t = tick(at)
  if (before !== undefined && (t >= tick(before) || t < tick(before) - WINDOW)) return false
  if (after !== undefined && (t < tick(after) || (before === undefined && t >= tick(after) + WINDOW))) return false
  const cursor = iterator === undefined ? null : tick(idTime(iterator.replace(/^-/, '') as `${string}_${string}`))
  if (cursor !== null) return t >= cursor - WINDOW && t < cursor + WINDOW
  return before !== undefined || after !== undefined || t >= tick(now) - WINDOW
}
