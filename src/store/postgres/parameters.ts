import type { Value } from './database.ts'

/** The values of a statement that is put together from parts. Each part adds its values, and gets their places. */
export class Parameters {
  readonly values: Value[] = []

  add(value: Value, type: 'text' | 'text[]' | 'bigint' = 'text'): string {
    return `$${this.values.push(value)}::${type}`
  }
}
