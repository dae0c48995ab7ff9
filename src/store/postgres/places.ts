/** Statements with many values: the places number themselves, and each knows how its value is made from a batch. */
import type { Value } from './database.ts'
import { numberArray, textArray } from './values.ts'

/**
 * Rows of a batch, as arrays: one for each column, all in the same order. Each array gives its place, such as
 * `$3::text[]`.
 */
export interface RowPlaces<R> {
  texts: (of: (row: R) => string | null) => string
  numbers: (type: 'smallint' | 'int' | 'bigint', of: (row: R) => number | null) => string
  flags: (of: (row: R) => boolean) => string
}

/** The places of one statement. Its text is built once, with these; `values` are then made for each batch. */
export class Places<B> {
  readonly #makers: ((batch: B) => Value)[] = []

  one(type: string, of: (batch: B) => Value): string {
    return `$${this.#makers.push(of)}::${type}`
  }

  rows<R>(rowsOf: (batch: B) => readonly R[]): RowPlaces<R> {
    return {
      texts: (of) => this.one('text[]', (batch) => textArray(rowsOf(batch).map(of))),
      numbers: (type, of) => this.one(`${type}[]`, (batch) => numberArray(rowsOf(batch).map(of))),
      flags: (of) => this.one('bool[]', (batch) => textArray(rowsOf(batch).map((row) => String(of(row))))),
    }
  }

  values(batch: B): Value[] {
    return this.#makers.map((make) => make(batch))
  }
}

/** Columns by their names, each with the place of its array. */
export type Arrays = Readonly<Record<string, string>>

/** The rows of the arrays as a table: `unnest($1::text[], …) k (app_id, …)`. */
export const given = (alias: string, arrays: Arrays): string =>
  `unnest(${Object.values(arrays).join(', ')}) ${alias} (${Object.keys(arrays).join(', ')})`

/** Inserts the rows of the arrays into the table. */
export const insertFrom = (table: string, arrays: Arrays): string =>
  `INSERT INTO ${table} (${Object.keys(arrays).join(', ')}) SELECT * FROM unnest(${Object.values(arrays).join(', ')})`
