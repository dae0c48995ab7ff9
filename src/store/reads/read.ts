/**
 * Plain reads as values: one text and one mapper for both engines. A read that differs between the engines, or that has
 * to be one snapshot of several statements, is a function of each engine.
 */
import { type Stretch, stretchOf } from '../shared/keyset.ts'
import type { Row, Value } from '../shared/value.ts'
import type { Keyset } from '../port/page.ts'
import type { ArgumentsOf, ResultOf, Verb } from '../verbs.ts'

/** The few words in which the engines differ. */
export interface Dialect {
  /** Placed behind a table: the index to use, for an engine that has to be told. */
  by: (index: string) => string
  /** A condition: the column is one of the texts that are given as one value. */
  isOneOf: (column: string, place: string) => string
  /**
   * A condition: the column's JSON list has one of the texts that are given as one value. True if that value is null.
   */
  hasOneOf: (column: string, place: string) => string
}

export interface Read<V extends Verb> {
  /** PostgreSQL prepares the statement under this name; without one it is planned for its values. */
  name?: string
  /** One text for each direction of a page; other reads have one. Places are `$1`, `$2`, … */
  sql: (dialect: Dialect, direction: Stretch['direction']) => string
  values: (...args: ArgumentsOf<V>) => readonly Value[]
  /** The page that the arguments ask for; reads without pages have none. */
  page?: (...args: ArgumentsOf<V>) => Keyset
  result: (rows: readonly Row[]) => ResultOf<V>
}

/** The stretch of a page, as the last three values of a statement: above, below, and number of rows. */
export const stretchValues = (page: Keyset): [above: string, below: string, limit: number] => {
  const { above, below, limit } = stretchOf(page)
  return [above, below, limit]
}

export const first =
  <T>(from: (row: Row) => T) =>
  ([row]: readonly Row[]): T | null =>
    row === undefined ? null : from(row)

export const every =
  <T>(from: (row: Row) => T) =>
  (rows: readonly Row[]): T[] =>
    rows.map(from)

/** A statement that is ready to run: its text is made once for each direction. */
export function textsOf(read: Read<never>, dialect: Dialect): (direction: Stretch['direction']) => string {
  const texts: Partial<Record<Stretch['direction'], string>> = {}
  return (direction) => (texts[direction] ??= read.sql(dialect, direction))
}

export const directionOf = <V extends Verb>({ page }: Read<V>, args: ArgumentsOf<V>): Stretch['direction'] =>
  page?.(...args).order === 'descending' ? 'DESC' : 'ASC'
