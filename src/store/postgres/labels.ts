/** Conditions of lists on the message of a row. */
import type { Parameters } from './parameters.ts'
import { textArray } from './values.ts'

/**
 * A condition: the message has all of these labels and one of these event types, each found by its key. `row` has
 * `app_id` and `msg_id`.
 */
export function messageHas(
  row: string,
  labels: readonly string[],
  eventTypes: readonly string[] | null,
  parameters: Parameters,
): string {
  // Compared with 1, so that they stay conditions on a row. As EXISTS they would become joins, with which the server
  // may begin.
  const conditions = labels.map(
    (label) => `AND (SELECT 1 FROM msg_label x
      WHERE x.app_id = ${row}.app_id AND x.label = ${parameters.add(label)} AND x.msg_id = ${row}.msg_id) = 1`,
  )
  if (eventTypes !== null)
    conditions.push(`AND (SELECT 1 FROM msg x WHERE x.app_id = ${row}.app_id AND x.id = ${row}.msg_id
      AND x.event_type = ANY (${parameters.add(textArray(eventTypes), 'text[]')})) = 1`)
  return conditions.join(' ')
}
