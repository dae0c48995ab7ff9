import type { ArgumentsOf, ResultOf } from '../verbs.ts'
import { applicationReads } from './applications.ts'
import { endpointReads } from './endpoints.ts'
import { eventTypeReads } from './event-types.ts'
import { historyReads } from './history.ts'
import { type Dialect, directionOf, type Read, textsOf } from './read.ts'
import { sourceReads } from './sources.ts'
import { taskReads } from './tasks.ts'
import type { Row, Value } from '../shared/value.ts'

/** The verbs that both engines answer by the same statement. */
const READS = {
  ...applicationReads,
  ...endpointReads,
  ...eventTypeReads,
  ...historyReads,
  ...sourceReads,
  ...taskReads,
}

export type ReadVerb = keyof typeof READS

/** A statement with its values, and the mapper of its rows. */
export interface Prepared<R> {
  name: string | undefined
  text: string
  values: readonly Value[]
  result: (rows: readonly Row[]) => R
}

/** For each verb, the statement that answers it, in the dialect of an engine. */
export type PreparedReads = { [V in ReadVerb]: (...args: ArgumentsOf<V>) => Prepared<ResultOf<V>> }

export function preparedReads(dialect: Dialect): PreparedReads {
  const prepare = (read: Read<ReadVerb>) => {
    const textOf = textsOf(read, dialect)
    return (...args: ArgumentsOf<ReadVerb>) => ({
      name: read.name,
      text: textOf(directionOf(read, args)),
      values: read.values(...args),
      result: read.result,
    })
  }
  const entries = Object.entries(READS).map(([verb, read]) => [verb, prepare(read as unknown as Read<ReadVerb>)])
  return Object.fromEntries(entries) as PreparedReads
}
