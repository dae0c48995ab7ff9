/** One value of a statement, in either engine. A list of texts is one value, too. */
export type Value = string | number | boolean | Uint8Array | null | readonly string[]

/** A row as an engine returns it: the columns by their names. */
export type Row = Readonly<Record<string, unknown>>
