/** The plain reads of both engines, on any connection of PostgreSQL or within a transaction. */
import { type PreparedReads, preparedReads, type ReadVerb } from '../reads/reads.ts'
import type { Row } from '../shared/value.ts'
import type { ArgumentsOf, ResultOf } from '../verbs.ts'
import type { Ask } from './database.ts'
import { bound } from './values.ts'

const PREPARED: PreparedReads = preparedReads({
  by: () => '',
  isOneOf: (column, place) => `${column} = ANY (${place}::text[])`,
  hasOneOf: (column, place) =>
    `${place}::text[] IS NULL OR EXISTS (
       SELECT 1 FROM json_array_elements_text(${column}::json) f (one) WHERE f.one = ANY (${place}::text[]))`,
})

type Reads = { [V in ReadVerb]: (on: { ask: Ask }, ...args: ArgumentsOf<V>) => Promise<ResultOf<V>> }

const reader =
  (verb: ReadVerb) =>
  async ({ ask }: { ask: Ask }, ...args: ArgumentsOf<ReadVerb>) => {
    const { name, text, values, result } = (
      PREPARED[verb] as (...args: unknown[]) => ReturnType<PreparedReads[ReadVerb]>
    )(...args)
    return result(await ask<Row>({ ...(name === undefined ? {} : { name }), text }, ...bound(values)))
  }

export const READS = Object.fromEntries(
  (Object.keys(PREPARED) as ReadVerb[]).map((verb) => [verb, reader(verb)]),
) as Reads
