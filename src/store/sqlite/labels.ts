/** Conditions of lists on the message of a row. */
import type { SQLInputValue } from 'node:sqlite'

/** A part of a statement with the values of its placeholders. */
export interface Condition {
  sql: string
  values: SQLInputValue[]
}

/**
 * A condition: the message has all of these labels and one of these event types, each found by its key. `row` has
 * `app_id` and `msg_id`.
 */
export function messageHas(row: string, labels: readonly string[], eventTypes: readonly string[] | null): Condition {
  // Compared with 1, so that they stay conditions on a row. With EXISTS, SQLite may begin with them, and sort the
  // result.
  const hasLabel = `AND (SELECT 1 FROM msg_label x WHERE x.app_id = ${row}.app_id AND x.label = ? AND x.msg_id = ${row}.msg_id) = 1`
  const isOfType = `AND (SELECT 1 FROM msg x WHERE x.app_id = ${row}.app_id AND x.id = ${row}.msg_id
    AND x.event_type IN (SELECT value FROM json_each(?))) = 1`
  return {
    sql: [...labels.map(() => hasLabel), ...(eventTypes === null ? [] : [isOfType])].join(' '),
    values: [...labels, ...(eventTypes === null ? [] : [JSON.stringify(eventTypes)])],
  }
}
