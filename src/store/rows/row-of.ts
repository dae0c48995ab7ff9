/**
 * Maps rows to domain values, once for both engines: one list of columns gives the mapper and the parts of the
 * statements. A member of the type without a column does not compile.
 */
import type { Row } from '../shared/value.ts'

/** The value in a column; an engine that has no booleans stores 1 and 0. */
export type Stored = string | number | boolean | null

export interface Column<T> {
  name: string
  encode: (value: T) => Stored
  decode: (stored: unknown) => T
}

/** A column with a text or a number, stored as it is; times are milliseconds since the epoch. */
export const plain = <T extends string | number | null>(name: string): Column<T> => ({
  name,
  encode: (value) => value,
  decode: (stored) => stored as T,
})

const isTrue = (stored: unknown): boolean => stored === true || stored === 1

export const flag = (name: string): Column<boolean> => ({ name, encode: (value) => value, decode: isTrue })

/** A column with one of two words, stored as a flag that says whether it is the first. */
export const either = <T extends string>(name: string, first: T, second: T): Column<T> => ({
  name,
  encode: (value) => value === first,
  decode: (stored) => (isTrue(stored) ? first : second),
})

/** A column with JSON text; null is stored as null. */
export const json = <T>(name: string): Column<T> => ({
  name,
  encode: (value) => (value === null ? null : JSON.stringify(value)),
  decode: (stored) => (stored === null ? null : JSON.parse(stored as string)) as T,
})

export type Columns<D> = { readonly [K in keyof D]-?: Column<D[K]> }

/** Some members, in a given order, as parts of a statement. */
export interface Part<D> {
  /** `app_id, id` */
  names: string
  /** `$1, $2`, counted from `first`. */
  places: (first?: number) => string
  /** `app_id = $1, id = $2` */
  assignments: (first?: number) => string
  /** Number of members. */
  size: number
  values: (entity: D) => Stored[]
}

export interface RowOf<D> {
  /** The names of all columns: `app_id, id, …`, or `m.app_id, m.id, …` */
  names: (alias?: string) => string
  from: (row: Row) => D
  part: (members: readonly (keyof D)[]) => Part<D>
  members: readonly (keyof D)[]
}

export function rowOf<D extends object>(columns: Columns<D>): RowOf<D> {
  const members = Object.keys(columns) as (keyof D)[]
  const all = members.map((member) => ({ member, ...columns[member] }))
  return {
    members,
    names: (alias) => all.map(({ name }) => (alias === undefined ? name : `${alias}.${name}`)).join(', '),
    from(row) {
      const entity = {} as D
      for (const { member, name, decode } of all) entity[member] = decode(row[name])
      return entity
    },
    part(some) {
      const chosen = some.map((member) => ({ member, ...columns[member] }))
      return {
        names: chosen.map(({ name }) => name).join(', '),
        places: (first = 1) => chosen.map((_, i) => `$${first + i}`).join(', '),
        assignments: (first = 1) => chosen.map(({ name }, i) => `${name} = $${first + i}`).join(', '),
        size: chosen.length,
        values: (entity) => chosen.map(({ member, encode }) => encode(entity[member])),
      }
    },
  }
}
