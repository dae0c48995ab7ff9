/** The plain reads of both engines, on a connection of SQLite. */
import { type PreparedReads, preparedReads, type ReadVerb } from '../reads/reads.ts'
import type { Row } from '../shared/value.ts'
import type { ArgumentsOf, ResultOf } from '../verbs.ts'
import { bound, type Database } from './database.ts'

const PREPARED: PreparedReads = preparedReads({
  by: (index) => `INDEXED BY ${index}`,
  isOneOf: (column, place) => `${column} IN (SELECT value FROM json_each(${place}))`,
  hasOneOf: (column, place) =>
    `${place} IS NULL OR EXISTS (SELECT 1 FROM json_each(${column}) f WHERE f.value IN (SELECT value FROM json_each(${place})))`,
})

type Reads = { [V in ReadVerb]: (db: Database, ...args: ArgumentsOf<V>) => ResultOf<V> }

const reader =
  (verb: ReadVerb) =>
  (db: Database, ...args: ArgumentsOf<ReadVerb>) => {
    const { text, values, result } = (PREPARED[verb] as (...args: unknown[]) => ReturnType<PreparedReads[ReadVerb]>)(
      ...args,
    )
    return result(db.all<Row>(text, ...bound(values)))
  }

export const READS = Object.fromEntries(
  (Object.keys(PREPARED) as ReadVerb[]).map((verb) => [verb, reader(verb)]),
) as Reads
